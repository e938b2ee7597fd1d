"""What waits to be written, in order, and who waits for it.

Belongs here: the queue's bound, groups, and telling callers. Never: a connection.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from attrs import define

from aibridge_adapters.storage.postgres.works import Work
from aibridge_adapters.storage.writing import Commit, Writing

CAPACITY = 64 * 1024 * 1024
"""How much may wait before `room` makes callers wait, in characters of text plus `OVERHEAD` for each record."""
OVERHEAD = 1024
GROUP = 1024
"""Most works in one transaction: what comes after them shouldn't wait for ever."""
GROUP_WEIGHT = 16 * 1024 * 1024
"""Weight after which a transaction takes no further work."""
LINGER = 0.05
"""How long work that nobody waits for may stay behind, in seconds, so that it shares a transaction with work that
somebody waits for. A record is mostly followed by the end of its interception."""


@define(eq=False)
class Job:
    """A work on its way."""

    work: Work
    waiter: "asyncio.Future[None] | None" = None
    weight: int = OVERHEAD
    settled: bool = False
    """Whether its fate is known."""
    failed: bool = False
    """Whether that is a bad one."""

    def succeed(self) -> None:
        """It is durable."""
        self.settled = True
        if self.waiter and not self.waiter.done():  # done: its caller was cancelled
            self.waiter.set_result(None)

    def fail(self, error: Exception) -> None:
        """It is not known to be durable, and won't be tried again."""
        self.settled = self.failed = True
        if self.waiter and not self.waiter.done():
            self.waiter.set_exception(error)


class Backlog:
    """Jobs in the order they were put. For one event loop."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self.writing = Writing()
        self._closed = False
        self._linger: asyncio.TimerHandle | None = None
        self._due = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def put(self, job: Job) -> None:
        """At the end; never refused."""
        self._jobs.append(job)
        self.writing.put(job.weight)
        self._make_room()
        if job.waiter or not self._room.is_set():
            self._hurry()
        elif self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(LINGER, self._hurry)

    def close(self) -> None:
        """Nothing is put any more, and nothing lingers."""
        self._closed = True
        self._hurry()

    def _hurry(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self._due.set()

    async def due(self) -> None:
        """Return when it is time to take what there is; when closed, always."""
        await self._due.wait()

    def take(self) -> Sequence[Job]:
        """A group from the beginning; empty if there is nothing. It keeps its weight until `done`."""
        taken: list[Job] = []
        weight = 0
        while self._jobs and len(taken) < GROUP and weight <= GROUP_WEIGHT:
            taken.append(self._jobs.popleft())
            weight += taken[-1].weight
        if not self._jobs and not self._closed:
            self._due.clear()
        return taken

    def done(self, jobs: Sequence[Job], seconds: float) -> None:
        """Their fate is known, and took so long to learn; they need no memory any more."""
        failed = sum(job.failed for job in jobs)
        commit = Commit(seconds=seconds, committed=len(jobs) - failed, failed=failed)
        self.writing.done(commit, sum(job.weight for job in jobs))
        self._make_room()

    async def room(self) -> None:
        """Return when there is room for more."""
        await self._room.wait()

    def _make_room(self) -> None:
        if self.writing.weight > CAPACITY:
            self._room.clear()
        else:
            self._room.set()
