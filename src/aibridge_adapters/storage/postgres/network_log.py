"""Network calls on PostgreSQL.

Belongs here: the NetworkLog port in SQL. Never: how audit logs are written, or how long calls are kept.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from aibridge_adapters.storage.call_rows import CALL_COLUMNS, call_of, call_row
from aibridge_adapters.storage.postgres.columns import MOMENT, given, moment, parameter, readable, recordset, text_of
from aibridge_adapters.storage.postgres.connecting import Connection
from aibridge_adapters.storage.postgres.pool import Pool
from aibridge_adapters.storage.rows import Row, micros
from aibridge_core.boundaries import FirewallPlace, NetworkCall

_KEEP = f"""
INSERT INTO network_calls ({", ".join(CALL_COLUMNS)})
SELECT {", ".join(map(given, CALL_COLUMNS))} FROM {recordset(CALL_COLUMNS)} ORDER BY 1, 2
ON CONFLICT DO NOTHING RETURNING agent_firewall_session_id::text, sequence_number
"""
"""In one order always, so that two that keep the same calls wait for one another and never for ever."""
_CALLS = f"""
SELECT {", ".join(map(readable, CALL_COLUMNS))} FROM network_calls
WHERE agent_firewall_session_id = %s AND sequence_number > %s AND sequence_number < coalesce(%s, 9223372036854775807)
ORDER BY sequence_number LIMIT %s
"""
_NEXT = """
SELECT agent_firewall_sequence_number FROM interceptions
WHERE agent_firewall_session_id = %s AND agent_firewall_sequence_number > %s AND initiator_id = %s
ORDER BY agent_firewall_sequence_number LIMIT 1
"""
_BEFORE = """
SELECT (
    SELECT id::text FROM interceptions
    WHERE agent_firewall_session_id = given.session_id AND agent_firewall_sequence_number < given.number
    ORDER BY agent_firewall_sequence_number DESC, id DESC LIMIT 1
) FROM unnest(%s::uuid[], %s::bigint[]) WITH ORDINALITY AS given (session_id, number, position) ORDER BY position
"""
_COUNT = f"SELECT count(*) FROM network_calls WHERE made_at < {MOMENT}"
_DELETE = f"""
DELETE FROM network_calls WHERE (agent_firewall_session_id, sequence_number) IN (
    SELECT agent_firewall_session_id, sequence_number FROM network_calls WHERE made_at < {MOMENT}
    ORDER BY made_at, agent_firewall_session_id, sequence_number LIMIT %s FOR UPDATE
)
"""


@frozen
class PostgresNetworkLog:
    """Implements `aibridge_core.boundaries.NetworkLog`."""

    _pool: Pool

    async def keep(self, calls: Sequence[NetworkCall]) -> Sequence[FirewallPlace]:
        """In one transaction. Raises StoreUnavailable."""
        values = (parameter(calls, CALL_COLUMNS, call_row),)

        async def keep(connection: Connection) -> Sequence[Row]:
            return await (await connection.execute(_KEEP, values)).fetchall()

        new = {(str(session_id), int(number)) for session_id, number in await self._pool.change(keep)}
        places = dict.fromkeys(call.place for call in calls)
        return [place for place in places if (place.session_id, place.sequence_number) in new]

    async def calls(
        self, session_id: str, *, after: int = -1, before: int | None = None, limit: int
    ) -> Sequence[NetworkCall]:
        """Ascending. Raises StoreUnavailable."""
        return [call_of(row) for row in await self._rows(_CALLS, (session_id, after, before, limit))]

    async def next_request(self, place: FirewallPlace, *, initiator_id: str) -> int | None:
        """By the same initiator. Raises StoreUnavailable."""
        rows = await self._rows(_NEXT, (place.session_id, place.sequence_number, text_of(initiator_id)))
        return int(rows[0][0]) if rows else None

    async def requests_before(self, places: Sequence[FirewallPlace]) -> Sequence[str | None]:
        """Whoever sent them. Raises StoreUnavailable."""
        values = ([place.session_id for place in places], [place.sequence_number for place in places])
        return [row[0] for row in await self._rows(_BEFORE, values)]

    async def count(self, *, made_before: datetime) -> int:
        """Raises StoreUnavailable."""
        return int((await self._rows(_COUNT, moment(micros(made_before))))[0][0])

    async def delete(self, *, made_before: datetime, limit: int) -> int:
        """The oldest first, in one transaction. Raises StoreUnavailable."""
        return await self._changed(_DELETE, (*moment(micros(made_before)), limit))

    async def _changed(self, query: str, values: Sequence[Any]) -> int:
        async def change(connection: Connection) -> int:
            return (await connection.execute(query, values)).rowcount

        return await self._pool.change(change)

    async def _rows(self, query: str, values: Sequence[Any]) -> Sequence[Row]:
        async def rows(connection: Connection) -> Sequence[Row]:
            return await (await connection.execute(query, values)).fetchall()

        return await self._pool.read(rows)
