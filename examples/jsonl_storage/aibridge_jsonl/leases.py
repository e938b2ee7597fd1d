"""Living processes and dead ones. A lease is a note of its own: a sign of life every few seconds is no trail.

Belongs here: the Leases port. Never: how often anybody looks.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import anyio.to_thread
from attrs import frozen

from aibridge_core.records import INTERRUPTED_MESSAGE, ErrorType, InterceptionEnded, Status
from aibridge_jsonl.database import Database
from aibridge_jsonl.index import Index
from aibridge_jsonl.lines import Ended, Line
from aibridge_jsonl.notes import Note
from aibridge_jsonl.unavailable import unavailable


@frozen
class JsonlLeases:
    """Implements `aibridge_core.ports.Leases`."""

    _database: Database
    _folder: Path
    _owner: str

    async def renew(self, now: datetime) -> None:
        """Say that this process lives. Raises StoreUnavailable."""
        with unavailable():
            await anyio.to_thread.run_sync(self._lease(self._owner).write, now.isoformat())

    async def release(self) -> None:
        """This process ends in good order. Raises StoreUnavailable."""
        with unavailable():
            await anyio.to_thread.run_sync(self._lease(self._owner).remove)

    async def interrupt_orphans(self, now: datetime, *, older_than: float) -> int:
        """Close what dead processes left open. The calling process lives, whatever its lease says.

        Raises StoreUnavailable.
        """
        oldest = now - timedelta(seconds=older_than)

        def decide(index: Index) -> Sequence[Line]:
            in_flight = [entry for entry in index.entries.values() if entry.in_flight]
            owners = {entry.owner for entry in in_flight} - {self._owner}
            dead = {owner for owner in owners if not self._lives(owner, oldest)}
            return [_interrupted(entry.interception.start.id, now) for entry in in_flight if entry.owner in dead]

        with unavailable():
            return len(await self._database.change(decide))

    def _lives(self, owner: str, oldest: datetime) -> bool:
        seen = self._lease(owner).read()
        return bool(seen) and datetime.fromisoformat(seen) >= oldest

    def _lease(self, owner: str) -> Note:
        return Note(self._folder / f"{quote(owner, safe='')}.lease")


def _interrupted(interception_id: str, now: datetime) -> Line:
    return Ended(
        ended=InterceptionEnded(
            id=interception_id,
            ended_at=now,
            status=Status.INTERRUPTED,
            error_type=ErrorType.UNKNOWN,
            error_message=INTERRUPTED_MESSAGE,
        )
    )
