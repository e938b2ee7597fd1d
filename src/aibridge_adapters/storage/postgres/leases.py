"""Living gateway processes on PostgreSQL.

Belongs here: heartbeats, and closing what dead processes left open. Never: when that happens.

Processes on several machines have clocks that disagree, so the database's clock decides. The caller's `now` counts
relative to this process's own clock.

Nobody can renew a lease while the database is away. So a process that has not itself been renewing long enough,
without a gap, takes every lease for as fresh as its own first renewal: it can't tell who is dead from who could not
renew either.
"""

from datetime import datetime, timedelta

from attrs import define, field

from aibridge_adapters.storage.postgres.connecting import Connection
from aibridge_adapters.storage.postgres.pool import Pool
from aibridge_core.ports import Clock
from aibridge_core.records import INTERRUPTED_MESSAGE, ErrorType, Status

LONGEST_GAP = timedelta(seconds=10)
"""Between two renewals without an outage in between: twice the usual time."""

_RENEW = """
INSERT INTO gateway_processes (owner, heartbeat_at) VALUES (%s, clock_timestamp() + %s)
ON CONFLICT (owner) DO UPDATE SET heartbeat_at = excluded.heartbeat_at
RETURNING heartbeat_at AT TIME ZONE 'UTC'
"""
_FORGET = """
DELETE FROM gateway_processes
WHERE owner <> %s AND greatest(heartbeat_at, %s::timestamp AT TIME ZONE 'UTC') < clock_timestamp() + %s
"""
_INTERRUPT = """
UPDATE interceptions SET status = %s, ended_at = %s, error_type = %s, error_message = %s
WHERE status = 'in_flight' AND owner <> %s
    AND NOT EXISTS (SELECT FROM gateway_processes WHERE gateway_processes.owner = interceptions.owner)
"""
_RELEASE = "DELETE FROM gateway_processes WHERE owner = %s"


@define
class PostgresLeases:
    """Implements `aibridge_core.ports.Leases`."""

    _pool: Pool
    _owner: str
    _clock: Clock
    _renewed: datetime | None = field(default=None, init=False)
    """The last renewal, by the database's clock, in UTC."""
    _steady_since: datetime | None = field(default=None, init=False)
    """The first renewal after the last gap; None for a process that never renewed."""

    async def renew(self, now: datetime) -> None:
        """Say that this process lives. Raises StoreUnavailable."""
        ahead = now - self._clock.now()

        async def renewed(connection: Connection) -> datetime:
            row = await (await connection.execute(_RENEW, (self._owner, ahead))).fetchone()
            assert row
            return row[0]  # type: ignore[no-any-return]

        last, self._renewed = self._renewed, await self._pool.change(renewed)
        if last is None or self._renewed - last > LONGEST_GAP:
            self._steady_since = self._renewed

    async def interrupt_orphans(self, now: datetime, *, older_than: float) -> int:
        """Close what dead processes left open. The calling process lives, whatever its lease says.

        Raises StoreUnavailable.
        """
        age = timedelta(seconds=older_than)
        oldest = now - self._clock.now() - age
        values = (Status.INTERRUPTED.value, now, ErrorType.UNKNOWN.value, INTERRUPTED_MESSAGE, self._owner)

        async def interrupt(connection: Connection) -> int:
            await connection.execute(_FORGET, (self._owner, self._steady_since, oldest))
            return (await connection.execute(_INTERRUPT, values)).rowcount

        return await self._pool.change(interrupt)

    async def release(self) -> None:
        """This process ends in good order. Raises StoreUnavailable."""

        async def release(connection: Connection) -> None:
            await connection.execute(_RELEASE, (self._owner,))

        await self._pool.change(release)
