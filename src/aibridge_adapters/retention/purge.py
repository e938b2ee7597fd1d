"""A purge: what is due is deleted or erased, or only counted.

Belongs here: one run from a policy to a report. Never: the course of batches, SQL, or how long anything is kept.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import anyio
from attrs import frozen

from aibridge_adapters.retention.batches import Batches, Sleep, Surroundings
from aibridge_adapters.retention.chores import CallDeletion, Chore, Deletion, Erasure, Walk
from aibridge_core.boundaries import NetworkLog
from aibridge_core.errors import StoreUnavailable
from aibridge_core.ports import Clock, InterceptionStore, Retention
from aibridge_core.records import InterceptionFilter, Status
from aibridge_core.retention import BEGINNING, Backlog, Cutoffs, Outcome, Pace, Position, RetentionPolicy, RunReport

WALK_AGAIN = 86_400.0
"""Seconds after which everything old is looked at again for content that came late: of requests that ran longer than
content is kept, of records that waited elsewhere for the database, of imports."""

_TICK = timedelta(microseconds=1)
"""The resolution of times; filters include their ends, cut-offs don't."""


@frozen(kw_only=True)
class Progress:
    """Where a run stands."""

    deleted: int
    """Interceptions."""
    erased: int
    """Interceptions whose content is gone."""


class Purge:
    """Removes what is due. Use one for the life of a process: it remembers how far content has been looked for."""

    def __init__(
        self,
        retention: Retention,
        store: InterceptionStore,
        clock: Clock,
        *,
        network_log: NetworkLog | None = None,
        pace: Pace | None = None,
        sleep: Sleep = anyio.sleep,
    ) -> None:
        self._around = Surroundings(retention=retention, clock=clock, pace=pace or Pace(), sleep=sleep)
        self._store = store
        self._network_log = network_log
        self._walk = Walk(begun=clock.monotonic())

    async def due(self, policy: RetentionPolicy) -> Backlog:
        """What a run would remove now: an exact count, which for contents means to look at everything old.

        Changes nothing. Raises StoreUnavailable.
        """
        cutoffs = policy.cutoffs(self._around.clock.now())
        contents, position = 0, _kept_from(cutoffs) if cutoffs.contents else None
        while cutoffs.contents and position:
            found = await self._around.retention.find_contents(
                started_before=cutoffs.contents, after=position, limit=self._around.pace.largest
            )
            contents, position = contents + len(found.ids), found.until
        interceptions = await self._ended(None, cutoffs.interceptions)
        return Backlog(interceptions=interceptions, contents=contents, network_calls=await self._calls(cutoffs))

    async def run(
        self,
        policy: RetentionPolicy,
        *,
        budget: float = float("inf"),
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> RunReport:
        """Remove what is due now, for about `budget` seconds at most. One process does so at a time.

        A database that refuses is no exception here but the report's outcome.
        """
        cutoffs, begun = policy.cutoffs(self._around.clock.now()), self._around.clock.monotonic()
        deletions, erasures = self._deletions(cutoffs), self._erasures(cutoffs)
        of_calls = self._call_deletions(cutoffs)
        chores: Sequence[Chore] = [*deletions, *erasures, *of_calls]

        def progress() -> Progress:
            return Progress(deleted=_done(deletions), erased=_done(erasures))

        batches = Batches(self._around, chores, begun + budget, lambda: on_progress(progress()))
        outcome, error = await _outcome(batches)
        return RunReport(
            outcome=outcome,
            deleted=_done(deletions),
            erased=_done(erasures),
            network_calls=_done(of_calls),
            seconds=self._around.clock.monotonic() - begun,
            left=await self._left(cutoffs) if outcome is Outcome.OUT_OF_TIME else _NOTHING.get(outcome),
            error=error,
        )

    def _deletions(self, cutoffs: Cutoffs) -> Sequence[Deletion]:
        if cutoffs.interceptions is None:
            return []
        return [Deletion(self._around.retention, cutoffs.interceptions, self._around.pace.first)]

    def _erasures(self, cutoffs: Cutoffs) -> Sequence[Erasure]:
        if cutoffs.contents is None:
            return []
        now = self._around.clock.monotonic()
        if self._walk.finished and now - self._walk.begun >= WALK_AGAIN:
            self._walk = Walk(begun=now)
        self._walk.position = max(self._walk.position, _kept_from(cutoffs))
        return [Erasure(self._around.retention, cutoffs.contents, self._walk, self._around.pace.first)]

    def _call_deletions(self, cutoffs: Cutoffs) -> Sequence[CallDeletion]:
        """Calls are kept as long as interceptions, by their own times."""
        if cutoffs.interceptions is None or self._network_log is None:
            return []
        return [CallDeletion(self._network_log, cutoffs.interceptions, self._around.pace.first)]

    async def _calls(self, cutoffs: Cutoffs) -> int:
        if cutoffs.interceptions is None or self._network_log is None:
            return 0
        return await self._network_log.count(made_before=cutoffs.interceptions)

    async def _left(self, cutoffs: Cutoffs) -> Backlog | None:
        try:
            interceptions = await self._ended(None, cutoffs.interceptions)
            contents = await self._ended(self._walk.position.started_at, cutoffs.contents)
            network_calls = await self._calls(cutoffs)
        except StoreUnavailable:
            return None
        return Backlog(interceptions=interceptions, contents=contents, network_calls=network_calls)

    async def _ended(self, first: datetime | None, before: datetime | None) -> int:
        """How many that have ended started from `first` on, and before `before`; None if that is never."""
        if before is None or (first and first >= before):
            return 0
        started = InterceptionFilter(started_after=first, started_before=before - _TICK)
        running = InterceptionFilter(
            status=Status.IN_FLIGHT, started_after=started.started_after, started_before=started.started_before
        )
        return await self._store.count(started) - await self._store.count(running)


_NOTHING = {Outcome.DONE: Backlog()}
"""What is known to be left without counting."""


def _kept_from(cutoffs: Cutoffs) -> Position:
    """Where interceptions begin that are not due themselves."""
    return Position(started_at=cutoffs.interceptions) if cutoffs.interceptions else BEGINNING


def _done(chores: Sequence[Chore]) -> int:
    return sum(chore.done for chore in chores)


async def _outcome(batches: Batches) -> tuple[Outcome, str]:
    try:
        return await batches.work(), ""
    except StoreUnavailable as error:
        return Outcome.FAILED, str(error)
