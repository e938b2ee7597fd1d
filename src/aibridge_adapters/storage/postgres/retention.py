"""Removing what was kept long enough, on PostgreSQL.

Belongs here: deleting, erasing, and who may. Never: how long anything is kept, or how fast it goes.

Whoever deletes holds row locks for the length of one small transaction, on rows that nobody writes any more. Deleting
an interception removes its records (foreign keys) and keeps the counts right (triggers).
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import frozen

from aibridge_adapters.storage.postgres.columns import MOMENT, moment, readable
from aibridge_adapters.storage.postgres.connecting import Connection
from aibridge_adapters.storage.postgres.pool import Pool
from aibridge_adapters.storage.rows import RECORD_TABLES, micros, moment_of
from aibridge_core.content import CONTENT_FIELDS, CONTENT_MARK, ContentState
from aibridge_core.ports import Clock
from aibridge_core.records import Fact, ToolUsage
from aibridge_core.retention import ContentsFound, Position

LOOK = 1000
"""Most interceptions that one call of `find_contents` looks at."""

_CLAIM = """
INSERT INTO purge_claim (single, owner, until) VALUES (true, %(owner)s, clock_timestamp() + %(until)s)
ON CONFLICT (single) DO UPDATE SET owner = excluded.owner, until = excluded.until
WHERE purge_claim.owner = excluded.owner OR purge_claim.until <= clock_timestamp() + %(ahead)s
"""
_RELEASE = "DELETE FROM purge_claim WHERE owner = %s"

_DELETE = f"""
DELETE FROM interceptions WHERE id = ANY(ARRAY(
    SELECT id FROM interceptions WHERE started_at < {MOMENT} AND status <> 'in_flight'
    ORDER BY started_at, id LIMIT %s FOR UPDATE
))
"""


def _column(kind: type[Fact]) -> str:
    """The column that holds the content of a fact; tool arguments have another name in the database."""
    return "input" if kind is ToolUsage else CONTENT_FIELDS[kind]


_CONTENTS = [(RECORD_TABLES[kind].name, _column(kind)) for kind in CONTENT_FIELDS]

_HOLDS_CONTENT = " OR ".join(
    f"EXISTS (SELECT FROM {table} WHERE interception_id = seen.id AND {column} <> '')" for table, column in _CONTENTS
)
_FIND = f"""
SELECT {readable("started_at")}, id::text, status <> 'in_flight' AND ({_HOLDS_CONTENT}) FROM (
    SELECT started_at, id, status FROM interceptions
    WHERE started_at < {MOMENT} AND (started_at, id) > ({MOMENT}, %s::uuid) ORDER BY started_at, id LIMIT {LOOK}
) AS seen ORDER BY started_at, id
"""
_ERASE = [
    f"""
    UPDATE {table} SET {column} = '', metadata = metadata || %s::jsonb
    WHERE interception_id = ANY(%s::uuid[]) AND {column} <> ''
    """
    for table, column in _CONTENTS
]
_MARK = json.dumps({CONTENT_MARK: ContentState.PURGED.value})


@frozen
class PostgresRetention:
    """Implements `aibridge_core.ports.Retention`."""

    _pool: Pool
    _owner: str
    _clock: Clock

    async def claim(self, now: datetime, *, seconds: float) -> bool:
        """Take or prolong the right to purge, by the database's clock as with leases. Raises StoreUnavailable."""
        ahead = now - self._clock.now()
        values = {"owner": self._owner, "ahead": ahead, "until": ahead + timedelta(seconds=seconds)}

        async def claim(connection: Connection) -> bool:
            return (await connection.execute(_CLAIM, values)).rowcount > 0

        return await self._pool.change(claim)

    async def release(self) -> None:
        """Give it back. Raises StoreUnavailable."""

        async def release(connection: Connection) -> None:
            await connection.execute(_RELEASE, (self._owner,))

        await self._pool.change(release)

    async def delete_interceptions(self, *, started_before: datetime, limit: int) -> int:
        """The oldest first, in one transaction. Raises StoreUnavailable."""
        values = (*moment(micros(started_before)), limit)

        async def delete(connection: Connection) -> int:
            return (await connection.execute(_DELETE, values)).rowcount

        return await self._pool.change(delete)

    async def find_contents(self, *, started_before: datetime, after: Position, limit: int) -> ContentsFound:
        """The oldest first. Raises StoreUnavailable."""
        values = (*moment(micros(started_before)), *moment(micros(after.started_at)), after.id)

        async def find(connection: Connection) -> Sequence[tuple[int, str, bool]]:
            return await (await connection.execute(_FIND, values)).fetchall()

        return _found(await self._pool.read(find), limit)

    async def erase_contents(self, ids: Sequence[str]) -> None:
        """In one transaction. Raises StoreUnavailable."""

        async def erase(connection: Connection) -> None:
            async with connection.pipeline():
                for statement in _ERASE:
                    await connection.execute(statement, (_MARK, list(ids)))

        await self._pool.change(erase)


def _found(rows: Sequence[tuple[int, str, bool]], limit: int) -> ContentsFound:
    """As many of the rows as `limit` allows; the last one that was used is where to go on."""
    ids: list[str] = []
    for started_at, interception_id, holds_content in rows:
        if holds_content:
            ids.append(interception_id)
        if len(ids) == limit:
            return ContentsFound(ids=tuple(ids), until=Position(started_at=moment_of(started_at), id=interception_id))
    if len(rows) < LOOK:
        return ContentsFound(ids=tuple(ids), until=None)
    return ContentsFound(ids=tuple(ids), until=Position(started_at=moment_of(rows[-1][0]), id=rows[-1][1]))
