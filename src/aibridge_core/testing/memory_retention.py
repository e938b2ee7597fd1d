"""The Retention port in memory.

Belongs here: what the retention contract says, in the plainest words. Never: a period or a pace.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import attrs
from attrs import frozen

from aibridge_core.content import ContentState, content_of, with_content
from aibridge_core.records import Interception, Record, Status
from aibridge_core.retention import ContentsFound, Position


class Kept(Protocol):
    """The parts of a `MemoryDatabase` that this port works on."""

    interceptions: dict[str, Interception]
    records: dict[str, dict[str, Record]]
    owners: dict[str, str]
    purger: tuple[str, datetime] | None


@frozen
class MemoryRetention:
    """Implements `aibridge_core.ports.Retention`."""

    database: Kept
    owner: str

    async def claim(self, now: datetime, *, seconds: float) -> bool:
        """Take or prolong the right to purge."""
        if self.database.purger is not None:
            owner, until = self.database.purger
            if owner != self.owner and now < until:
                return False
        self.database.purger = (self.owner, now + timedelta(seconds=seconds))
        return True

    async def release(self) -> None:
        """Give it back."""
        if self.database.purger and self.database.purger[0] == self.owner:
            self.database.purger = None

    async def delete_interceptions(self, *, started_before: datetime, limit: int) -> int:
        """The oldest first, records and all."""
        due = self._ended(started_before)[:limit]
        for each in due:
            del self.database.interceptions[each.start.id]
            self.database.records.pop(each.start.id, None)
            self.database.owners.pop(each.start.id, None)
        return len(due)

    async def find_contents(self, *, started_before: datetime, after: Position, limit: int) -> ContentsFound:
        """The oldest first."""
        later = [each for each in self._ended(started_before) if _place(each) > (after.started_at, after.id)]
        found = [each for each in later if any(content_of(record.fact) for record in self._records(each.start.id))]
        if len(found) <= limit:
            return ContentsFound(ids=tuple(each.start.id for each in found), until=None)
        last = found[limit - 1].start
        return ContentsFound(
            ids=tuple(each.start.id for each in found[:limit]),
            until=Position(started_at=last.started_at, id=last.id),
        )

    async def erase_contents(self, ids: Sequence[str]) -> None:
        """Marked `purged`."""
        for interception_id in ids:
            for record in self._records(interception_id):
                erased = with_content(record.fact, "", ContentState.PURGED)
                self.database.records[interception_id][record.id] = attrs.evolve(record, fact=erased)

    def _ended(self, started_before: datetime) -> list[Interception]:
        due = [each for each in self.database.interceptions.values() if each.start.started_at < started_before]
        return sorted((each for each in due if each.status is not Status.IN_FLIGHT), key=_place)

    def _records(self, interception_id: str) -> Sequence[Record]:
        return list(self.database.records.get(interception_id, {}).values())


def _place(interception: Interception) -> tuple[datetime, str]:
    return interception.start.started_at, interception.start.id
