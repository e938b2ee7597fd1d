"""Statements that write many rows at once.

Belongs here: the SQL of the write side. Never: when it runs.

One statement for many rows is not only less work: Python's sqlite3 gives up the interpreter lock for each step of a
statement, and under load takes long to get it back. A statement of 64 rows gives it up once.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, TypeVar

from attrs import frozen

from aibridge_adapters.storage.rows import END_COLUMNS, START_COLUMNS, RecordTable, Row

T = TypeVar("T")

_ALL_UP_TO = 16
_SIZES = (64, 32, *range(_ALL_UP_TO, 0, -1))
"""Rows per statement: mostly one statement takes all that waits, and all of them can stay prepared."""


@frozen
class ManyRows:
    """A statement that takes rows of a fixed width as a list of VALUES."""

    before: str
    width: int
    after: str
    constants: str = ""
    """What each row ends with, as SQL: binding costs more."""

    def sql(self, count: int) -> str:
        """The statement for so many rows."""
        row = f"({', '.join('?' * self.width)}{self.constants})"
        return f"{self.before} VALUES {', '.join([row] * count)} {self.after}"


def prepared(statement: ManyRows) -> dict[int, str]:
    """The statement's text by number of rows, made once."""
    return {size: statement.sql(size) for size in _SIZES}


def chunks(entries: Sequence[T]) -> Iterator[Sequence[T]]:
    """`entries` in pieces of those sizes."""
    position = 0
    if 0 < len(entries) <= _ALL_UP_TO:
        yield entries
        return
    for size in _SIZES:
        while len(entries) - position >= size:
            yield entries[position : position + size]
            position += size


def flat(rows: Sequence[Row]) -> list[Any]:
    """All values of all rows, as a statement takes them."""
    return list(chain.from_iterable(rows))


def insert_records(table: RecordTable) -> dict[int, str]:
    """A record that is there already stays as it is."""
    columns = table.all_columns
    return prepared(
        ManyRows(
            f"INSERT INTO {table.name} ({', '.join(columns)})",
            len(columns),
            "ON CONFLICT (interception_id, id) DO NOTHING",
        )
    )


def _insert_starts(columns: Sequence[str]) -> dict[int, str]:
    insert = f"INSERT INTO interceptions ({', '.join(columns)}, fresh)"
    return prepared(ManyRows(insert, len(columns), "ON CONFLICT (id) DO NOTHING", constants=", 1"))


ALONE_COLUMNS = (*START_COLUMNS, "owner", "session_id")
BEGIN_COLUMNS = (*ALONE_COLUMNS, "thread_parent_id", "thread_root_id")

BEGIN_ALONE = _insert_starts(ALONE_COLUMNS)
"""Starts that answer no known tool call; one that is there already stays as it is."""

BEGIN = _insert_starts(BEGIN_COLUMNS)
"""Starts of which some do. Values that are NULL cost more than others: Python looks for an adapter of each."""

CALLERS = prepared(
    ManyRows(
        "SELECT given.column1, made.created_at, made.id, made.interception_id FROM (",
        1,
        """) AS given JOIN tool_usages AS made ON made.number = (
            SELECT newest.number FROM tool_calls JOIN tool_usages AS newest ON newest.number = tool_calls.usage
            WHERE tool_calls.provider_tool_call_id = given.column1
            ORDER BY tool_calls.created_at DESC, newest.id DESC LIMIT 1
        )""",
    )
)
"""Tool call ids, each with the newest call of this id that is in the index: its time, id and interception."""

PARENTS = prepared(
    ManyRows(
        "SELECT given.column1, parent.id, coalesce(parent.thread_root_id, parent.id) FROM (",
        2,
        ") AS given JOIN interceptions AS parent ON parent.id = given.column2",
    )
)
"""Tool call ids with interceptions, each with the interception if it is there, and its thread's root."""

END = prepared(
    ManyRows(
        """
        UPDATE interceptions SET status = given.column2, ended_at = given.column3, error_type = given.column4,
            error_message = given.column5, credential_hint = coalesce(nullif(given.column6, ''), credential_hint)
        FROM (""",
        len(END_COLUMNS),
        ") AS given WHERE interceptions.id = given.column1 AND interceptions.status = 'in_flight'",
    )
) | {
    # Of a single row SQLite knows that it changes one row at most, and keeps no journal to undo half of it.
    1: """
        UPDATE interceptions SET status = ?2, ended_at = ?3, error_type = ?4, error_message = ?5,
            credential_hint = coalesce(nullif(?6, ''), credential_hint)
        WHERE id = ?1 AND status = 'in_flight'"""
}
"""Ends of what is in flight."""

HAS_BEGUN = "SELECT 1 FROM interceptions WHERE id = ?"
"""Whether an id is known."""
