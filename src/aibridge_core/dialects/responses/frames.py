"""The Responses API over a WebSocket: one JSON text a message, the same events as in a stream.

Belongs here: what a message is, and errors as messages. Never: what is in a response (`response`), or a socket.
Source: OpenAI's guide "WebSocket mode": a client sends `response.create`, whose other members are those of a request
body; responses run one after the other.
"""

from enum import Enum
from typing import Any

import msgspec

from aibridge_core.dialects.jsontext import text_or, try_read
from aibridge_core.dialects.openai_errors import error_object
from aibridge_core.errors import BridgeError

_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")


class Asks(Enum):
    """What a client's message wants."""

    RESPONSE = "response"
    """A response: an interception."""
    NOTHING_NEW = "nothing new"
    """Something about the response that is under way."""
    UNKNOWN = "unknown"
    """Perhaps a response, in a way that can't be recorded yet."""


_ASKS = {
    "response.create": Asks.RESPONSE,
    "response.append": Asks.RESPONSE,  # early Codex versions: further input for the same response
    "response.cancel": Asks.NOTHING_NEW,
}
_LAST = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})
"""Events after which a response has no more. `response.ResponsesReader` reads the same ones so."""


class _Typed(msgspec.Struct, gc=False):
    type: Any = None


_TYPED = msgspec.json.Decoder(_Typed)


def asks(message: bytes) -> Asks:
    """What a client wants."""
    return _ASKS.get(kind_of(message), Asks.UNKNOWN)


def ends_response(message: bytes) -> bool:
    """Whether a provider's message is the last one of a response."""
    return kind_of(message) in _LAST


def as_event(message: bytes) -> bytes:
    """A provider's message as the event of a stream, to be read. Line ends in JSON only stand between its tokens."""
    return b"data: " + message.translate(_LINE_ENDS) + b"\n\n"


def message_of(event: bytes) -> bytes:
    """The message for an event of our own."""
    lines = [line.removeprefix(b"data: ") for line in event.split(b"\n") if line.startswith(b"data: ")]
    return b"\n".join(lines)


def error_message(error: BridgeError) -> bytes:
    """Why a response doesn't come, with the status and the headers that it would have over HTTP."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in error.headers}
    return msgspec.json.encode(
        {"type": "error", "status": error.status, "error": error_object(error), "headers": headers}
    )


def kind_of(message: bytes) -> str:
    """Its `type`; empty if there is none."""
    found = try_read(_TYPED, message)
    return text_or(found.type) if found else ""
