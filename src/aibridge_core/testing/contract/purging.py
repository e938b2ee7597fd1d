"""What the retention contract stands on: a storage that can remove, and things to remove.

Belongs here: what its parts share. Never: a rule of the contract.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from aibridge_core.ports import Retention
from aibridge_core.records import Interception
from aibridge_core.retention import Position
from aibridge_core.testing.contract.base import StorageUnderTest, finished
from aibridge_core.testing.samples import FACTS, Samples

LONG_AGO = Position(started_at=datetime.fromisoformat("1970-01-01T00:00:00+00:00"))


class PurgeableStorage(StorageUnderTest, Protocol):
    """A storage that can remove what it kept."""

    @property
    def retention(self) -> Retention:
        """The part that removes."""


OpenPurgeable = Callable[[str], AbstractAsyncContextManager[PurgeableStorage]]
"""Opens the adapter for the process that the argument names."""


async def whole(storage: StorageUnderTest, samples: Samples, **start: object) -> Interception:
    """An interception with a record of each kind, ended."""
    begun = samples.start(**start)
    records = tuple(samples.record(begun, fact) for fact in FACTS)
    return await finished(storage, begun, records, samples.ended(begun))


async def walk(
    storage: PurgeableStorage, before: datetime, *, start: Position = LONG_AGO, limit: int = 100
) -> list[str]:
    """Ids of all that hold content, found in pieces of at most `limit`."""
    ids: list[str] = []
    position: Position | None = start
    while position is not None:
        found = await storage.retention.find_contents(started_before=before, after=position, limit=limit)
        assert len(found.ids) <= limit
        assert found.until is None or (found.until.started_at, found.until.id) > (position.started_at, position.id)
        ids += found.ids
        position = found.until
    return ids
