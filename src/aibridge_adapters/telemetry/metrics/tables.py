"""All tables as one. Never: a row."""

from collections.abc import Mapping

from aibridge_adapters.telemetry.metrics.catalogue import Kind, Metric
from aibridge_adapters.telemetry.metrics.gateway_table import GATEWAY
from aibridge_adapters.telemetry.metrics.guards_table import GUARDS
from aibridge_adapters.telemetry.metrics.traffic_table import TRAFFIC

METRICS = (*TRAFFIC, *GUARDS, *GATEWAY)
"""In the order in which they are documented."""

_BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


def row(name: str, kind: Kind) -> Metric:
    """The row of a metric. Raises KeyError if there is none of this kind."""
    found = _BY_NAME[name]
    if found.kind is not kind:
        raise KeyError(f"{name} is a {found.kind.value}")
    return found
