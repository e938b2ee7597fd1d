"""What a purge does, batch by batch: deleting interceptions and network calls, and erasing content.

Belongs here: one batch of each, and when there is no further one. Never: claims, pauses, time.
"""

from datetime import datetime

from attrs import define

from aibridge_core.boundaries import NetworkLog
from aibridge_core.ports import Retention
from aibridge_core.retention import BEGINNING, Position


@define
class Walk:
    """How far the trail has been looked through for old content. It outlives a run, so that the next one goes on."""

    begun: float
    """By the monotonic clock, in seconds."""
    position: Position = BEGINNING
    finished: bool = False


@define
class Deletion:
    """Deletes what started before a time."""

    _retention: Retention
    _before: datetime
    size: int
    """Of the next batch."""
    done: int = 0
    """Interceptions deleted."""
    finished: bool = False

    async def batch(self) -> None:
        """The oldest that are left. Raises StoreUnavailable."""
        deleted = await self._retention.delete_interceptions(started_before=self._before, limit=self.size)
        self.done += deleted
        self.finished = deleted < self.size


@define
class Erasure:
    """Erases the content of what started before a time."""

    _retention: Retention
    _before: datetime
    _walk: Walk
    size: int
    """Of the next batch."""
    done: int = 0
    """Interceptions relieved of their content."""
    finished: bool = False

    async def batch(self) -> None:
        """The next ones that hold any. Raises StoreUnavailable, and then looks at the same ones again."""
        found = await self._retention.find_contents(
            started_before=self._before, after=self._walk.position, limit=self.size
        )
        if found.ids:
            await self._retention.erase_contents(found.ids)
        self.done += len(found.ids)
        self.finished = self._walk.finished = found.until is None
        self._walk.position = found.until or Position(started_at=self._before)


@define
class CallDeletion:
    """Deletes network calls that were made before a time."""

    _log: NetworkLog
    _before: datetime
    size: int
    """Of the next batch."""
    done: int = 0
    """Calls deleted."""
    finished: bool = False

    async def batch(self) -> None:
        """The oldest that are left. Raises StoreUnavailable."""
        deleted = await self._log.delete(made_before=self._before, limit=self.size)
        self.done += deleted
        self.finished = deleted < self.size


Chore = Deletion | Erasure | CallDeletion
