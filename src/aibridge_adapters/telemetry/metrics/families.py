"""One metric: its numbers by the values of its labels, within bounds.

Belongs here: finding numbers, and showing them to a registry. Never: names of metrics.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from prometheus_client import Metric as Samples
from prometheus_client.registry import Collector

from aibridge_adapters.telemetry.metrics.bounds import MAX_SERIES, OTHER, Bound
from aibridge_adapters.telemetry.metrics.catalogue import Metric
from aibridge_adapters.telemetry.metrics.numbers import Shown

N = TypeVar("N", bound=Shown)


class Family(Collector, Generic[N]):
    """Calling it gives the number for these values of the labels; finding it again costs one look-up."""

    def __init__(self, metric: Metric, make: Callable[[], N], bounds: Sequence[Bound | None]) -> None:
        self._metric = metric
        self._make = make
        self._bounds = bounds
        self._numbers: dict[tuple[str, ...], N] = {}

    def __call__(self, *values: str) -> N:
        """Values in the order of the labels."""
        return self._numbers.get(values) or self._bounded(values)

    def forget(self, *values: str) -> None:
        """Show these values no longer."""
        self._numbers.pop(values, None)

    def describe(self) -> Iterable[Samples]:
        """Its name, without its numbers."""
        return (self._empty(),)

    def collect(self) -> Iterator[Samples]:
        """All its numbers."""
        shown, name = self._empty(), self._metric.full_name
        for values, number in list(self._numbers.items()):
            labels = dict(zip(self._metric.labels, values, strict=True))
            for suffix, bound, value in number.samples():
                shown.add_sample(name + suffix, {**labels, "le": bound} if bound else labels, value)
        yield shown

    def _empty(self) -> Samples:
        return Samples(self._metric.full_name.removesuffix("_total"), self._metric.meaning, self._metric.kind.value)

    def _bounded(self, values: tuple[str, ...]) -> N:
        shown = tuple(bound(value) if bound else value for bound, value in zip(self._bounds, values, strict=True))
        if shown not in self._numbers and len(self._numbers) >= MAX_SERIES:
            shown = tuple(OTHER if bound else value for bound, value in zip(self._bounds, shown, strict=True))
        if shown not in self._numbers:
            self._numbers[shown] = self._make()
        return self._numbers[shown]
