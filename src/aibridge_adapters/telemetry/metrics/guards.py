"""Counts what circuit breakers and key pools do.

Belongs here: from their events to metrics. Never: deciding anything.
"""

from aibridge_adapters.telemetry.metrics.meters import Meters
from aibridge_core.breaker import BreakerChanged, BreakerEvent, BreakerRejected, BreakerState
from aibridge_core.keys import KeyEvent, KeyRests, KeysExhausted, KeysTried

_SHOWN = {BreakerState.CLOSED: 0.0, BreakerState.HALF_OPEN: 0.5, BreakerState.OPEN: 1.0}


class GuardMeters:
    """Of everything that stands between requests and providers."""

    def __init__(self, meters: Meters) -> None:
        self._state = meters.gauge("circuit_breaker_state")
        self._trips = meters.counter("circuit_breaker_trips_total")
        self._rejects = meters.counter("circuit_breaker_rejects_total")
        self._transitions = meters.counter("key_pool_state_transitions_total")
        self._exhaustions = meters.counter("key_pool_exhaustions_total")
        self._tried = meters.histogram("key_pool_failover_attempts")

    def tell(self, event: BreakerEvent | KeyEvent) -> None:
        """One of them has happened."""
        match event:
            case BreakerChanged(circuit=circuit, new=new):
                labels = (circuit.provider, circuit.endpoint, circuit.model)
                self._state(*labels).set(_SHOWN[new])
                if new is BreakerState.OPEN:
                    self._trips(*labels).inc()
            case BreakerRejected(circuit=circuit):
                self._rejects(circuit.provider, circuit.endpoint, circuit.model).inc()
            case KeyRests():
                self._transitions(event.provider, event.state.value).inc()
            case KeysExhausted():
                self._exhaustions(event.provider, event.outcome).inc()
            case KeysTried():
                self._tried(event.provider).observe(event.count)
