"""The numbers that metrics are made of. They belong to one event loop; another thread may read them.

Belongs here: adding up. Never: names or labels. `prometheus_client` has the same, with a lock around each addition and
a walk through all buckets; of the time that metrics cost a request, that was a third.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Protocol


class Shown(Protocol):
    """What has samples."""

    def samples(self) -> Iterator[tuple[str, str, float]]:
        """Suffix of the name, value of the label `le` (empty: it has none), number."""
        ...


class Number:
    """A counter or a gauge."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1.0) -> None:
        """More."""
        self.value += amount

    def dec(self) -> None:
        """One less."""
        self.value -= 1.0

    def set(self, value: float) -> None:
        """So much."""
        self.value = value

    def samples(self) -> Iterator[tuple[str, str, float]]:
        """One."""
        yield "", "", self.value


class Distribution:
    """A histogram."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """One more; a value that is a bound belongs below it."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def samples(self) -> Iterator[tuple[str, str, float]]:
        """Buckets hold everything up to their bound."""
        for bound, count in zip((*self._bounds, float("inf")), accumulate(self._counts), strict=True):
            yield "_bucket", str(bound) if bound != float("inf") else "+Inf", count
        yield "_count", "", sum(self._counts)
        yield "_sum", "", self._sum
