"""Where things wait while the database can't take them.

Belongs here: what a waiting place is, and those in memory. Never: files, tasks.
"""

import logging
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Protocol

from aibridge_adapters.recording.counters import Tally
from aibridge_adapters.recording.parcels import Held, Parcel
from aibridge_core.errors import RecordingFailed

_log = logging.getLogger("aibridge.recording")


class Source(Protocol):
    """Something that is to be written, first things first."""

    @property
    def gating(self) -> bool:
        """Whether new interceptions must not enter the database before what waits here."""
        ...

    @property
    def waiting(self) -> bool:
        """Whether anything waits."""
        ...

    async def batch(self, most: int) -> Sequence[Parcel]:
        """The next interceptions, at most so many, each once; they may be written side by side.

        The same ones again, unless they were settled.
        """
        ...

    async def settle(self, written: Collection[Parcel], stuck: Collection[Parcel]) -> int:
        """Of the last batch: these are in the database, and these have to get out of the others' way.

        Returns how many values were written that had not been before.
        """
        ...


class Backlog(Source, Protocol):
    """A source that is filled while requests run."""

    @property
    def takes_starts(self) -> bool:
        """Whether a request may go on when its start is nowhere but here."""
        ...

    @property
    def failing(self) -> bool:
        """Whether it could not take what it was given last."""
        ...

    def get(self, interception_id: str) -> Held | None:
        """An interception that has ended and waits, if this place knows it by its id."""
        ...

    def records_of(self, interception_id: str) -> int:
        """How many records of an interception that runs it has."""
        ...

    async def keep(self, held: Held) -> None:
        """Take everything of it that is not here yet, and mark it as deferred. Raises RecordingFailed.

        A caller that is cancelled while it waits leaves it taken.
        """
        ...

    async def keep_stray(self, parcel: Parcel) -> None:
        """Take values that belong to no interception that runs. Raises RecordingFailed."""
        ...

    def in_memory(self) -> Sequence[Parcel]:
        """What waits and would be lost with this process."""
        ...

    async def close(self) -> None:
        """Nothing is kept any more."""
        ...


class LooseEnds:
    """Implements `Source`: what nobody waits for. Bounded: what was refused goes first, then the oldest.

    Starts that the database may have taken although their request went no further, and interceptions that it would
    not take while it took others.
    """

    gating = False

    def __init__(self, *, limit: int, most: int, tally: Tally) -> None:
        """`limit` in bytes, `most` in interceptions."""
        self._limit = limit
        self._most = most
        self._tally = tally
        self._parcels: dict[str, Parcel] = {}
        self._weight = 0
        self._overflowing = False

    @property
    def waiting(self) -> bool:
        """Whether anything waits."""
        return bool(self._parcels)

    def put(self, parcel: Parcel) -> None:
        """Add one, or replace what is known of it by more."""
        self._remove(parcel.id)
        self._parcels[parcel.id] = parcel
        self._weight += parcel.weight
        while len(self._parcels) > self._most or (self._weight > self._limit and len(self._parcels) > 1):
            self._drop(self._remove(self._least_missed()))

    async def batch(self, most: int) -> Sequence[Parcel]:
        """The first ones."""
        return list(islice(self._parcels.values(), most))

    async def settle(self, written: Collection[Parcel], stuck: Collection[Parcel]) -> int:
        """Forget what is written; of what is stuck, what was refused anyway. The rest goes to the end of the line."""
        for parcel in (*written, *stuck):
            if self._parcels.get(parcel.id) is parcel:
                self._remove(parcel.id)
        for parcel in stuck:
            if not parcel.refused:
                self.put(parcel)
        self._overflowing = self._overflowing and self.waiting
        return sum(parcel.count for parcel in written)

    def in_memory(self) -> Sequence[Parcel]:
        """All that waits."""
        return list(self._parcels.values())

    def _least_missed(self) -> str:
        refused = (parcel.id for parcel in self._parcels.values() if parcel.refused)
        return next(refused, next(iter(self._parcels)))

    def _drop(self, parcel: Parcel | None) -> None:
        if parcel is None or parcel.refused:
            return
        self._tally.add(dropped=parcel.count)
        if not self._overflowing:
            _log.error("records are lost: too many wait for the database", extra={"first_interception": parcel.id})
        self._overflowing = True

    def _remove(self, interception_id: str) -> Parcel | None:
        parcel = self._parcels.pop(interception_id, None)
        if parcel is not None:
            self._weight -= parcel.weight
        return parcel


class Buffer:
    """Implements `Backlog` in memory, for running requests only: a start is nothing that may be lost."""

    gating = True
    takes_starts = False

    def __init__(self, *, limit: int, loose: LooseEnds, tally: Tally) -> None:
        """`limit`: most that is kept, in bytes. What gets stuck goes to `loose`."""
        self._limit = limit
        self._loose = loose
        self._tally = tally
        self._held: dict[str, Held] = {}
        self._kept: dict[str, Parcel] = {}
        self._weight = 0
        self.failing = False

    @property
    def waiting(self) -> bool:
        """Whether anything waits."""
        return bool(self._held)

    def get(self, interception_id: str) -> Held | None:
        """An interception that waits."""
        return self._held.get(interception_id)

    def records_of(self, interception_id: str) -> int:
        """How many records of an interception it has."""
        kept = self._kept.get(interception_id)
        return len(kept.records) if kept else 0

    async def keep(self, held: Held) -> None:
        """Take it. Raises RecordingFailed if there is no room; what was there before stays."""
        parcel, before = held.parcel(), self._kept.get(held.start.id)
        more = parcel.weight - (before.weight if before else 0)
        self.failing = self._weight + more > self._limit
        if self.failing:
            raise RecordingFailed("the audit trail's database is away, and no more records can be kept in memory")
        self._weight += more
        self._held[parcel.id], self._kept[parcel.id] = held, parcel
        held.deferred = True
        self._tally.add(buffered=parcel.count - (before.count if before else 0))

    async def keep_stray(self, parcel: Parcel) -> None:
        """Nothing that was not begun here is kept."""
        raise RecordingFailed(f"interception {parcel.id} is not one that runs")

    async def batch(self, most: int) -> Sequence[Parcel]:
        """The first ones."""
        return [held.parcel() for held in islice(self._held.values(), most)]

    async def settle(self, written: Collection[Parcel], stuck: Collection[Parcel]) -> int:
        """Forget what is written, unless there is more of it by now."""
        for parcel in written:
            self._forget(parcel)
        for parcel in stuck:
            if self._forget(parcel):
                self._tally.add(set_aside=parcel.count)
                self._loose.put(parcel)
        return sum(parcel.count for parcel in written)

    def in_memory(self) -> Sequence[Parcel]:
        """All that waits."""
        return [held.parcel() for held in self._held.values()]

    async def close(self) -> None:
        """Nothing is open."""

    def _forget(self, parcel: Parcel) -> bool:
        """Whether it was all there is."""
        held = self._held.get(parcel.id)
        if held is None or held.parcel().count > parcel.count:
            return False
        del self._held[parcel.id]
        self._weight -= self._kept.pop(parcel.id).weight
        held.deferred = False
        return True
