"""How long an exchange may wait, and a wait that keeps to it.

Belongs here: time limits of one connection. Never: what is waited for.
"""

import asyncio
from typing import Final

import httpx
from attrs import define

_NEVER: Final = float("inf")


@define
class Patience:
    """Limits of one exchange. None: without limit."""

    connect: float | None = None
    """Seconds until a connection stands."""
    idle: float | None = None
    """Seconds for which the other side may be silent; may change while the exchange goes on."""
    deadline: float | None = None
    """When all of it must be over, by the event loop's clock."""


class Bell:
    """Wakes the one who waits, when it is rung or when time is up.

    One timer stays set from wait to wait and looks, when it goes off, whether it has come too early. To set and cancel
    one for each event of a stream would cost more than the rest of the wait.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._end = _NEVER
        self._fault: type[Exception] = TimeoutError

    def ring(self) -> None:
        """Whoever waits goes on."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self, patience: Patience, silence: type[httpx.TimeoutException]) -> None:
        """Until it rings. Raises `silence` after the idle time, TimeoutError at the deadline."""
        waiter = self._waiter = self._loop.create_future()
        self._set(patience, silence)
        try:
            await waiter
        finally:
            self._waiter = None
            del waiter  # else it and the error that ends it would hold on to each other

    def _set(self, patience: Patience, silence: type[httpx.TimeoutException]) -> None:
        self._end = self._loop.time() + patience.idle if patience.idle else _NEVER
        self._fault = silence
        if patience.deadline is not None and patience.deadline < self._end:
            self._end = patience.deadline
            self._fault = TimeoutError
        if self._timer is None or self._end < self._timer.when():
            self._start()

    def _start(self) -> None:
        self.stop()
        if self._end < _NEVER:
            self._timer = self._loop.call_at(self._end, self._time_is_up)

    def stop(self) -> None:
        """Forget the timer, which would hold on to the connection."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_is_up(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._end:
            self._start()
        else:
            self._waiter.set_exception(self._fault("silent for too long"))
