"""The metrics that are counted as things happen, made in a registry as they are asked for.

Belongs here: from a row of the catalogue to a metric. Never: when something is counted.
"""

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry

from aibridge_adapters.telemetry.metrics.bounds import Bound, Bounds
from aibridge_adapters.telemetry.metrics.catalogue import Kind, Metric
from aibridge_adapters.telemetry.metrics.families import Family, N
from aibridge_adapters.telemetry.metrics.numbers import Distribution, Number
from aibridge_adapters.telemetry.metrics.tables import row


class Meters:
    """Makes each metric once. Asking for one that has no row raises KeyError; for one twice, ValueError."""

    def __init__(self, registry: CollectorRegistry, bounds: Bounds) -> None:
        self._registry = registry
        self._bounds = bounds

    def counter(self, name: str) -> Family[Number]:
        """Something that only grows."""
        return self._made(row(name, Kind.COUNTER), Number)

    def gauge(self, name: str) -> Family[Number]:
        """Something that goes up and down."""
        return self._made(row(name, Kind.GAUGE), Number)

    def histogram(self, name: str) -> Family[Distribution]:
        """A distribution."""
        found = row(name, Kind.HISTOGRAM)
        return self._made(found, partial(Distribution, found.buckets))

    def bound(self, label: str) -> Bound:
        """Which values of a label are shown. Raises KeyError for a label without bound."""
        return self._bounds.known[label]

    def _made(self, metric: Metric, make: Callable[[], N]) -> Family[N]:
        family = Family(metric, make, [self._bounds.of(label) for label in metric.labels])
        self._registry.register(family)
        return family
