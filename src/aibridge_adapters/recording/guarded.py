"""The recorder that knows what to do when the one behind it is slow or gone.

Belongs here: what a request sees: deadlines, refusals, and what is kept for later. Never: databases, files, or when
later is.

While all is well it adds an entry in a queue and one in a dictionary: no task, no lock, no timer, no thread.
"""

import asyncio
from collections.abc import Callable, Sequence

from aibridge_adapters.deadlines import Deadlines
from aibridge_adapters.recording.catching_up import CatchingUp
from aibridge_adapters.recording.counters import RecordingCounters
from aibridge_adapters.recording.outage import described
from aibridge_adapters.recording.parcels import Held, Parcel
from aibridge_adapters.recording.standby import Standby
from aibridge_core.errors import RecordingFailed
from aibridge_core.ports import Clock, Recorder
from aibridge_core.records import ErrorType, InterceptionEnded, InterceptionStart, Record, Status

REFUSED = "the gateway refused the request: the audit trail could not take its start in time"
LEFT = "the client left before the request went on"
LOST = "the answer was broken off: the audit trail could not take its records"
SHUT_DOWN = "the gateway shut down before the answer was complete"


class GuardedRecorder:
    """Implements `aibridge_core.ports.Recorder` over another one.

    `begin` returns or raises within the deadline (with a spool: within two). `record` never fails for an interception
    that has begun here; `end` fails if something that was recorded is neither in the database nor in the backlog.
    What has not begun here, or has ended, is passed on as it is.
    """

    def __init__(
        self,
        inner: Recorder,
        standby: Standby,
        catching_up: CatchingUp,
        *,
        clock: Clock,
        deadline: float,
        patience: float,
    ) -> None:
        """In seconds: `deadline` is the longest wait for the inner recorder, and of a new request for the backlog;
        `patience` that of a running one, since breaking an answer is worse than refusing to begin one.
        """
        self._inner = inner
        self._backlog = standby.backlog
        self._loose = standby.loose
        self._catching_up = catching_up
        self._outage = standby.outage
        self._tally = standby.tally
        self._clock = clock
        self._deadline = deadline
        self._patience = patience
        self._deadlines = Deadlines(deadline)
        self._running: dict[str, Held] = {}

    @property
    def counters(self) -> RecordingCounters:
        """What happened so far to records that could not go straight into the database."""
        return self._tally.counters

    @property
    def accepting(self) -> bool:
        """Whether a request that came now would be let through, as far as anybody knows."""
        return self._outage.over or (self._backlog.takes_starts and not self._backlog.failing)

    async def begin(self, start: InterceptionStart) -> None:
        """Return when the start is in the database, or in a backlog that takes starts. Raises RecordingFailed."""
        if not self._outage.over and self._backlog.takes_starts:
            return await self._begin_in_backlog(start)
        if self._outage.lost:
            self._tally.add(refused=1)
            raise RecordingFailed("the audit trail's database is away, so the request is refused; try again")
        try:
            await self._begin_in_database(start)
        except asyncio.CancelledError:
            self._abandon(start, Status.CANCELLED, LEFT)
            raise
        except Exception as error:
            if not self._backlog.takes_starts:
                raise self._refusal(start, error) from error
            await self._begin_in_backlog(start)
        else:
            self._running[start.id] = Held(start)
        return None

    async def record(self, records: Sequence[Record]) -> None:
        """Take records of one interception. Raises RecordingFailed only if it has not begun here."""
        if not records:
            return
        held = self._known(records[0].interception_id)
        if held is None:
            await self._pass_on(
                Parcel(id=records[0].interception_id, records=tuple(records)), lambda: self._inner.record(records)
            )
            return
        held.records.extend(records)
        try:
            if not self._goes_straight(held) or not await self._done(self._inner.record, records):
                await self._keep(held, seconds=self._patience)
        except RecordingFailed:
            pass  # its end tries again, and says so
        except asyncio.CancelledError:
            held.deferred = True  # nobody knows whether they were taken, so the end brings them along
            raise

    async def end(self, ended: InterceptionEnded) -> None:
        """Return when everything of the interception is safe: in the database or in the backlog.

        Raises RecordingFailed; then its records are lost, and it will have failed.
        """
        held = self._known(ended.id)
        if held is None:
            return await self._pass_on(Parcel(id=ended.id, ended=ended), lambda: self._inner.end(ended))
        held.ended = held.ended or ended
        try:
            if not self._goes_straight(held) or not await self._done(self._inner.end, held.ended):
                await self._keep(held, seconds=self._patience)
        except RecordingFailed:
            self._break_off(held)
            raise
        except asyncio.CancelledError:
            self._let_go(held)
            raise
        self._running.pop(ended.id, None)
        return None

    # Starts.

    async def _begin_in_database(self, start: InterceptionStart) -> None:
        with self._deadlines.wait():
            if self._outage.behind:
                await self._outage.caught_up()
            await self._inner.begin(start)

    async def _begin_in_backlog(self, start: InterceptionStart) -> None:
        held = Held(start)
        try:
            await self._keep(held, seconds=self._deadline)
        except asyncio.CancelledError:
            self._abandon(start, Status.CANCELLED, LEFT)
            raise
        except RecordingFailed as error:
            raise self._refusal(start, error) from error
        self._running[start.id] = held

    def _refusal(self, start: InterceptionStart, error: Exception) -> RecordingFailed:
        """The request goes no further; the database may have taken its start all the same, so it gets an end."""
        self._tally.add(refused=1)
        self._abandon(start, Status.FAILED, REFUSED)
        if isinstance(error, RecordingFailed):
            return error
        return RecordingFailed(f"the audit trail can't be written: {described(error)}")

    def _abandon(self, start: InterceptionStart, status: Status, message: str) -> None:
        ended = self._ended(start.id, status, message)
        self._loose.put(Parcel(id=start.id, start=start, ended=ended, refused=True))
        self._catching_up.something_waits(gating=False)

    # Records and ends.

    def _known(self, interception_id: str) -> Held | None:
        return self._running.get(interception_id) or self._backlog.get(interception_id)

    def _goes_straight(self, held: Held) -> bool:
        return not (held.deferred or self._outage.lost)

    async def _done(self, write: Callable[..., object], value: object) -> bool:
        """Whether the inner recorder took it in time."""
        try:
            with self._deadlines.wait():
                await write(value)  # type: ignore[misc]
        except Exception:
            return False
        return True

    async def _keep(self, held: Held, *, seconds: float) -> None:
        """Everything of it goes to the backlog. Raises RecordingFailed, also if that takes too long."""
        try:
            async with asyncio.timeout(seconds):
                await self._backlog.keep(held)
        except TimeoutError:
            raise RecordingFailed("the audit trail's database is away, and its stand-in does not answer") from None
        self._catching_up.something_waits(gating=True)

    async def _pass_on(self, parcel: Parcel, write: Callable[[], object]) -> None:
        if self._backlog.takes_starts and not self._outage.over:  # what it belongs to may be in there
            await self._backlog.keep_stray(parcel)
            return
        try:
            with self._deadlines.wait():
                await write()  # type: ignore[misc]
        except TimeoutError as error:
            raise RecordingFailed(f"the audit trail can't be written: {described(error)}") from error

    def _break_off(self, held: Held) -> None:
        """Nothing takes it. Its row, at least, gets an end that says so."""
        start = held.start
        self._running.pop(start.id, None)
        self._tally.add(broken_off=1, dropped=len(held.records) - self._backlog.records_of(start.id))
        held.ended = self._ended(start.id, Status.FAILED, LOST)
        self._loose.put(Parcel(id=start.id, start=start, ended=held.ended))
        self._catching_up.something_waits(gating=False)

    def _let_go(self, held: Held) -> None:
        """The task was cancelled from outside, so nobody will come back for this: it is written all the same."""
        self._running.pop(held.start.id, None)
        held.ended = held.ended or self._ended(held.start.id, Status.INTERRUPTED, SHUT_DOWN)
        self._loose.put(held.parcel())
        self._catching_up.something_waits(gating=False)

    def _ended(self, interception_id: str, status: Status, message: str) -> InterceptionEnded:
        failed = status is not Status.CANCELLED
        error_type = ErrorType.UNKNOWN if status is Status.INTERRUPTED else ErrorType.SERVER_ERROR
        return InterceptionEnded(
            id=interception_id,
            ended_at=self._clock.now(),
            status=status,
            error_type=error_type if failed else "",
            error_message=message,
        )
