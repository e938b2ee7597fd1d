"""Every metric that a gateway shows: the rows of all tables, and what a row is.

Belongs here: the shape of a row, and finding rows. Never: a number that is counted, or `prometheus_client`.
"""

from enum import Enum

from attrs import field, frozen

NAMESPACE = "aibridge"
"""Stands before all names."""


class Kind(Enum):
    """Of metric, as Prometheus calls them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@frozen(kw_only=True)
class Metric:
    """One row."""

    name: str
    """Without the namespace. A counter's ends with `_total`."""
    kind: Kind
    meaning: str
    """One sentence, for people and for `# HELP`."""
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = field(default=())
    """Upper bounds, of a histogram."""

    @property
    def full_name(self) -> str:
        """As it is scraped."""
        return f"{NAMESPACE}_{self.name}"


def counter(name: str, meaning: str, *labels: str) -> Metric:
    """A row of something that only grows."""
    return Metric(name=name, kind=Kind.COUNTER, meaning=meaning, labels=labels)


def gauge(name: str, meaning: str, *labels: str) -> Metric:
    """A row of something that goes up and down."""
    return Metric(name=name, kind=Kind.GAUGE, meaning=meaning, labels=labels)


def histogram(name: str, meaning: str, *labels: str, buckets: tuple[float, ...]) -> Metric:
    """A row of a distribution."""
    return Metric(name=name, kind=Kind.HISTOGRAM, meaning=meaning, labels=labels, buckets=buckets)
