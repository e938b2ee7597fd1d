"""How PostgreSQL takes and gives the values of rows.

Belongs here: which column has which type, and what that means for reading and writing it. Never: what a column means.

Rows come in as JSON, a statement's rows in one parameter: encoding and sending them so costs a quarter of COPY and a
seventh of arrays in this process's time, since no value passes through Python a second time.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from aibridge_core.text import replaced, storable

T = TypeVar("T")

NUL_SHOWN = "\u2400"
"""PostgreSQL's text can't hold U+0000; it becomes its picture, SYMBOL FOR NULL."""

_UUIDS = {"id", "interception_id", "agent_firewall_session_id"}
_TIMES = {"started_at", "ended_at", "created_at", "applied_at", "made_at"}
_NUMBERS = {
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_input_tokens",
    "agent_firewall_sequence_number",
    "sequence_number",
}
_TRUTHS = {"streaming", "injected", "allowed"}
_JSON = {"metadata", "extra"}
_READ_UUIDS = _UUIDS | {"thread_parent_id", "thread_root_id"}


def readable(column: str, table: str = "") -> str:
    """An expression that gives the column's value as rows have it: ids and JSON as text, times in microseconds."""
    name = f"{table}.{column}" if table else column
    if column in _TIMES:
        return f"(extract(epoch FROM {name}) * 1000000)::bigint"
    return f"{name}::text" if column in _READ_UUIDS | _JSON else name


def given(column: str) -> str:
    """The same the other way: an expression over the column of `recordset`.

    Whole seconds and what is left go separate ways, since both times are floating-point numbers inside.
    """
    name = f"given.{column}"
    if column in _TIMES:
        return f"to_timestamp({name} / 1000000) + mod({name}, 1000000) * interval '1 microsecond'"
    return f"{name}::jsonb" if column in _JSON else name


MOMENT = "(to_timestamp(%s) + %s * interval '1 microsecond')"
"""A time, as an expression over the two parameters that `moment` gives."""


def moment(microseconds: int) -> tuple[int, int]:
    """Whole seconds, and microseconds, since the Unix epoch."""
    return divmod(microseconds, 1_000_000)


def recordset(columns: Iterable[str]) -> str:
    """A FROM item, `given`, with the rows of the statement's parameter."""
    return f"json_to_recordset(%s::json) AS given({', '.join(f'{column} {_type(column)}' for column in columns)})"


def _type(column: str) -> str:
    if column in _UUIDS:
        return "uuid"
    if column in _TIMES | _NUMBERS:
        return "bigint"
    return "boolean" if column in _TRUTHS else 'text COLLATE "C"'


def parameter(values: Sequence[T], columns: Sequence[str], row: Callable[[T], Sequence[Any]]) -> str:
    """The rows of these values, as `recordset` takes them. Raises what `row` raises of a value that no column takes."""
    try:
        encoded = _encoded(values, columns, row)
    except UnicodeEncodeError:
        encoded = _encoded([storable(value) for value in values], columns, row)
    if b"u0000" in encoded:  # perhaps a NUL as JSON writes it; to look is cheaper than to look through every text
        encoded = _encoded([text_of(value) for value in values], columns, row)
    return encoded.decode()


def text_of(value: T) -> T:
    """`value`, in itself or deep inside, as text columns can hold it."""
    return replaced(storable(value), "\x00", NUL_SHOWN)


def _encoded(values: Sequence[T], columns: Sequence[str], row: Callable[[T], Sequence[Any]]) -> bytes:
    return msgspec.json.encode([dict(zip(columns, row(value), strict=True)) for value in values])
