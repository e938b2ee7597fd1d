"""The metrics that somebody else counts anyway: they are read when Prometheus asks.

Belongs here: from functions to samples. Never: whose counters they are; the composition root knows.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from attrs import frozen
from prometheus_client import Metric as Samples
from prometheus_client.registry import Collector

from aibridge_adapters.telemetry.metrics.catalogue import Metric
from aibridge_adapters.telemetry.metrics.tables import METRICS

Reading = Callable[[], float | Iterable[tuple[tuple[str, ...], float]]]
"""A number, or numbers by the values of the metric's labels, which nobody bounds. It is cheap and doesn't fail."""


@frozen(eq=False)
class Readings(Collector):
    """A collector of readings by name. Raises KeyError for a name without a row."""

    readings: Mapping[str, Reading]

    def __attrs_post_init__(self) -> None:
        if unknown := self.readings.keys() - {metric.name for metric in METRICS}:
            raise KeyError(f"no such metrics: {', '.join(sorted(unknown))}")

    def describe(self) -> Iterable[Samples]:
        """Nothing: a registry would read everything to learn the names."""
        return ()

    def collect(self) -> Iterator[Samples]:
        """Everything that can be read now."""
        for metric in METRICS:
            if metric.name in self.readings:
                yield self._read(metric, self.readings[metric.name]())

    def _read(self, metric: Metric, values: float | Iterable[tuple[tuple[str, ...], float]]) -> Samples:
        samples = Samples(metric.full_name.removesuffix("_total"), metric.meaning, metric.kind.value)
        for shown, value in [((), values)] if isinstance(values, int | float) else values:
            samples.add_sample(metric.full_name, dict(zip(metric.labels, shown, strict=True)), value)
        return samples
