"""What stands between requests and providers, by the settings: limits, tries, circuit breakers, names.

Belongs here: from settings to the core's state machines, and who is told what they do. Never: their rules.
"""

import logging
import random
from collections.abc import Callable

import anyio
from attrs import Factory, frozen

from aibridge_adapters.config import Settings
from aibridge_core.actor_headers import NO_ACTOR_HEADERS, ActorHeaders
from aibridge_core.breaker import BreakerChanged, BreakerEvent, Breakers
from aibridge_core.dispatch import Retries
from aibridge_core.keys import KeyEvent, KeyRests
from aibridge_core.limits import Bounds, Limits

Event = BreakerEvent | KeyEvent
Listener = Callable[[Event], None]

_log = logging.getLogger("aibridge.providers")


@frozen
class Announcer:
    """Tells everybody who listens, who may come later than the first event's cause."""

    listeners: list[Listener] = Factory(lambda: [write_log])

    def __call__(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)


def write_log(event: Event) -> None:
    """The lines that operators look for when a provider fails."""
    match event:
        case BreakerChanged(circuit=circuit):
            _log.info(
                "circuit breaker state change",
                extra={
                    "provider": circuit.provider,
                    "endpoint": circuit.endpoint,
                    "model": circuit.model,
                    "from": event.old.value,
                    "to": event.new.value,
                },
            )
        case KeyRests():
            _log.warning(
                "key marked temporary",
                extra={
                    "provider": event.provider,
                    "api_key_hint": event.hint,
                    "status": event.state.value,
                    "cooldown": event.seconds,
                },
            )


def limits_of(settings: Settings) -> Limits:
    """The limits on requests."""
    limits = settings.limits
    return Limits(
        together=Bounds(rps=limits.max_rps, concurrent=limits.max_concurrent),
        per_user=Bounds(rps=limits.max_rps_per_user, concurrent=limits.max_concurrent_per_user),
    )


def actor_headers_of(settings: Settings) -> ActorHeaders:
    """Which headers tell providers who asks."""
    names = settings.actor_headers
    return ActorHeaders(id_name=names.id, username_name=names.username) if names.send else NO_ACTOR_HEADERS


def retries_of(settings: Settings) -> Retries:
    """How often a provider that wasn't reached is tried again."""
    return Retries(most=settings.upstream_retries, sleep=anyio.sleep, random=random.random)


def breakers_of(settings: Settings, tell: Listener) -> Breakers:
    """None of them opens unless they are enabled."""
    return Breakers(settings.circuit_breaker, tell)
