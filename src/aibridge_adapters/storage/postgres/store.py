"""The read side of the audit trail on PostgreSQL.

Belongs here: the queries behind InterceptionStore. Never: what a filter means in SQL (conditions), counting (counts).
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from attrs import evolve, frozen

from aibridge_adapters.storage.postgres import conditions, counts
from aibridge_adapters.storage.postgres.columns import MOMENT, moment, readable, text_of
from aibridge_adapters.storage.postgres.conditions import Conditions, equals
from aibridge_adapters.storage.postgres.connecting import Connection
from aibridge_adapters.storage.postgres.pool import Pool
from aibridge_adapters.storage.rows import (
    READ_COLUMNS,
    RECORD_TABLES,
    RecordTable,
    Row,
    interception_of,
    record_of,
)
from aibridge_adapters.storage.spans import DAY
from aibridge_core.errors import UnknownCursor
from aibridge_core.records import Interception, InterceptionFilter, Page, Record, Status

_SELECT = f"SELECT {', '.join(map(readable, READ_COLUMNS))} FROM interceptions"


def _select_records(table: RecordTable) -> str:
    columns = ", ".join(map(readable, table.all_columns))
    return f"SELECT {columns} FROM {table.name} WHERE interception_id = ANY(%s::uuid[])"


_SELECT_RECORDS = [(table, _select_records(table)) for table in RECORD_TABLES.values()]


@frozen
class PostgresInterceptionStore:
    """Implements `aibridge_core.ports.InterceptionStore`."""

    _pool: Pool

    async def list(self, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
        """One page, with records. Raises UnknownCursor, StoreUnavailable."""
        return await self._pool.read(lambda connection: _page(connection, where, page))

    async def count(self, where: InterceptionFilter) -> int:
        """How many match. Raises StoreUnavailable."""
        return await self._pool.read(lambda connection: counts.count(connection, where))

    async def get(self, interception_id: str) -> Interception | None:
        """One, with records. Raises StoreUnavailable."""
        if not _is_uuid(interception_id):
            return None
        wanted = Conditions().also("id = %s", interception_id)
        found = await self._pool.read(lambda connection: _whole(connection, wanted))
        return next(iter(found), None)

    async def models(self, *, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        """Distinct requested models. Raises StoreUnavailable."""
        return await self._labels("model", initiator_id, prefix, page)

    async def clients(self, *, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        """Distinct client labels. Raises StoreUnavailable."""
        return await self._labels("client", initiator_id, prefix, page)

    async def find_initiator(self, text: str) -> str | None:
        """By id, else by the username in their newest interception. Raises StoreUnavailable."""
        return await self._pool.read(lambda connection: _initiator(connection, text))

    async def _labels(self, column: str, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        query, values = _distinct(column, initiator_id, text_of(prefix))
        values = (*values, page.limit, page.offset)
        rows = await self._pool.read(lambda connection: _rows(connection, f"{query} LIMIT %s OFFSET %s", values))
        return [row[0] for row in rows]


def _distinct(column: str, initiator_id: str | None, prefix: str) -> tuple[str, Row]:
    """Distinct values of a column of the trail, which the tables of counts hold too."""
    where = InterceptionFilter(initiator_id=initiator_id)
    table, ended = conditions.counted(where)
    in_flight = conditions.of_columns(evolve(where, status=Status.IN_FLIGHT))
    ended, in_flight = (wanted.also(f"starts_with({column}, %s)", prefix) for wanted in (ended, in_flight))
    query = (
        f"SELECT {column} FROM {table}{ended.where} GROUP BY {column} HAVING sum(n) > 0 "
        f"UNION SELECT {column} FROM interceptions{in_flight.where} ORDER BY 1"
    )
    return query, (*ended.values, *in_flight.values)


async def _initiator(connection: Connection, text: str) -> str | None:
    if await _newest(connection, equals(Conditions(), "initiator_id", text)):
        return text_of(text)
    bearers = equals(Conditions(), "initiator_username", text)
    while found := await _newest(connection, bearers):
        initiator_id, username = found
        if await _newest(connection, equals(Conditions(), "initiator_id", initiator_id)) == (initiator_id, username):
            return str(initiator_id)
        bearers = bearers.also("initiator_id <> %s", initiator_id)  # was called so once, but no longer
    return None


async def _newest(connection: Connection, wanted: Conditions) -> Row | None:
    """Whose the newest interception is, and their name in it."""
    query = f"SELECT initiator_id, initiator_username FROM interceptions{wanted.where}"
    rows = await _rows(connection, f"{query} ORDER BY started_at DESC, id DESC LIMIT 1", wanted.values)
    return rows[0] if rows else None


async def _page(connection: Connection, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
    wanted, offset = conditions.of(where), page.offset
    if page.after_id is not None:
        started_at = await _start_of(connection, page.after_id)
        wanted = wanted.also(f"(started_at, id) < ({MOMENT}, %s)", *moment(started_at), page.after_id)
    elif offset and where.session_id is None:
        day, offset = await _day_at(connection, where, offset)
        wanted = wanted.also(f"started_at < {MOMENT}", *moment((day + 1) * DAY))
    return await _whole(connection, wanted, limit=page.limit, offset=offset)


async def _start_of(connection: Connection, after_id: str) -> int:
    """When the interception at a cursor started, in microseconds. Raises UnknownCursor."""
    query = f"SELECT {readable('started_at')} FROM interceptions WHERE id = %s"
    rows = await _rows(connection, query, (after_id,)) if _is_uuid(after_id) else ()
    if not rows:
        raise UnknownCursor(after_id)
    return int(rows[0][0])


async def _day_at(connection: Connection, where: InterceptionFilter, offset: int) -> tuple[int, int]:
    """The day on which the row at `offset` lies, and its offset from that day's newest row.

    A deep offset so costs at most a day's rows, not all rows before it.
    """
    day = 0
    for day, n in await counts.per_day(connection, where):
        if offset < n:
            return day, offset
        offset -= n
    return day - 1, 0


async def _whole(
    connection: Connection, wanted: Conditions, *, limit: int = 1, offset: int = 0
) -> Sequence[Interception]:
    """Interceptions with their records: one query for each kind, all sent together.

    Which ones is found in an index alone, so that rows that are skipped are not read.
    """
    order = "ORDER BY started_at DESC, id DESC"
    page = f"SELECT id FROM interceptions{wanted.where} {order} LIMIT %s OFFSET %s"
    query = f"{_SELECT} JOIN ({page}) AS page USING (id) {order}"
    interceptions = [interception_of(row) for row in await _rows(connection, query, (*wanted.values, limit, offset))]
    records: dict[str, list[Record]] = {interception.start.id: [] for interception in interceptions}
    for record in await _records(connection, list(records)) if records else ():
        records[record.interception_id].append(record)
    for found in records.values():
        found.sort(key=lambda record: (record.created_at, record.id))
    return [evolve(interception, records=records[interception.start.id]) for interception in interceptions]


async def _records(connection: Connection, ids: Sequence[str]) -> Sequence[Record]:
    async with connection.pipeline():
        cursors = [(table, await connection.execute(query, (ids,))) for table, query in _SELECT_RECORDS]
    return [record_of(table, row) for table, cursor in cursors for row in await cursor.fetchall()]


async def _rows(connection: Connection, query: str, values: Sequence[Any]) -> Sequence[Row]:
    return await (await connection.execute(query, values)).fetchall()


def _is_uuid(text: str) -> bool:
    """Whether this can be the id of an interception; anything else names none."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
