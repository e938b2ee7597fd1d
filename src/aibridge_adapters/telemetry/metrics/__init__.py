"""Prometheus metrics of one gateway, in a registry of their own.

    catalogue       every metric: name, kind, labels, buckets, meaning (rows in traffic_, guards_ and gateway_table)
    bounds          how many values a label may have
    numbers         counters, gauges and histograms without labels
    families        one metric: its numbers by the values of its labels
    meters          the metrics that are counted as things happen
    readings        those that are read from somebody else's counters when they are scraped
    observer        counts requests: an `aibridge_core.observing.Observer`
    watches         what it keeps of one request while it lasts
    events          counts what else happens: commits, MCP servers
    guards          counts what circuit breakers and key pools do
    loop_lag        how late the event loop is
    exposition      the page that Prometheus reads, an ASGI application

To add a metric: write its row in one of the tables. If it is counted as things happen, ask `Meters` for it by name
where they happen: `meters.counter("key_pool_exhaustions_total")("openai", "rate_limited").inc()`. If the number is
kept elsewhere anyway, give `Readings` a function that reads it, in `aibridge_adapters.compose_metrics`. A label whose
values aren't the operator's own gets a bound in `Bounds`. Then write the page again, a test says so until that is done:
`python -m aibridge_adapters.telemetry.metrics.reference docs/reference/metrics.md`.

Belongs here: metrics. Never: deciding anything by them.
"""

from aibridge_adapters.telemetry.metrics.bounds import Bounds
from aibridge_adapters.telemetry.metrics.events import CommitMeters, McpMeters
from aibridge_adapters.telemetry.metrics.exposition import Exposition
from aibridge_adapters.telemetry.metrics.guards import GuardMeters
from aibridge_adapters.telemetry.metrics.loop_lag import LoopLag
from aibridge_adapters.telemetry.metrics.meters import Meters
from aibridge_adapters.telemetry.metrics.observer import MetricsObserver
from aibridge_adapters.telemetry.metrics.readings import Reading, Readings

__all__ = [
    "Bounds",
    "CommitMeters",
    "Exposition",
    "GuardMeters",
    "LoopLag",
    "McpMeters",
    "Meters",
    "MetricsObserver",
    "Reading",
    "Readings",
]
