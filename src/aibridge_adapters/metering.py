"""Whether a gateway has metrics, and what it does for them.

Belongs here: the choice, and the gateway without any. Never: `prometheus_client`, which is imported when metrics are
asked for; who doesn't want them doesn't pay for it at each start.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from aibridge_adapters.admission import SharedAdmission
from aibridge_adapters.config import Settings
from aibridge_adapters.guards import Listener as GuardListener
from aibridge_adapters.http.app import AsgiApp
from aibridge_adapters.mcp.events import Listener
from aibridge_adapters.recording import Recording
from aibridge_adapters.reloading import Providers
from aibridge_adapters.retention import Tally
from aibridge_adapters.storage import Storage
from aibridge_core.observing import Observer
from aibridge_core.ports import Authenticator, Clock
from aibridge_core.routing import Router

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


@frozen(kw_only=True)
class Sources:
    """Whose numbers are shown."""

    storage: Storage
    recording: Recording
    authenticator: Authenticator
    purges: Tally
    providers: Providers
    spans: Callable[[], Mapping[str, int]] = dict
    """What became of spans, by outcome."""
    shared_limits: SharedAdmission | None = None
    """None: limits are not shared."""


class Metering:
    """What a gateway has of its metrics. This one has none."""

    observers: Sequence[Observer] = ()
    mcp_listeners: Sequence[Listener] = ()
    guard_listeners: Sequence[GuardListener] = ()
    page: AsgiApp | None = None
    """What Prometheus reads."""

    def attach(self, sources: Sources) -> None:
        """Once, when everything is there to be read."""

    async def run(self) -> None:
        """Measure what has to be measured all the time, until cancelled."""

    def close(self) -> None:
        """Show nothing any more."""


def metering(settings: Settings, clock: Clock, router: Router, registry: "CollectorRegistry | None" = None) -> Metering:
    """The metrics of one gateway, if its settings ask for them, or a host application by its own `registry`."""
    if not settings.prometheus.enable and registry is None:
        return Metering()
    from aibridge_adapters.compose_metrics import PrometheusMetering  # noqa: PLC0415

    return PrometheusMetering(settings, clock, router, registry)
