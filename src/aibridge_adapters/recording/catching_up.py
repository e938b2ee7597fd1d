"""The one background task: what waits is written to the database as soon as it takes it again.

Belongs here: attempts, pauses between them, and what an attempt says about the database. Never: where things wait.

An interception that is refused while others are taken must not keep them from being written for ever: after `STRIKES`
such failures it gets out of the way. What shows that the database lives is never the refused value itself. Where only
a probe shows it, the failures have to go on for a while, and then one interception at a time gets out of the way: just
after an outage, beside a locked table or on a full disk a probe may pass where nothing else does.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence

import anyio
from attrs import define, frozen

from aibridge_adapters.recording.backlog import Source
from aibridge_adapters.recording.outage import described
from aibridge_adapters.recording.parcels import Parcel, deliver
from aibridge_adapters.recording.standby import Standby
from aibridge_core.ports import Recorder

_log = logging.getLogger("aibridge.recording")

Probe = Callable[[], Awaitable[object]]
"""Writes something harmless to the same database, or raises."""

STRIKES = 3
"""After so many failures on a living database an interception is stuck; see `Pauses.doubt`."""
MANY, FEW = 256, 8
"""Interceptions in one attempt; few while the database is lost, so that attempts don't pile up in its queue."""
LONGEST, LONGEST_LOST = 60.0, 10.0
"""Longest time for one attempt, in seconds, on a living database and a lost one."""


@frozen(kw_only=True)
class Pauses:
    """How long to wait after failures, in seconds: doubling, with jitter, so that replicas don't knock together."""

    first: float = 0.05
    lost: float = 2.0
    """Longest while the database is lost, or new requests wait."""
    stuck: float = 60.0
    """Longest for what nobody waits for, on a database that lives."""
    doubt: float = 5.0
    """How long a probe may pass while nothing at hand is taken, before that counts as the fault of what is at hand."""

    def after(self, failures: int, *, short: bool) -> float:
        """The next pause. `short`: the database is lost, or new requests wait."""
        full = min(self.first * 2.0 ** min(failures - 1, 20), self.lost if short else self.stuck)
        return full * random.uniform(0.5, 1.0)  # noqa: S311 - no secret depends on it


@define
class _Strikes:
    """Failures of one interception since the database lives."""

    since: float
    """In seconds, of the event loop."""
    count: int = 0
    others_taken: bool = False


class CatchingUp:
    """Writes what waits: first what new interceptions must not overtake, then the rest."""

    def __init__(
        self,
        inner: Recorder,
        standby: Standby,
        *,
        timeout: float,
        probe: Probe | None = None,
        pauses: Pauses | None = None,
    ) -> None:
        """`timeout`: seconds for a first attempt; each failure doubles it.

        Without a `probe` only writes of interceptions tell whether the database lives.
        """
        self._inner = inner
        self._fixed: tuple[Source, ...] = (standby.backlog, standby.loose)
        self._more: list[Source] = []
        self._outage = standby.outage
        self._tally = standby.tally
        self._timeout = timeout
        self._probe = probe
        self._pauses = pauses or Pauses()
        self._strikes: dict[str, _Strikes] = {}
        self._failures = 0
        self._taken = 0
        self._turn = 0
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()

    def add(self, source: Source) -> None:
        """Write this as well, before what waits already."""
        self._more.append(source)
        self.something_waits(gating=source.gating)

    def something_waits(self, *, gating: bool) -> None:
        """Say that there is work."""
        self._wake.set()
        if gating:
            self._outage.fall_behind()
            if not self._outage.lost:
                self._urgent.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (source := self._next()) is not None:
                if not await self._attempt(source):
                    await self._pause(source)

    async def finish(self) -> None:
        """Write what can be written at once; for the time when `run` has ended."""
        while (source := self._next()) is not None and await self._attempt(source):
            pass

    def _next(self) -> Source | None:
        self._more = [source for source in self._more if source.waiting]
        waiting = [source for source in (*self._more, *self._fixed) if source.waiting]
        gating = [source for source in waiting if source.gating]
        if not waiting:
            self._strikes.clear()
            self._outage.find()  # as far as anybody knows; the next request will see
        if gating:
            return gating[0]
        self._outage.catch_up()
        self._turn += 1
        return waiting[self._turn % len(waiting)] if waiting else None

    async def _attempt(self, source: Source) -> bool:
        """Whether everything that was tried is written."""
        taken_before = self._taken
        try:
            batch = await source.batch(FEW if self._outage.lost else MANY)
        except OSError as error:
            self._failures += 1
            _log.error("what waits for the database can't be read: %s", error.strerror)
            return False
        failed = await self._deliver(batch)
        if failed:
            self._failures += 1
            self._tally.add(retried=len(failed))
        alive = self._taken > taken_before or (bool(failed) and await self._answers(failed))
        if alive:
            self._failures = min(self._failures, 1) if self._outage.lost else self._failures
            self._outage.find()
        elif failed and (self._probe or source.gating or _late(failed)):
            self._outage.lose(next(iter(failed.values())))
            self._strikes.clear()
        written = [parcel for parcel in batch if parcel.id not in failed]
        for parcel in written:
            self._strikes.pop(parcel.id, None)
        stuck = self._stuck(batch, failed, others_taken=self._taken > taken_before) if alive else []
        if stuck:
            what = {"interceptions": len(stuck), "first": stuck[0].id, "reason": described(failed[stuck[0].id])}
            _log.error("the database does not take everything; the rest is written without it", extra=what)
        self._tally.add(replayed=await source.settle(written, stuck))
        self._failures = self._failures if failed else 0
        return not failed

    async def _deliver(self, batch: Sequence[Parcel]) -> Mapping[str, Exception]:
        """What failed, by id."""
        failed: dict[str, Exception] = {}
        longest = LONGEST_LOST if self._outage.lost else LONGEST
        seconds = min(self._timeout * 2 ** min(self._failures, 10), max(longest, self._timeout))

        async def one(parcel: Parcel) -> None:
            try:
                async with asyncio.timeout(seconds):
                    await deliver(parcel, self._inner, self._took)
            except Exception as error:
                failed[parcel.id] = error

        async with anyio.create_task_group() as tasks:
            for parcel in batch:
                tasks.start_soon(one, parcel)
        return failed

    def _took(self) -> None:
        self._taken += 1

    async def _answers(self, failed: Mapping[str, Exception]) -> bool:
        """Whether the database lives, although all of this failed."""
        if self._probe is None or _late(failed):
            return False
        try:
            async with asyncio.timeout(self._timeout):
                await self._probe()
        except Exception:
            return False
        return True

    def _stuck(
        self, batch: Sequence[Parcel], failed: Mapping[str, Exception], *, others_taken: bool
    ) -> Sequence[Parcel]:
        """Those that have failed too often. Being slow is no failure."""
        refused = [parcel for parcel in batch if parcel.id in failed and not _is_late(failed[parcel.id])]
        stuck = [parcel for parcel in refused if self._is_out(parcel.id, others_taken=others_taken)]
        doubtful = [parcel for parcel in stuck if not self._strikes[parcel.id].others_taken]
        for parcel in stuck:
            del self._strikes[parcel.id]
        if doubtful:  # perhaps the first was in the way of the others
            self._strikes.clear()
        return [parcel for parcel in stuck if parcel not in doubtful[1:]]

    def _is_out(self, interception_id: str, *, others_taken: bool) -> bool:
        now = asyncio.get_running_loop().time()
        strikes = self._strikes.setdefault(interception_id, _Strikes(now))
        strikes.count += 1
        strikes.others_taken = strikes.others_taken or others_taken
        return strikes.count >= STRIKES and (strikes.others_taken or now - strikes.since >= self._pauses.doubt)

    async def _pause(self, source: Source) -> None:
        """New requests wait for what is gating, as they do for a lost database."""
        self._urgent.clear()
        try:
            async with asyncio.timeout(self._pauses.after(self._failures, short=self._outage.lost or source.gating)):
                await self._urgent.wait()
        except TimeoutError:
            pass  # the pause is over


def _late(failed: Mapping[str, Exception]) -> bool:
    return any(map(_is_late, failed.values()))


def _is_late(error: Exception) -> bool:
    return isinstance(error, TimeoutError)
