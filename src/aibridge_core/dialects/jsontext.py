"""JSON as clients and providers really write it, read for its facts; what is relayed never passes through here.

Belongs here: reading what a strict decoder refuses although every client and provider takes it. JavaScript clients cut
texts in the middle of an emoji, which leaves half a surrogate pair ("\\ud83d"); RFC 8259, section 8.2 allows it in the
grammar. Files that aren't UTF-8 reach prompts as they are. Both read as U+FFFD. Never: what a field means.
"""

import re
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

UNREADABLE = (msgspec.DecodeError, RecursionError)
"""What `read` raises. A `msgspec.ValidationError`, which is a DecodeError too, means JSON of another shape."""

MAX_COUNT = 2**63 - 1
"""Largest number of tokens that is believed; databases hold no larger integer."""

_ANY = msgspec.json.Decoder()
_SYNTAX = msgspec.json.Decoder(msgspec.Raw)
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a surrogate pair
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half of one
    rb"|.)",  # any other escape, so that the second half of `\\\\` begins none
    re.DOTALL,
)


def read(decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw) -> T:
    """Decode, with U+FFFD in place of what is no character. Raises one of `UNREADABLE`."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        source = bytes(data)
        mended = _mend(source)
        if mended == source:
            raise msgspec.DecodeError(str(error)) from None
        return decoder.decode(mended)


def try_read(decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw) -> T | None:
    """As `read`, but None for what can't be read."""
    try:
        return read(decoder, data)
    except UNREADABLE:
        return None


def starts(raw: msgspec.Raw, mark: bytes) -> bool:
    """Whether a value's text begins with `mark`: `[` an array, `{` an object, `"` a string.

    Asking costs a quarter of being told by an exception that a value is of another type.
    """
    return memoryview(raw)[:1] == mark


def try_read_any(data: bytes | msgspec.Raw) -> Any:
    """Any JSON value; None for what can't be read."""
    return try_read(_ANY, data)


def is_json(text: str) -> bool:
    """Whether a text is one complete JSON value."""
    return try_read(_SYNTAX, text.encode("utf-8", "replace")) is not None


def source_text(raw: msgspec.Raw) -> str:
    """A value as it was written."""
    return bytes(raw).decode("utf-8", "replace")


def text_or(value: Any, default: str = "") -> str:
    """`value` if it is a text."""
    return value if isinstance(value, str) else default


def count_or_none(value: Any) -> int | None:
    """`value` if it can be a count: a whole number from zero to `MAX_COUNT`."""
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None


def _mend(data: bytes) -> bytes:
    text = data.decode("utf-8", "replace").encode()
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], text)
