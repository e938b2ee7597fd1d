"""Counts requests while they happen, from the same frozen values that the storage gets.

Belongs here: the observer, and the metrics that watches count into. Never: when a watch is told what (`watches`).
"""

from collections.abc import Callable

from aibridge_adapters.telemetry.metrics.meters import Meters
from aibridge_adapters.telemetry.metrics.traffic import Traffic
from aibridge_adapters.telemetry.metrics.watches import BridgedWatch, PassthroughWatch
from aibridge_core.actors import Actor
from aibridge_core.errors import BridgeError
from aibridge_core.observing import UNWATCHED, Serving, Watch
from aibridge_core.ports import Clock
from aibridge_core.routing import Match
from aibridge_core.wire import Arrival, ClientRequest


class MetricsObserver:
    """Implements `aibridge_core.observing.Observer`."""

    def __init__(
        self, meters: Meters, *, clock: Clock, find: Callable[[str], Match | None], shows_users: bool = True
    ) -> None:
        """`find`: the route of a path, whose values bound what strangers can make us count."""
        self._traffic = Traffic(meters, shows_users=shows_users)
        self._now = clock.monotonic
        self._find = find
        self._refused = meters.counter("refused_requests_total")
        self._passed = meters.counter("passthrough_total")

    def serving(self, arrival: Arrival) -> Serving:
        """Nothing is counted before a person is known and the request complete, but refusals."""
        return UNWATCHED

    def bridged(self, match: Match, request: ClientRequest, actor: Actor) -> Watch:
        """A request on a bridged route."""
        provider, route = places(match)
        self._traffic.request_bytes(provider, route).inc(len(request.body))
        return BridgedWatch(self._traffic, self._now, provider=provider, route=route, method=request.method)

    def passthrough(self, match: Match, request: ClientRequest, actor: Actor) -> Watch:
        """A request on a passthrough route."""
        provider, route = places(match)
        self._traffic.request_bytes(provider, route).inc(len(request.body))
        self._passed(provider, route, request.method).inc()
        return PassthroughWatch(self._traffic, self._now, provider=provider, route=route)

    def refused(self, path: str, error: BridgeError) -> None:
        """A request was answered with an error of the gateway's own."""
        match = self._find(path)
        provider, route = places(match) if match else ("unknown", "unknown")
        self._refused(provider, route, str(error.status), error.error_type).inc()


def places(match: Match) -> tuple[str, str]:
    """Provider and route as labels: of bridged routes with the API's prefix, of others without, as dashboards know."""
    route = match.route
    return match.provider.name, (match.provider.kind.prefix + route.path if route.dialect else route.path)
