"""What the messages of Bedrock's event stream say, as server-sent events of the Messages API, and the way back.

Source: the Amazon Bedrock Runtime API, "InvokeModelWithResponseStream", response syntax. Belongs here: `chunk`
messages, exceptions, and their names. Never: framing (`eventstream`), or what an event means (a dialect).
"""

import re
from typing import Final

import msgspec

from aibridge_core.bedrock.refusals import error_body
from aibridge_core.eventstream import Message
from aibridge_core.sse import SseEvent

ENDING: Final = (b"message_stop", b"error")
"""Events after which an answer is over."""


_NAME: Final = re.compile(rb"[\w.-]+")
"""What may stand in a line of its own."""
_LINE_END: Final = re.compile(rb"\r\n?|\n")
"""Each of these ends a line of an event (WHATWG, "Server-sent events")."""


class _Chunk(msgspec.Struct):
    bytes: bytes


class _Named(msgspec.Struct):
    type: str = ""


class _Problem(msgspec.Struct):
    message: str = ""


_CHUNK = msgspec.json.Decoder(_Chunk)
_NAMED = msgspec.json.Decoder(_Named)
_PROBLEM = msgspec.json.Decoder(_Problem)


def event_of(message: Message) -> SseEvent | None:
    """The event that a message stands for; None for messages that this version doesn't know."""
    kind = message.headers.get(":message-type", "event")
    if kind == "event":
        return _event_of_chunk(message)
    if kind == "exception":
        name = message.headers.get(":exception-type", "")
        return _error(name, _text(message.payload))
    name = message.headers.get(":error-code", "")
    return _error(name, message.headers.get(":error-message") or _text(message.payload))


def chunk_of(data: bytes) -> Message:
    """The message that carries the data of an event."""
    headers = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    return Message(headers=headers, payload=msgspec.json.encode({"bytes": data}))


def exception_of(name: str, text: str) -> Message:
    """The message that tells of an error, in Bedrock's names (first letter small)."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return Message(headers=headers, payload=msgspec.json.encode({"message": text}))


def _event_of_chunk(message: Message) -> SseEvent | None:
    try:
        data = _CHUNK.decode(message.payload).bytes
        name = _NAMED.decode(data).type.encode()
    except msgspec.DecodeError:
        return None
    return _written(name if _NAME.fullmatch(name) else b"", data)


def _error(name: str, text: str) -> SseEvent:
    return _written(b"error", error_body(name, text))


def _text(payload: bytes) -> str:
    try:
        return _PROBLEM.decode(payload).message
    except msgspec.DecodeError:
        return payload.decode("utf-8", "replace")


def _written(name: bytes, data: bytes) -> SseEvent:
    lines = _LINE_END.sub(b"\ndata: ", data)
    head = b"event: " + name + b"\n" if name else b""
    return SseEvent(name, data, head + b"data: " + lines + b"\n\n")
