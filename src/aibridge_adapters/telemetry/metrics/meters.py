"""The metrics that are counted as things happen, made in a registry as they are asked for.

Belongs here: from a row of the catalogue to a metric of `prometheus_client`. Never: when something is counted.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from aibridge_adapters.telemetry.metrics.bounds import Bound, Bounds, Family
from aibridge_adapters.telemetry.metrics.catalogue import Kind, Metric
from aibridge_adapters.telemetry.metrics.tables import row


class Meters:
    """Makes each metric once. Asking for one that has no row raises KeyError; for one twice, ValueError."""

    def __init__(self, registry: CollectorRegistry, bounds: Bounds) -> None:
        self._registry = registry
        self._bounds = bounds

    def counter(self, name: str) -> Family[Counter]:
        """Something that only grows."""
        found = row(name, Kind.COUNTER)
        metric = Counter(found.full_name, found.meaning, found.labels, registry=self._registry)
        return Family(metric, self._of(found))

    def gauge(self, name: str) -> Family[Gauge]:
        """Something that goes up and down."""
        found = row(name, Kind.GAUGE)
        return Family(Gauge(found.full_name, found.meaning, found.labels, registry=self._registry), self._of(found))

    def histogram(self, name: str) -> Family[Histogram]:
        """A distribution."""
        found = row(name, Kind.HISTOGRAM)
        metric = Histogram(found.full_name, found.meaning, found.labels, buckets=found.buckets, registry=self._registry)
        return Family(metric, self._of(found))

    def bound(self, label: str) -> Bound:
        """Which values of a label are shown. Raises KeyError for a label without bound."""
        return self._bounds.known[label]

    def _of(self, found: Metric) -> list[Bound | None]:
        return [self._bounds.of(label) for label in found.labels]
