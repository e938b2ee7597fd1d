"""How late the event loop is: what is due waits while something else keeps the loop busy, and requests wait as long.

Belongs here: measuring it. Never: finding out who keeps it busy.
"""

from collections.abc import Awaitable, Callable
from typing import NoReturn

from aibridge_adapters.telemetry.metrics.meters import Meters
from aibridge_core.ports import Clock

EVERY = 0.25
"""Seconds between two measurements: a pause as long as that is seen at least once."""


class LoopLag:
    """Sleeps, and looks how much too long that took."""

    def __init__(self, meters: Meters, *, clock: Clock, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._lag = meters.histogram("event_loop_lag_seconds")()
        self._now = clock.monotonic
        self._sleep = sleep

    async def run(self) -> NoReturn:
        """Measure until cancelled."""
        while True:
            due = self._now() + EVERY
            await self._sleep(EVERY)
            self._lag.observe(max(0.0, self._now() - due))
