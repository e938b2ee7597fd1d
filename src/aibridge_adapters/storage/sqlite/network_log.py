"""Network calls on SQLite.

Belongs here: the NetworkLog port in SQL. Never: how audit logs are written, or how long calls are kept.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from aibridge_adapters.storage.call_rows import CALL_COLUMNS, call_of, call_row
from aibridge_adapters.storage.rows import micros
from aibridge_adapters.storage.sqlite.leases import changed
from aibridge_adapters.storage.sqlite.readers import Readers
from aibridge_adapters.storage.sqlite.writer import Writer
from aibridge_core.boundaries import FirewallPlace, NetworkCall
from aibridge_core.text import storable

_KEEP = f"""
INSERT INTO network_calls ({", ".join(CALL_COLUMNS)}) VALUES ({", ".join("?" for _ in CALL_COLUMNS)})
ON CONFLICT DO NOTHING
"""
_CALLS = f"""
SELECT {", ".join(CALL_COLUMNS)} FROM network_calls
WHERE agent_firewall_session_id = ?1 AND sequence_number > ?2 AND (?3 IS NULL OR sequence_number < ?3)
ORDER BY sequence_number LIMIT ?4
"""
_NEXT = """
SELECT agent_firewall_sequence_number FROM interceptions INDEXED BY interceptions_by_firewall
WHERE agent_firewall_session_id = ? AND agent_firewall_sequence_number > ? AND initiator_id = ?
ORDER BY agent_firewall_sequence_number LIMIT 1
"""
_BEFORE = """
SELECT id FROM interceptions INDEXED BY interceptions_by_firewall
WHERE agent_firewall_session_id = ? AND agent_firewall_sequence_number < ?
ORDER BY agent_firewall_sequence_number DESC, id DESC LIMIT 1
"""
_COUNT = "SELECT count(*) FROM network_calls WHERE made_at < ?"
_DELETE = """
DELETE FROM network_calls WHERE (agent_firewall_session_id, sequence_number) IN (
    SELECT agent_firewall_session_id, sequence_number FROM network_calls INDEXED BY network_calls_by_time
    WHERE made_at < ? ORDER BY made_at LIMIT ?
)
"""


@frozen
class SqliteNetworkLog:
    """Implements `aibridge_core.boundaries.NetworkLog`."""

    _writer: Writer
    _readers: Readers

    async def keep(self, calls: Sequence[NetworkCall]) -> Sequence[FirewallPlace]:
        """In one transaction. Raises StoreUnavailable."""
        rows = [(call.place, call_row(storable(call))) for call in calls]

        def keep(connection: sqlite3.Connection) -> Sequence[FirewallPlace]:
            return [place for place, row in rows if connection.execute(_KEEP, row).rowcount]

        new: Sequence[FirewallPlace] = await changed(self._writer, keep)
        return new

    async def calls(
        self, session_id: str, *, after: int = -1, before: int | None = None, limit: int
    ) -> Sequence[NetworkCall]:
        """Ascending. Raises StoreUnavailable."""
        values = (session_id, after, before, limit)
        rows = await self._readers.run(lambda connection: connection.execute(_CALLS, values).fetchall())
        return [call_of(row) for row in rows]

    async def next_request(self, place: FirewallPlace, *, initiator_id: str) -> int | None:
        """By the same initiator. Raises StoreUnavailable."""
        values = (place.session_id, place.sequence_number, storable(initiator_id))
        row = await self._readers.run(lambda connection: connection.execute(_NEXT, values).fetchone())
        return int(row[0]) if row else None

    async def requests_before(self, places: Sequence[FirewallPlace]) -> Sequence[str | None]:
        """Whoever sent them. Raises StoreUnavailable."""

        def before(connection: sqlite3.Connection) -> Sequence[str | None]:
            wanted = ((place.session_id, place.sequence_number) for place in places)
            rows = [connection.execute(_BEFORE, values).fetchone() for values in wanted]
            return [row[0] if row else None for row in rows]

        return await self._readers.run(before)

    async def count(self, *, made_before: datetime) -> int:
        """Raises StoreUnavailable."""
        values = (micros(made_before),)
        row = await self._readers.run(lambda connection: connection.execute(_COUNT, values).fetchone())
        return int(row[0])

    async def delete(self, *, made_before: datetime, limit: int) -> int:
        """The oldest first, in one transaction. Raises StoreUnavailable."""
        values = (micros(made_before), limit)

        def delete(connection: sqlite3.Connection) -> int:
            return connection.execute(_DELETE, values).rowcount

        return int(await changed(self._writer, delete))
