"""The writer: one task that writes the trail over one connection, in the order in which things were put.

Belongs here: group commit, and finding the work that spoils a group. Never: SQL.

Whatever waits when the connection is free goes into one transaction: the more requests at once, the cheaper each. All
works may be written twice without harm, so a transaction whose fate is unknown is repeated on a new connection.
"""

import asyncio
import logging
from collections.abc import Sequence

import anyio

from aibridge_adapters.storage.limits import Limits
from aibridge_adapters.storage.postgres.backlog import OVERHEAD, Backlog, Job
from aibridge_adapters.storage.postgres.connecting import in_words
from aibridge_adapters.storage.postgres.line import Line, Refused, Unavailable
from aibridge_adapters.storage.postgres.losses import Losses
from aibridge_adapters.storage.postgres.outage import Outage
from aibridge_adapters.storage.postgres.works import End, Keep, Work
from aibridge_adapters.storage.writing import Writing
from aibridge_core.errors import RecordingFailed

_log = logging.getLogger(__name__)

_AWAY = "the audit trail can't be written: the database does not answer"
_CLOSED = "the storage is closed"


class Writer:
    """Does works in the order they are put. All methods belong to the event loop that started it."""

    def __init__(self, line: Line, limits: Limits) -> None:
        self._line = line
        self._farewell = limits.farewell
        self._backlog = Backlog()
        self._current: Sequence[Job] = ()
        self._losses = Losses()
        self._outage = Outage(limits.patience)
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work."""
        # A task in no cancel scope: what was put is written even if whoever opened the storage is cancelled.
        self._task = asyncio.get_running_loop().create_task(self._run(), name="aibridge-postgres-writer")

    async def close(self) -> None:
        """Do what was put, then end; not longer than the farewell. Nothing can be put afterwards."""
        self._closing = True
        self._backlog.close()
        assert self._task
        with anyio.CancelScope(shield=True):
            _, working = await asyncio.wait([self._task], timeout=self._farewell)
            if working:
                self._line.cut_off()
                self._task.cancel()
                await asyncio.wait(working)
            await self._line.close()
        self._fail(self._current)
        while jobs := self._backlog.take():
            self._fail(jobs)

    @property
    def writing(self) -> Writing:
        """How it gets on."""
        return self._backlog.writing

    def put(self, work: Work, *, weight: int = OVERHEAD) -> None:
        """Have it done soon. Raises RecordingFailed."""
        self._put(Job(work, weight=weight))

    async def do(self, work: Work) -> None:
        """Return when it is durable. It is done even if the caller is cancelled. Raises RecordingFailed."""
        waiter = asyncio.get_running_loop().create_future()
        self._put(Job(work, waiter))
        await waiter

    async def room(self) -> None:
        """Return when the queue has room for more."""
        await self._backlog.room()

    def _put(self, job: Job) -> None:
        if self._closing:
            raise RecordingFailed(_CLOSED)
        self._backlog.put(job)

    async def _run(self) -> None:
        while True:
            await self._backlog.due()
            self._current = self._backlog.take()
            if not self._current and self._closing:
                return
            begun = asyncio.get_running_loop().time()
            await self._finish(self._current)
            self._backlog.done(self._current, asyncio.get_running_loop().time() - begun)
            self._current = ()

    async def _finish(self, jobs: Sequence[Job]) -> None:
        """Settle all jobs. The writer lives on, whatever happens."""
        while waiting := [job for job in jobs if not job.settled]:
            started = asyncio.get_running_loop().time()
            if self._outage.too_soon:
                self._fail(waiting)
                return
            try:
                await self._write(waiting)
                self._outage.over()
            except Unavailable as error:
                await self._pause(waiting, error.cause, started)
            except Exception:
                _log.exception("the writer met an unexpected error")
                self._fail(waiting)

    async def _pause(self, jobs: Sequence[Job], error: Exception, started: float) -> None:
        pause = self._outage.failed(error, started=started)
        if pause is None:
            self._fail(jobs)
        else:
            await asyncio.sleep(pause)

    async def _write(self, jobs: Sequence[Job]) -> None:
        """Settle these jobs. Raises Unavailable; some of them may be settled then."""
        try:
            unknown = await self._line.write([job.work for job in jobs])
        except Refused as refused:
            await self._narrow(jobs, refused)
        else:
            for job in jobs:
                self._settle(job, unknown)

    async def _narrow(self, jobs: Sequence[Job], refused: Refused) -> None:
        """One row in a group is refused: find it, so that the others are kept."""
        if len(jobs) == 1:
            await self._narrow_records(jobs[0], refused)
            return
        _log.warning("a group of %d writes was refused, trying halves: %s", len(jobs), in_words(refused.cause))
        half = len(jobs) // 2
        await self._write(jobs[:half])
        await self._write(jobs[half:])

    async def _narrow_records(self, job: Job, refused: Refused) -> None:
        if not isinstance(job.work, Keep):
            _log.error("a write was refused: %s", in_words(refused.cause))
            job.fail(RecordingFailed(f"the audit trail can't hold this: {type(refused.cause).__name__}"))
            return
        for record in job.work.records:
            try:
                await self._line.write([Keep((record,))])
            except Refused as error:
                self._losses.add(record.interception_id)
                _log.error("a record of interception %s is lost: %s", record.interception_id, in_words(error.cause))
        job.succeed()

    def _settle(self, job: Job, unknown: set[str]) -> None:
        """Its transaction is committed. Whoever ends an interception learns here that a record of it was lost."""
        if isinstance(job.work, End):
            interception_id = job.work.ended.id
            lost = self._losses.claim(interception_id)
            if interception_id in unknown:
                lost = RecordingFailed(f"interception {interception_id} has not begun")
            if lost:
                job.fail(lost)
        job.succeed()

    def _fail(self, jobs: Sequence[Job]) -> None:
        """They can't be written now."""
        jobs = [job for job in jobs if not job.settled]
        for job in jobs:
            if isinstance(job.work, Keep):
                for record in job.work.records:
                    self._losses.add(record.interception_id)
        for job in jobs:
            if isinstance(job.work, End):
                self._losses.claim(job.work.ended.id)  # its caller is told by the error
            job.fail(RecordingFailed(_AWAY))
