"""A bounded cache with deadlines, and a way to ask a slow question once for all who ask it at the same time.

Belongs here: keeping and sharing answers inside one event loop, so there are no locks. Never: what the answers mean.
Time comes in as an argument, in seconds of a monotonic clock.
"""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio
from attrs import define, field, frozen

K = TypeVar("K")
V = TypeVar("V")


class ExpiringCache(Generic[K, V]):
    """At most `size` values, each until its deadline. When it is full, the one that was put first goes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: dict[K, tuple[float, V]] = {}

    def get(self, key: K, now: float) -> V | None:
        """The value, if it is kept and its deadline is ahead."""
        kept = self._kept.get(key)
        return kept[1] if kept is not None and now < kept[0] else None

    def put(self, key: K, value: V, deadline: float) -> None:
        """Keep a value; with a size of 0 nothing is kept."""
        self._kept.pop(key, None)
        self._kept[key] = (deadline, value)
        if len(self._kept) > self._size:
            del self._kept[next(iter(self._kept))]

    def deadline(self, key: K) -> float:
        """Until when it is kept. Raises KeyError."""
        return self._kept[key][0]

    def forget(self, key: K) -> None:
        """Keep it no longer."""
        self._kept.pop(key, None)

    def __len__(self) -> int:
        return len(self._kept)


@frozen
class _Landed(Generic[V]):
    """How a flight ended."""

    value: V | None = None
    error: Exception | None = None

    def get(self) -> V | None:
        if self.error is not None:
            raise self.error
        return self.value


@define
class _Flight(Generic[V]):
    """A question on its way. `landed` stays None if the task that asked it was cancelled."""

    over: anyio.Event = field(factory=anyio.Event)
    landed: _Landed[V] | None = None


class SingleFlight(Generic[K, V]):
    """Callers with the same key at the same time share one call, its value and its error."""

    def __init__(self) -> None:
        self._flights: dict[K, _Flight[V]] = {}

    async def run(self, key: K, call: Callable[[], Awaitable[V | None]]) -> V | None:
        """What `call` returns or raises. If the caller that flies is cancelled, the next one flies."""
        while (flight := self._flights.get(key)) is not None:
            await flight.over.wait()
            if flight.landed is not None:
                return flight.landed.get()
        return await self._fly(key, call)

    async def _fly(self, key: K, call: Callable[[], Awaitable[V | None]]) -> V | None:
        flight = self._flights[key] = _Flight[V]()
        try:
            flight.landed = await _outcome(call)
        finally:
            del self._flights[key]
            flight.over.set()
        return flight.landed.get()


async def _outcome(call: Callable[[], Awaitable[V | None]]) -> _Landed[V]:
    try:
        return _Landed(value=await call())
    except Exception as error:
        return _Landed(error=error)
