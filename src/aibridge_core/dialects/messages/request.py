"""Reads a request of the Messages API: only what the gateway needs to know of it.

Belongs here: model, streaming, the last user prompt, what links the request to earlier ones. Never: a change of the
body, or a refusal of something the provider might take: unknown fields, roles and contents pass.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from aibridge_core.dialects.api import RequestView
from aibridge_core.dialects.jsontext import UNREADABLE, read, starts, text_or, try_read
from aibridge_core.errors import MalformedRequest

_NO_VALUE = msgspec.Raw(b"")
"""Stands for a member that isn't there."""


class _Request(msgspec.Struct):
    model: str
    stream: bool | None = None
    messages: list[msgspec.Raw] | None = None
    metadata: msgspec.Raw = _NO_VALUE


class _Metadata(msgspec.Struct):
    user_id: Any = None


class _Message(msgspec.Struct):
    role: Any = None
    content: msgspec.Raw = _NO_VALUE


class _Part(msgspec.Struct):
    type: Any = None
    text: Any = None
    tool_use_id: Any = None


_REQUEST = msgspec.json.Decoder(_Request)
_METADATA = msgspec.json.Decoder(_Metadata)
_MESSAGE = msgspec.json.Decoder(_Message)
_TEXT = msgspec.json.Decoder(str)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_PART = msgspec.json.Decoder(_Part)

_NO_MESSAGE = _Message()
_NO_METADATA = _Metadata()


def read_request(body: bytes) -> RequestView:
    """What the gateway needs to know. Raises MalformedRequest if model, stream or messages can't be read."""
    request = _decode(body)
    message = _last_turn(request.messages or ())
    parts = _parts(message.content)
    metadata = (try_read(_METADATA, request.metadata) if starts(request.metadata, b"{") else None) or _NO_METADATA
    return RequestView(
        body=body,
        model=request.model,
        streaming=bool(request.stream),
        prompt=_prompt(message, parts) if message.role == "user" else None,
        correlating_tool_call_id=_tool_call_id(parts),
        session_hint=metadata.user_id if isinstance(metadata.user_id, str) else None,
    )


def _decode(body: bytes) -> _Request:
    if not body.strip():
        raise MalformedRequest("The request body is empty; expected a JSON object.")
    try:
        request = read(_REQUEST, body)
    except msgspec.ValidationError as error:
        raise MalformedRequest(f"The request body does not fit the Messages API: {error}") from None
    except RecursionError:
        raise MalformedRequest("The request body is nested too deeply.") from None
    except UNREADABLE as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        raise MalformedRequest(f"The request body is not valid JSON: {reason}") from None
    if not request.model.strip():
        raise MalformedRequest("The request body does not fit the Messages API: `model` is empty - at `$.model`")
    return request


def _last_turn(messages: Sequence[msgspec.Raw]) -> _Message:
    """The last message of the conversation.

    Claude Code (2.1.330) puts instructions of its own into `messages`, with the role `system`. They are no turn of
    the conversation: what the user said stands in front of them, and so does a tool's result.
    """
    for raw in reversed(messages):
        message = try_read(_MESSAGE, raw) or _NO_MESSAGE
        if message.role != "system":
            return message
    return _NO_MESSAGE


def _parts(content: msgspec.Raw) -> Sequence[_Part]:
    """The parts of a content list, the last one first; what isn't a part is left out."""
    raws = (try_read(_LIST, content) if starts(content, b"[") else None) or ()
    return [part for raw in reversed(raws) if (part := try_read(_PART, raw))]


def _prompt(message: _Message, parts: Sequence[_Part]) -> str | None:
    """The last text: clients put what they add of themselves (reminders, file contents) before it."""
    texts = (part.text for part in parts if part.type == "text" and isinstance(part.text, str))
    return next(texts, None) if parts else try_read(_TEXT, message.content)


def _tool_call_id(parts: Sequence[_Part]) -> str | None:
    ids = (text_or(part.tool_use_id) for part in parts if part.type == "tool_result")
    return next(filter(None, ids), None)
