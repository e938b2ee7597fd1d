"""Deadlines of equal length for very many short waits, of which hardly any is ever missed.

Belongs here: cancelling a task in time, and telling that apart from a cancellation by others. Never: what is awaited.

`asyncio.timeout` sets a timer for each wait and takes it back: six microseconds. Equal deadlines fall due in the order
in which they were set, so here one timer watches the oldest, and a wait costs an entry in a queue.
"""

import asyncio
from collections import deque
from types import TracebackType
from typing import Any

import msgspec


class Deadlines:
    """Makes contexts that end in time. Use on one event loop, or on another after that was closed."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waits: deque[Wait] = deque()
        self._armed = False
        # Remembered: before Python 3.12 asking for the running loop is a system call (getpid).
        self._loop: asyncio.AbstractEventLoop | None = None

    def wait(self) -> "Wait":
        """A context. Raises TimeoutError if what is awaited inside takes longer. Use it once, at once."""
        loop = self._loop
        if loop is None or loop.is_closed():
            loop = self._begin()
        task = asyncio.current_task(loop)
        assert task is not None, "only a task can be cancelled"
        wait = Wait(loop.time() + self._seconds, task, task.cancelling())
        while self._waits and self._waits[0].over:
            self._waits.popleft()
        self._waits.append(wait)
        if not self._armed:
            self._armed = True
            loop.call_at(wait.due, self._look, loop)
        return wait

    def _begin(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        self._waits.clear()
        self._armed = False
        return self._loop

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Expire what is due, forget what is over, and look again when the next one falls due."""
        waits, now = self._waits, loop.time()
        while waits and (waits[0].over or waits[0].due <= now):
            waits.popleft().expire()
        self._armed = bool(waits)
        if waits:
            loop.call_at(waits[0].due, self._look, loop)


class Wait(msgspec.Struct, eq=False):
    """One wait. A msgspec Struct because each request has four: one is made in half the time."""

    due: float
    """In the loop's time."""
    _task: asyncio.Task[Any] | None
    _cancelled_before: int
    _expired: bool = False
    over: bool = False

    def __enter__(self) -> None:
        """Nothing: the time runs already."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over = True
        task = self._task
        self._task = None  # the queue holds on to this for a while, but not to the request
        # Whoever else has cancelled the task meanwhile is to see it cancelled.
        if self._expired and task and task.uncancel() <= self._cancelled_before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Cancel what is awaited, if it still is."""
        if not self.over:
            self._expired = True
            assert self._task
            self._task.cancel()
