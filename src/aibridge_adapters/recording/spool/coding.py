"""One value of the audit trail as one line of a spool file, and back.

Belongs here: the form of a line. Never: files.

A line is the CRC-32 of what follows in eight hexadecimal digits, a blank, a JSON object whose keys say what it is,
and a line feed: `1c291ca3 {"ended":{"id":...}}`. JSON escapes line feeds, so a line ends where it ends. All is
ASCII and comes back exactly, also text that UTF-8 can't express and numbers of any size.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import msgspec
from attrs import frozen

from aibridge_core.records import (
    InterceptionEnded,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    Record,
    TokenUsage,
    ToolUsage,
)

VERSION = 1
"""Of this form. A file of another version is left alone."""


class BrokenLine(ValueError):
    """A line that is incomplete or was changed."""


@frozen(kw_only=True)
class Header:
    """The first line of a file."""

    database: str
    """What its lines are meant for: a database URL without credentials."""
    version: int = VERSION


Value = Header | InterceptionStart | Record | InterceptionEnded

_KINDS: Mapping[str, type[Any]] = {
    "header": Header,
    "start": InterceptionStart,
    "ended": InterceptionEnded,
    "prompt": PromptUsage,
    "tokens": TokenUsage,
    "tool": ToolUsage,
    "thought": ModelThought,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def encode(value: Value) -> bytes:
    """The line. Raises TypeError, ValueError for metadata that JSON can't hold."""
    if isinstance(value, Record):
        stamp = {"id": value.id, "of": value.interception_id, "at": value.created_at}
        plain = {"record": stamp, _NAMES[type(value.fact)]: msgspec.to_builtins(value.fact)}
    else:
        plain = {_NAMES[type(value)]: msgspec.to_builtins(value, builtin_types=(datetime,))}
    text = json.dumps(plain, separators=(",", ":"), default=_moment).encode("ascii")
    return b"%08x %b\n" % (crc32(text), text)


def decode(line: bytes) -> Value:
    """The value of a line with its end. Raises BrokenLine."""
    checksum, text = line[:8], line[9:-1]
    if line[-1:] != b"\n" or checksum != b"%08x" % crc32(text):
        raise BrokenLine("incomplete or damaged")
    try:
        return _value(json.loads(text))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BrokenLine("of another version") from error


def _moment(value: datetime) -> str:
    """In UTC: offsets of history have seconds, those of RFC 3339 don't."""
    return value.astimezone(UTC).isoformat()


def _value(plain: dict[str, Any]) -> Value:
    stamp = plain.pop("record", None)
    ((kind, fields),) = plain.items()
    value = msgspec.convert(fields, _KINDS[kind])
    if stamp is None:
        return value  # type: ignore[no-any-return]
    created_at = datetime.fromisoformat(stamp["at"])
    return Record(id=stamp["id"], interception_id=stamp["of"], created_at=created_at, fact=value)
