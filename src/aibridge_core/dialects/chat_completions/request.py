"""What the gateway needs to know of a chat completions request.

Belongs here: where this API keeps model, prompt and tool results, and the one edit that a request may need. Never:
the answer. Source: OpenAI's API reference, "Create chat completion".
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from aibridge_core.dialects.api import RequestView
from aibridge_core.dialects.jsontext import UNREADABLE, read, text_or, try_read
from aibridge_core.dialects.openai_request import INSTRUCTORS, NO_VALUE, decode_request, elements, string
from aibridge_core.dialects.splice import insert_member, set_member

_ASK = b'{"include_usage":true}'


class _Request(msgspec.Struct, gc=False):
    model: str
    stream: bool | None = None
    messages: list[Raw] | None = None
    stream_options: Raw | UnsetType = UNSET
    prompt_cache_key: Raw = NO_VALUE


class _StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None


class _Message(msgspec.Struct, gc=False):
    role: Any = None
    content: Raw = NO_VALUE
    tool_call_id: Any = None


class _Part(msgspec.Struct, gc=False):
    type: Any = None
    text: Raw = NO_VALUE


_REQUEST = msgspec.json.Decoder(_Request)
_OPTIONS = msgspec.json.Decoder(_StreamOptions | None)
_MESSAGE = msgspec.json.Decoder(_Message)
_PART = msgspec.json.Decoder(_Part)


def read_request(body: bytes) -> RequestView:
    """Read a request. Its `body` is another than `body` if the answer's usage had to be asked for.

    Raises MalformedRequest.
    """
    request = decode_request(_REQUEST, body)
    last = _last_turn(request.messages or ())
    return RequestView(
        body=_asking_for_usage(body, request.stream_options) if request.stream else body,
        model=request.model,
        streaming=bool(request.stream),
        prompt=_prompt(last) or None,
        correlating_tool_call_id=(text_or(last.tool_call_id) or None) if last.role == "tool" else None,
        session_hint=string(request.prompt_cache_key) or None,
    )


def _last_turn(messages: Sequence[Raw]) -> _Message:
    """The last message of the conversation. Instructions that a client adds behind it are no turn of their own."""
    for raw in reversed(messages):
        message = try_read(_MESSAGE, raw) or _Message()
        if message.role not in INSTRUCTORS:
            return message
    return _Message()


def _asking_for_usage(body: bytes, options: Raw | UnsetType) -> bytes:
    """`body` with `stream_options.include_usage`; the same object if that is set, or is of a type nobody expects."""
    if isinstance(options, UnsetType):
        return insert_member(body, "stream_options", _ASK)
    try:
        given = read(_OPTIONS, options)
    except UNREADABLE:
        return body
    if given and given.include_usage:
        return body
    return set_member(body, ("stream_options", "include_usage"), b"true")


def _prompt(message: _Message) -> str | None:
    """The text of a user's message: a string, or the last of its text parts."""
    if message.role != "user":
        return None
    if (text := string(message.content)) is not None:
        return text
    for raw in reversed(elements(message.content)):
        part = try_read(_PART, raw)
        if part and part.type == "text" and (text := string(part.text)) is not None:
            return text
    return None
