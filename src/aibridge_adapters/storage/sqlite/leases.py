"""Living gateway processes on SQLite.

Belongs here: heartbeats, and closing what dead processes left open. Never: when that happens.
"""

import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Any

from attrs import frozen

from aibridge_adapters.storage.rows import micros
from aibridge_adapters.storage.sqlite.works import Call
from aibridge_adapters.storage.sqlite.writer import Writer, WriterClosed
from aibridge_core.errors import StoreUnavailable
from aibridge_core.records import INTERRUPTED_MESSAGE, ErrorType, Status

_RENEW = """
INSERT INTO gateway_processes (owner, heartbeat_at) VALUES (?, ?)
ON CONFLICT (owner) DO UPDATE SET heartbeat_at = excluded.heartbeat_at
"""
_FORGET = "DELETE FROM gateway_processes WHERE heartbeat_at < ? AND owner <> ?"
_INTERRUPT = """
UPDATE interceptions INDEXED BY interceptions_fresh
SET status = ?, ended_at = ?, error_type = ?, error_message = ?
WHERE fresh IS NOT NULL AND status = 'in_flight' AND owner <> ? AND owner NOT IN (SELECT owner FROM gateway_processes)
"""
_RELEASE = "DELETE FROM gateway_processes WHERE owner = ?"


async def changed(writer: Writer, change: Callable[[sqlite3.Connection], Any]) -> Any:
    """What `change` answers, once it is durable. Raises StoreUnavailable, and what `change` raises of its own."""
    try:
        return await writer.do(Call(change))
    except (sqlite3.Error, WriterClosed) as error:
        raise StoreUnavailable(f"the database can't be written: {error}") from error


@frozen
class SqliteLeases:
    """Implements `aibridge_core.ports.Leases`."""

    _writer: Writer
    _owner: str

    async def renew(self, now: datetime) -> None:
        """Say that this process lives. Raises StoreUnavailable."""
        await changed(self._writer, lambda connection: connection.execute(_RENEW, (self._owner, micros(now))) and None)

    async def interrupt_orphans(self, now: datetime, *, older_than: float) -> int:
        """Close what dead processes left open. The calling process lives, whatever its lease says.

        Raises StoreUnavailable.
        """
        oldest = micros(now) - int(older_than * 1_000_000)
        values = (Status.INTERRUPTED.value, micros(now), ErrorType.UNKNOWN.value, INTERRUPTED_MESSAGE)

        def interrupt(connection: sqlite3.Connection) -> int:
            connection.execute(_FORGET, (oldest, self._owner))
            return connection.execute(_INTERRUPT, (*values, self._owner)).rowcount

        return int(await changed(self._writer, interrupt))

    async def release(self) -> None:
        """This process ends in good order. Raises StoreUnavailable."""
        await changed(self._writer, lambda connection: connection.execute(_RELEASE, (self._owner,)) and None)
