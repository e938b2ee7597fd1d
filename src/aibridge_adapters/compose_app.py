"""Part of the composition root: the ASGI application, once everything that it stands on is there.

Belongs here: the use cases and what they are made of. Never: opening or closing anything.
"""

from collections.abc import Callable
from functools import partial

from aibridge_adapters.clock import new_id
from aibridge_adapters.codings import Codings
from aibridge_adapters.compose_recording import (
    network_log_of,
    readiness,
    recorder_for_requests,
)
from aibridge_adapters.config import Settings
from aibridge_adapters.guards import actor_headers_of, retries_of
from aibridge_adapters.http.app import GatewayApp
from aibridge_adapters.http.rest import REST_ROOTS, rest_app
from aibridge_adapters.http.tunnel import Tunnelling
from aibridge_adapters.identity.users import Users
from aibridge_adapters.recording import Recording
from aibridge_adapters.reloading import Providers
from aibridge_adapters.storage import Storage
from aibridge_core.admission import Admission
from aibridge_core.breaker import Breakers
from aibridge_core.bridge import Bridge
from aibridge_core.hidden_turns import HiddenTurns
from aibridge_core.observing import Observer
from aibridge_core.passthrough import Passthrough
from aibridge_core.ports import Authenticator, Clock, Recorder, ToolServers, Upstream
from aibridge_core.sockets import SocketUpstream, Tunnels, UpstreamSockets


def app_of(
    settings: Settings,
    *,
    admission: Admission,
    providers: Providers,
    authenticator: Authenticator,
    recording: Recording,
    storage: Storage,
    users: Users,
    upstream: Upstream,
    sockets: UpstreamSockets | None,
    on_socket: Callable[[Upstream], Upstream],
    tools: ToolServers,
    clock: Clock,
    breakers: Breakers,
    observer: Observer,
    recorder: Callable[[Recorder], Recorder],
) -> GatewayApp:
    """The application for these parts. `on_socket` is put around the upstream on each WebSocket."""
    codings = Codings()
    bridge_on = partial(
        Bridge,
        recorder=recorder(recorder_for_requests(settings, recording.recorder, clock)),
        codings=codings,
        clock=clock,
        new_id=new_id,
        max_body=settings.max_body,
        observer=observer,
        breakers=breakers,
    )
    bridge = bridge_on(
        upstream=upstream,
        tools=tools,
        max_turns=settings.tools.max_turns,
        retries=retries_of(settings),
        actor_headers=actor_headers_of(settings),
        hidden=HiddenTurns(now=clock.monotonic, max_bytes=settings.tools.history_size, ttl=settings.tools.history_ttl),
    )

    def on_tunnel(socket: SocketUpstream) -> Bridge:
        return bridge_on(upstream=on_socket(socket), status=lambda: socket.status)

    rest = rest_app(
        store=storage.store,
        directory=users,
        authenticator=authenticator,
        providers=lambda: providers.infos,
        reload=providers.reload,
        network_log=network_log_of(settings, storage, clock),
    )
    return GatewayApp(
        router=providers.router,
        bridge=bridge,
        passthrough=Passthrough(
            upstream=upstream,
            codings=codings,
            clock=clock,
            max_body=settings.max_body,
            observer=observer,
            retries=retries_of(settings),
        ),
        authenticator=authenticator,
        rest=rest,
        rest_roots=frozenset(REST_ROOTS),
        clock=clock,
        new_id=new_id,
        ready=readiness(storage, recording, settings.recording.timeout),
        gate=admission,
        observer=observer,
        allow_byok=settings.allow_byok,
        max_body=settings.max_body,
        body_timeout=settings.body_timeout,
        keep_alive_interval=settings.keep_alive_interval,
        tunnelling=_tunnelling(settings, sockets, codings, clock, tools, on_tunnel),
    )


def _tunnelling(  # noqa: PLR0917
    settings: Settings,
    sockets: UpstreamSockets | None,
    codings: Codings,
    clock: Clock,
    tools: ToolServers,
    bridge_on: Callable[[SocketUpstream], Bridge],
) -> Tunnelling | None:
    """A host application's own way to the providers may have no WebSockets."""
    if sockets is None:
        return None
    return Tunnelling(
        tunnels=Tunnels(sockets=sockets, codings=codings, clock=clock, actor_headers=actor_headers_of(settings)),
        bridge_on=bridge_on,
        tools=tools,
        patience=settings.timeouts.stream_idle or None,
        max_message=settings.max_body,
    )
