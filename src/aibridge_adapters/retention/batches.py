"""The course of a run: chores in turns, with pauses, under a claim that is kept up, until they are done.

Belongs here: turns, time, and patience with a database that refuses. Never: what a batch does.
"""

from collections.abc import Awaitable, Callable, Sequence

import anyio
from attrs import Factory, define, frozen

from aibridge_adapters.retention.chores import Chore
from aibridge_core.errors import StoreUnavailable
from aibridge_core.ports import Clock, Retention
from aibridge_core.retention import Outcome, Pace

CLAIM = 60.0
"""Seconds for which a process claims the right to purge; it prolongs its claim when half of them are over."""
PATIENCE = 3
"""Batches that may fail one after the other before a run gives up."""
RETRY = 1.0
"""Seconds to wait after a batch that failed; twice as long after each further one."""
FAREWELL = 5.0
"""Longest time for giving a claim back, in seconds, also when the run is cancelled."""

Sleep = Callable[[float], Awaitable[None]]


@frozen(kw_only=True)
class Surroundings:
    """What every run of a process has in common."""

    retention: Retention
    clock: Clock
    pace: Pace
    sleep: Sleep


@define
class Batches:
    """Works off chores. Use once."""

    _around: Surroundings
    _chores: Sequence[Chore]
    _deadline: float
    """By the monotonic clock."""
    _on_batch: Callable[[], None]
    _claimed_at: float = 0.0
    _failures: int = 0
    _open: list[Chore] = Factory(lambda self: list(self._chores), takes_self=True)

    async def work(self) -> Outcome:
        """Everything, or as much as there is time for. Raises StoreUnavailable when patience is over."""
        if not await self._claim():
            return Outcome.ELSEWHERE
        try:
            return await self._all()
        finally:
            with anyio.move_on_after(FAREWELL, shield=True):
                await self._release()

    async def _all(self) -> Outcome:
        while self._open:
            for chore in list(self._open):
                if self._around.clock.monotonic() >= self._deadline:
                    return Outcome.OUT_OF_TIME
                if not await self._still_claimed():
                    return Outcome.ELSEWHERE
                await self._one(chore)
        return Outcome.DONE

    async def _one(self, chore: Chore) -> None:
        begun = self._around.clock.monotonic()
        try:
            await chore.batch()
        except StoreUnavailable:
            self._failures += 1
            if self._failures >= PATIENCE:
                raise
            await self._try_less(chore)
            return
        self._failures = 0
        self._on_batch()
        if chore.finished:
            self._open.remove(chore)
        if self._open:
            took = self._around.clock.monotonic() - begun
            chore.size = self._around.pace.next_size(chore.size, took)
            await self._around.sleep(self._around.pace.pause(took))

    async def _try_less(self, chore: Chore) -> None:
        """Wait, and do less at once: a lock or a statement may have taken too long."""
        chore.size = self._around.pace.smallest
        await self._around.sleep(RETRY * 2 ** (self._failures - 1))

    async def _claim(self) -> bool:
        self._claimed_at = self._around.clock.monotonic()
        return await self._around.retention.claim(self._around.clock.now(), seconds=CLAIM)

    async def _still_claimed(self) -> bool:
        return self._around.clock.monotonic() - self._claimed_at < CLAIM / 2 or await self._claim()

    async def _release(self) -> None:
        try:
            await self._around.retention.release()
        except StoreUnavailable:
            return  # the claim ends by itself
