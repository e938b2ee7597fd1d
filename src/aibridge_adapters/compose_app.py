"""Part of the composition root: the ASGI application, once everything that it stands on is there.

Belongs here: the use cases and what they are made of. Never: opening or closing anything.
"""

from functools import partial

from aibridge_adapters.clock import new_id
from aibridge_adapters.codings import Codings
from aibridge_adapters.compose_parts import Parts
from aibridge_adapters.compose_recording import network_log_of, readiness, recorder_for_requests
from aibridge_adapters.guards import actor_headers_of, retries_of
from aibridge_adapters.http.app import AsgiApp, GatewayApp
from aibridge_adapters.http.rest import REST_ROOTS, rest_app
from aibridge_adapters.http.tunnel import Tunnelling
from aibridge_core.bridge import Bridge
from aibridge_core.hidden_turns import HiddenTurns
from aibridge_core.passthrough import Passthrough
from aibridge_core.sockets import SocketUpstream, Tunnels


def app_of(parts: Parts) -> GatewayApp:
    """The application for these parts."""
    settings, clock, codings = parts.settings, parts.ground.clock, Codings()
    bridge_on = _bridges(parts, codings)
    return GatewayApp(
        router=parts.ground.providers.router,
        bridge=_bridge(parts, bridge_on),
        passthrough=_passthrough(parts, codings),
        authenticator=parts.authenticator,
        rest=_rest(parts),
        rest_roots=frozenset(REST_ROOTS),
        clock=clock,
        new_id=new_id,
        ready=readiness(parts.kept.storage, parts.kept.recording, settings.recording.timeout),
        gate=parts.way_in.admission,
        observer=parts.observer,
        allow_byok=settings.allow_byok,
        max_body=settings.max_body,
        body_timeout=settings.body_timeout,
        keep_alive_interval=settings.keep_alive_interval,
        tunnelling=_tunnelling(parts, codings, bridge_on),
    )


def _bridges(parts: Parts, codings: Codings) -> "partial[Bridge]":
    """What bridges on connections of all kinds have in common."""
    settings, clock = parts.settings, parts.ground.clock
    recorder = recorder_for_requests(settings, parts.kept.recording.recorder, clock)
    return partial(
        Bridge,
        recorder=parts.traced.recorder(recorder),
        codings=codings,
        clock=clock,
        new_id=new_id,
        max_body=settings.max_body,
        observer=parts.observer,
        breakers=parts.ground.breakers,
    )


def _bridge(parts: Parts, bridge_on: "partial[Bridge]") -> Bridge:
    settings, tools = parts.settings, parts.settings.tools
    return bridge_on(
        upstream=parts.up.upstream,
        tools=parts.tools,
        max_turns=tools.max_turns,
        retries=retries_of(settings),
        actor_headers=actor_headers_of(settings),
        hidden=HiddenTurns(now=parts.ground.clock.monotonic, max_bytes=tools.history_size, ttl=tools.history_ttl),
    )


def _passthrough(parts: Parts, codings: Codings) -> Passthrough:
    return Passthrough(
        upstream=parts.up.upstream,
        codings=codings,
        clock=parts.ground.clock,
        max_body=parts.settings.max_body,
        observer=parts.observer,
        retries=retries_of(parts.settings),
    )


def _rest(parts: Parts) -> AsgiApp:
    providers, storage = parts.ground.providers, parts.kept.storage
    return rest_app(
        store=storage.store,
        directory=parts.users,
        authenticator=parts.authenticator,
        providers=lambda: providers.infos,
        reload=providers.reload,
        network_log=network_log_of(parts.settings, storage, parts.ground.clock),
    )


def _tunnelling(parts: Parts, codings: Codings, bridge_on: "partial[Bridge]") -> Tunnelling | None:
    """A host application's own way to the providers may have no WebSockets."""
    settings, up = parts.settings, parts.up
    if up.sockets is None:
        return None

    def on_tunnel(socket: SocketUpstream) -> Bridge:
        return bridge_on(upstream=up.on_socket(socket), status=lambda: socket.status)

    actor_headers = actor_headers_of(settings)
    return Tunnelling(
        tunnels=Tunnels(sockets=up.sockets, codings=codings, clock=parts.ground.clock, actor_headers=actor_headers),
        bridge_on=on_tunnel,
        tools=parts.tools,
        patience=settings.timeouts.stream_idle or None,
        max_message=settings.max_body,
    )
