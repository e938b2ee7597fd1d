"""Writes docs/reference/metrics.md from the tables: `python -m aibridge_adapters.telemetry.metrics.reference PAGE`.

Belongs here: the page around the tables. Never: what a metric means; its row says it.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from aibridge_adapters.telemetry.metrics.bounds import MAX_LENGTH, MAX_SERIES, Bounds
from aibridge_adapters.telemetry.metrics.catalogue import Metric
from aibridge_adapters.telemetry.metrics.gateway_table import GATEWAY
from aibridge_adapters.telemetry.metrics.guards_table import GUARDS
from aibridge_adapters.telemetry.metrics.traffic_table import TRAFFIC

PAGE = """# Metrics

What a gateway shows under `/metrics` when `AIBRIDGE_PROMETHEUS_ENABLE` is set. How to read them, with rules and
alerts: [watch the gateway with Prometheus](../how-to/prometheus.md). This page is generated from the tables that the
metrics are made of. Names are public: a change of one stands in the changelog.

Times are in seconds. Beside these there are the process's own metrics (`process_*`, `python_gc_*`), unless a host
application brought its own registry and shows them itself.

## Labels

`provider` is the configured name, `model` what the client asked for, `client` the label that interceptions have,
`initiator_id` the user's id. `route` is the path after the provider's name, on passthrough routes after the prefix of
the API as well; `unknown` if there is no such route. `type` of tokens is `input`, `output`, `cache_read_input_tokens`
or `cache_write_input_tokens`; providers' further kinds come by their own names and must not be added to these.

Values of {bounded} are chosen by clients, providers or their number of users. Only the first
`AIBRIDGE_PROMETHEUS_MAX_VALUES` of each are told apart, and only printable ones of at most {length} characters; the
rest is counted as `other`, so that sums stay right. After {series} combinations a metric makes no new ones.

## Requests and providers

{traffic}
## Limits, breakers and keys

{guards}
## The gateway itself

{gateway}"""


def page() -> str:
    """The whole text."""
    return PAGE.format(
        bounded=", ".join(f"`{label}`" for label in Bounds(1).known),
        length=MAX_LENGTH,
        series=f"{MAX_SERIES:,}",
        traffic=_table(TRAFFIC),
        guards=_table(GUARDS),
        gateway=_table(GATEWAY),
    )


def _table(metrics: Iterable[Metric]) -> str:
    head = ("Metric", "Kind", "Labels", "Meaning")
    rows = [head, ("---",) * len(head), *(_row(metric) for metric in metrics)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(metric: Metric) -> Sequence[str]:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    buckets = f" Buckets: {', '.join(f'{bound:g}' for bound in metric.buckets)}." if metric.buckets else ""
    return f"`{metric.full_name}`", metric.kind.value, labels, metric.meaning + buckets


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
