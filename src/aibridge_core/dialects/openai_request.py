"""Reading request bodies of both OpenAI APIs: what must be right is checked, the rest is looked at with care.

Belongs here: what the two APIs have in common. Never: where one of them keeps its conversation. Only what the gateway
itself needs is required; the provider judges everything else.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import msgspec
from msgspec import Raw

from aibridge_core.dialects.jsontext import UNREADABLE, read, starts, try_read
from aibridge_core.errors import MalformedRequest

NO_VALUE = Raw(b"")
"""Stands for a member that isn't there."""

INSTRUCTORS = ("developer", "system")
"""Roles of messages that instruct the model. Newer models call `developer` what older ones call `system`."""

_ELEMENTS = msgspec.json.Decoder(list[Raw])
_STRING = msgspec.json.Decoder(str)


class _HasModel(Protocol):
    model: str


T = TypeVar("T", bound=_HasModel)


def decode_request(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a request body. Raises MalformedRequest, which says what is wrong and where."""
    try:
        request = read(decoder, body)
    except UNREADABLE as error:
        raise MalformedRequest(_complaint(body, error)) from None
    if not request.model.strip():
        raise MalformedRequest("The request body names no model: `model` is empty.")
    return request


def elements(raw: Raw) -> Sequence[Raw]:
    """The elements of a JSON array as they are written; none if it is something else."""
    found = try_read(_ELEMENTS, raw) if starts(raw, b"[") else None
    return found or ()


def string(raw: Raw) -> str | None:
    """The text of a JSON string, with U+FFFD for what is no character; None if it is something else."""
    return try_read(_STRING, raw) if starts(raw, b'"') else None


def _complaint(body: bytes, error: Exception) -> str:
    if not body.strip():
        return "The request body is empty; this API takes a JSON object."
    if isinstance(error, RecursionError):
        return "The request body is nested too deeply to be read."
    if isinstance(error, msgspec.ValidationError):
        return f"The request body has the wrong shape: {error}."
    reason = str(error).removeprefix("JSON is malformed: ")
    return f"The request body is not valid JSON: {reason}."
