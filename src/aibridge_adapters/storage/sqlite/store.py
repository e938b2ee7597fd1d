"""The read side of the audit trail on SQLite.

Belongs here: the queries behind InterceptionStore. Never: what a filter means in SQL (conditions), counting (counts).
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import islice, takewhile

from attrs import evolve, frozen

from aibridge_adapters.storage.rows import (
    READ_COLUMNS,
    RECORD_TABLES,
    Row,
    interception_of,
    record_of,
)
from aibridge_adapters.storage.spans import DAY
from aibridge_adapters.storage.sqlite import conditions, counts, parts
from aibridge_adapters.storage.sqlite.conditions import Conditions
from aibridge_adapters.storage.sqlite.readers import Readers
from aibridge_core.errors import UnknownCursor
from aibridge_core.records import Interception, InterceptionFilter, Page, Record, Status
from aibridge_core.text import storable

_SELECT = f"SELECT {', '.join(READ_COLUMNS)}"
_ORDER = "ORDER BY started_at DESC, id DESC"
_BY_IDS = f"{_SELECT} FROM interceptions WHERE id IN (SELECT value FROM json_each(?)) {_ORDER}"


@frozen
class SqliteInterceptionStore:
    """Implements `aibridge_core.ports.InterceptionStore`. What UTF-8 can't hold is looked for as it was kept."""

    _readers: Readers

    async def list(self, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
        """One page, with records. Raises UnknownCursor, StoreUnavailable."""
        wanted = storable(where)
        return await self._readers.run(lambda connection: _page(connection, wanted, page))

    async def count(self, where: InterceptionFilter) -> int:
        """How many match. Raises StoreUnavailable."""
        wanted = storable(where)
        return await self._readers.run(lambda connection: counts.count(connection, wanted))

    async def get(self, interception_id: str) -> Interception | None:
        """One, with records. Raises StoreUnavailable."""
        query = f"{_SELECT} FROM interceptions WHERE id = ?"
        found = await self._readers.run(
            lambda connection: _whole(connection, connection.execute(query, (interception_id,)).fetchall())
        )
        return next(iter(found), None)

    async def models(self, *, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        """Distinct requested models. Raises StoreUnavailable."""
        return await self._labels("model", initiator_id, prefix, page)

    async def clients(self, *, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        """Distinct client labels. Raises StoreUnavailable."""
        return await self._labels("client", initiator_id, prefix, page)

    async def find_initiator(self, text: str) -> str | None:
        """By id, else by the username in their newest interception. Raises StoreUnavailable."""
        wanted = storable(text)
        return await self._readers.run(lambda connection: _initiator(connection, wanted))

    async def _labels(self, column: str, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        initiator, beginning = storable(initiator_id), storable(prefix)
        return await self._readers.run(lambda connection: _labels(connection, column, initiator, beginning, page))


def _page(connection: sqlite3.Connection, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
    wanted, offset = _from(connection, where, page)
    pieces = parts.of(connection, where, wanted)
    if len(pieces) > 1:
        ids = parts.newest(connection, pieces, page.limit, offset)
        return _whole(connection, connection.execute(_BY_IDS, (json.dumps(ids),)).fetchall())
    wanted = pieces[0]
    query = f"{_SELECT} {wanted.source} {_ORDER} LIMIT ? OFFSET ?"
    return _whole(connection, connection.execute(query, (*wanted.values, page.limit, offset)).fetchall())


def _from(connection: sqlite3.Connection, where: InterceptionFilter, page: Page) -> tuple[Conditions, int]:
    """What to look for, and how much of that to pass over.

    It has one upper bound: of two, SQLite seeks to the first that it reads, and walks from there to the other.
    """
    wanted, (first, last), offset = conditions.of_columns(where), conditions.bounds(where), page.offset
    if page.after_id is not None:
        cursor = _cursor(connection, page.after_id)
        if last is None or cursor[0] <= last:
            return wanted.between(first, None).also("(started_at, id) < (?, ?)", *cursor), offset
    elif where.session_id is None and (offset or where.status is Status.COMPLETED):  # no index passes over the others
        day, offset = _day_at(connection, where, offset)
        end_of_day = (day + 1) * DAY - 1
        last = end_of_day if last is None else min(last, end_of_day)
    return wanted.between(first, last), offset


def _cursor(connection: sqlite3.Connection, after_id: str) -> Row:
    found: Row | None = connection.execute(
        "SELECT started_at, id FROM interceptions WHERE id = ?", (after_id,)
    ).fetchone()
    if found is None:
        raise UnknownCursor(after_id)
    return found


def _day_at(connection: sqlite3.Connection, where: InterceptionFilter, offset: int) -> tuple[int, int]:
    """The day on which the row at `offset` lies, and its offset from that day's newest row.

    A deep offset so costs at most a day's rows, not all rows before it, and days on which nothing matches cost none.
    """
    day = 0
    for day, n in counts.per_day(connection, where):
        if offset < n:
            return day, offset
        offset -= n
    return day - 1, 0


def _whole(connection: sqlite3.Connection, rows: Iterable[Row]) -> Sequence[Interception]:
    """Interceptions with their records: one query for each kind."""
    interceptions = [interception_of(row) for row in rows]
    records: dict[str, list[Record]] = {interception.start.id: [] for interception in interceptions}
    for record in _records(connection, list(records)) if records else ():
        records[record.interception_id].append(record)
    for found in records.values():
        found.sort(key=lambda record: (record.created_at, record.id))
    return [evolve(interception, records=records[interception.start.id]) for interception in interceptions]


def _records(connection: sqlite3.Connection, ids: Sequence[str]) -> Iterable[Record]:
    for table in RECORD_TABLES.values():
        query = (
            f"SELECT {', '.join(table.all_columns)} FROM {table.name} "
            "WHERE interception_id IN (SELECT value FROM json_each(?))"
        )
        yield from (record_of(table, row) for row in connection.execute(query, (json.dumps(ids),)))


def _labels(
    connection: sqlite3.Connection, column: str, initiator_id: str | None, prefix: str, page: Page
) -> Sequence[str]:
    """Distinct values of a column of the trail: the tables of counts hold those of what is settled."""
    where = InterceptionFilter(initiator_id=initiator_id)
    table, terms, values = conditions.counted(where)
    fresh = conditions.of_columns(where, index=conditions.FRESH)
    matching = " AND ".join([*terms, f"{column} >= ?"])
    query = (
        f"SELECT {column} FROM {table} WHERE {matching} UNION "
        f"SELECT {column} {fresh.also(f'{column} >= ?').source} ORDER BY 1"
    )
    found = connection.execute(query, (*values, prefix, *fresh.values, prefix))
    labels = takewhile(lambda label: label.startswith(prefix), (row[0] for row in found))
    return list(islice(labels, page.offset, page.offset + page.limit))


_BY_ID = """
SELECT initiator_id FROM interceptions INDEXED BY interceptions_by_initiator WHERE initiator_id = ?1 AND fresh IS NULL
UNION ALL
SELECT initiator_id FROM interceptions INDEXED BY interceptions_fresh WHERE initiator_id = ?1 AND fresh IS NOT NULL
LIMIT 1
"""

_BY_USERNAME = """
WITH RECURSIVE people (id) AS (
    SELECT min(initiator_id) FROM interceptions INDEXED BY interceptions_by_initiator WHERE fresh IS NULL
    UNION ALL
    SELECT (
        SELECT min(initiator_id) FROM interceptions INDEXED BY interceptions_by_initiator
        WHERE initiator_id > people.id AND fresh IS NULL
    ) FROM people WHERE id IS NOT NULL
),
newer (initiator_id, name, started_at, id) AS (
    SELECT newest.initiator_id, newest.initiator_username, newest.started_at, newest.id
    FROM people JOIN interceptions AS newest ON newest.id = (
        SELECT id FROM interceptions INDEXED BY interceptions_by_initiator
        WHERE initiator_id = people.id AND fresh IS NULL ORDER BY started_at DESC, id DESC LIMIT 1
    )
    UNION ALL
    SELECT initiator_id, initiator_username, started_at, id FROM interceptions INDEXED BY interceptions_fresh
    WHERE fresh IS NOT NULL
),
newest (initiator_id, name, started_at, id, place) AS (
    SELECT *, row_number() OVER (PARTITION BY initiator_id ORDER BY started_at DESC, id DESC) FROM newer
)
SELECT initiator_id FROM newest WHERE place = 1 AND name = ? ORDER BY started_at DESC, id DESC LIMIT 1
"""
"""Steps from initiator to initiator and looks at the newest interception of each, settled or fresh: some microseconds a
person, and no index on names that every start would have to keep."""


def _initiator(connection: sqlite3.Connection, text: str) -> str | None:
    found = connection.execute(_BY_ID, (text,)).fetchone()
    if not found and text:
        found = connection.execute(_BY_USERNAME, (text,)).fetchone()
    return str(found[0]) if found else None
