"""Removing what was kept long enough, on SQLite.

Belongs here: deleting, erasing, and who may. Never: how long anything is kept, or how fast it goes.

Work that changes the file waits in the writer's queue like any other, and shares its transactions; what only looks
runs beside it. Triggers remove the records of what is deleted and keep the counts right.
"""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from aibridge_adapters.storage.rows import RECORD_TABLES, micros, moment_of
from aibridge_adapters.storage.sqlite.checkpoints import Checkpoints
from aibridge_adapters.storage.sqlite.leases import changed
from aibridge_adapters.storage.sqlite.readers import Readers
from aibridge_adapters.storage.sqlite.writer import Writer
from aibridge_core.content import CONTENT_FIELDS, CONTENT_MARK, ContentState
from aibridge_core.records import Fact, ToolUsage
from aibridge_core.retention import ContentsFound, Position

LOOK = 1000
"""Most interceptions that one call of `find_contents` looks at: some milliseconds, also from a cold disk."""

_CLAIM = """
INSERT INTO purge_claim (only, owner, until) VALUES (1, ?1, ?2)
ON CONFLICT (only) DO UPDATE SET owner = excluded.owner, until = excluded.until WHERE owner = ?1 OR until <= ?3
"""
_RELEASE = "DELETE FROM purge_claim WHERE owner = ?"

_DELETE = """
DELETE FROM interceptions WHERE id IN (
    SELECT id FROM interceptions INDEXED BY interceptions_by_start
    WHERE started_at < ? AND status <> 'in_flight' ORDER BY started_at, id LIMIT ?
)
"""


def _column(kind: type[Fact]) -> str:
    """The column that holds the content of a fact; tool arguments have another name in the database."""
    return "input" if kind is ToolUsage else CONTENT_FIELDS[kind]


_CONTENTS = [(RECORD_TABLES[kind].name, _column(kind)) for kind in CONTENT_FIELDS]

_HOLDS_CONTENT = " OR ".join(
    f"EXISTS (SELECT 1 FROM {table} WHERE interception_id = interceptions.id AND {column} <> '')"
    for table, column in _CONTENTS
)
_FIND = f"""
SELECT started_at, id, status <> 'in_flight' AND ({_HOLDS_CONTENT})
FROM interceptions INDEXED BY interceptions_by_start
WHERE started_at < ? AND (started_at, id) > (?, ?) ORDER BY started_at, id LIMIT {LOOK}
"""
_ERASE = [
    f"""
    UPDATE {table} SET {column} = '', metadata = json_set(metadata, '$.{CONTENT_MARK}', '{ContentState.PURGED.value}')
    WHERE interception_id IN (SELECT value FROM json_each(?)) AND {column} <> ''
    """
    for table, column in _CONTENTS
]


@frozen
class SqliteRetention:
    """Implements `aibridge_core.ports.Retention`."""

    _writer: Writer
    _readers: Readers
    _checkpoints: Checkpoints
    _owner: str

    async def claim(self, now: datetime, *, seconds: float) -> bool:
        """Take or prolong the right to purge. Raises StoreUnavailable."""
        values = (self._owner, micros(now) + int(seconds * 1_000_000), micros(now))
        return bool(await changed(self._writer, lambda connection: connection.execute(_CLAIM, values).rowcount))

    async def release(self) -> None:
        """Give it back. Raises StoreUnavailable."""
        await changed(self._writer, lambda connection: connection.execute(_RELEASE, (self._owner,)) and None)

    async def delete_interceptions(self, *, started_before: datetime, limit: int) -> int:
        """The oldest first, in one transaction. Raises StoreUnavailable."""
        values = (micros(started_before), limit)
        deleted = int(await changed(self._writer, lambda connection: connection.execute(_DELETE, values).rowcount))
        await self._checkpoints.after(deleted)
        return deleted

    async def find_contents(self, *, started_before: datetime, after: Position, limit: int) -> ContentsFound:
        """The oldest first. Raises StoreUnavailable."""
        values = (micros(started_before), micros(after.started_at), after.id)
        rows = await self._readers.run(lambda connection: connection.execute(_FIND, values).fetchall())
        return _found(rows, limit)

    async def erase_contents(self, ids: Sequence[str]) -> None:
        """In one transaction. Raises StoreUnavailable."""
        wanted = json.dumps(ids)

        def erase(connection: sqlite3.Connection) -> None:
            for statement in _ERASE:
                connection.execute(statement, (wanted,))

        await changed(self._writer, erase)
        await self._checkpoints.after(len(ids))


def _found(rows: Sequence[tuple[int, str, int]], limit: int) -> ContentsFound:
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
