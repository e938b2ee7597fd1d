"""Part of the composition root: what the application stands on, opened in order.

Belongs here: which part is made of which, and when each is closed. Never: what runs beside the application (`compose`),
what it is made of itself (`compose_app`).
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING

from attrs import asdict, frozen

from aibridge_adapters.clock import SystemClock, new_id
from aibridge_adapters.compose_admission import WayIn, way_in
from aibridge_adapters.compose_dumps import Dumps, dumps
from aibridge_adapters.compose_mcp import grace, tool_servers
from aibridge_adapters.compose_recording import recording_of, spool_folder
from aibridge_adapters.compose_tracing import Traces, traces
from aibridge_adapters.config import Settings
from aibridge_adapters.data_places import default_database_url
from aibridge_adapters.guards import Announcer, breakers_of
from aibridge_adapters.housekeeping import Chore, lease_keeper
from aibridge_adapters.identity.authenticator import StoredAuthenticator
from aibridge_adapters.identity.bootstrap import ensure_bootstrap_admin
from aibridge_adapters.identity.users import Users
from aibridge_adapters.mcp.events import Counters, Listener
from aibridge_adapters.metering import Metering, metering
from aibridge_adapters.recording import Recording
from aibridge_adapters.reloading import Providers, Reread
from aibridge_adapters.storage import Limits, Storage, open_storage
from aibridge_adapters.telemetry.logs import ServiceLog
from aibridge_adapters.upstream.httpx_upstream import HttpxUpstream
from aibridge_core.breaker import Breakers
from aibridge_core.observers import observers
from aibridge_core.observing import Observer
from aibridge_core.ports import Authenticator, Clock, Recorder, ToolServers, Upstream
from aibridge_core.retention import RetentionPolicy
from aibridge_core.sockets import UpstreamSockets

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider
    from prometheus_client import CollectorRegistry


@frozen(kw_only=True)
class Given:
    """What a host application brings of its own; None: as the settings say."""

    authenticator: Authenticator | None
    recorder: Recorder | None
    storage: Storage | None
    upstream: Upstream | None
    tools: ToolServers | None
    clock: Clock | None
    observer: Observer | None
    registry: "CollectorRegistry | None"
    tracer_provider: "TracerProvider | None"
    reread: Reread | None


@frozen(kw_only=True)
class Ground:
    """What needs neither opening nor closing."""

    clock: Clock
    retention: RetentionPolicy
    breakers: Breakers
    providers: Providers
    """Those in force, and the way to reload them."""
    metrics: Metering


@frozen(kw_only=True)
class Kept:
    """The audit trail."""

    storage: Storage
    recording: Recording
    """What stands between the gateway and its database."""


@frozen(kw_only=True)
class WaysUp:
    """How providers are reached."""

    upstream: Upstream
    sockets: UpstreamSockets | None
    """None: a host application's own way may have no WebSockets."""
    on_socket: Callable[[Upstream], Upstream]
    """Put around the upstream on each WebSocket."""


@frozen(kw_only=True)
class Parts:
    """Everything but the application itself, ready for use."""

    settings: Settings
    ground: Ground
    traced: Traces
    kept: Kept
    up: WaysUp
    tools: ToolServers
    tool_counters: Counters
    """What happened between the gateway and its MCP servers."""
    users: Users
    authenticator: Authenticator
    way_in: WayIn
    observer: Observer
    """All who watch, as one."""
    chores: Sequence[Chore]
    """What has to be done at the beginning, now and then, and at the end."""


async def parts_of(settings: Settings, given: Given, stack: AsyncExitStack) -> Parts:
    """Open what the settings ask for and isn't given; `stack` closes it. Raises what `compose.gateway` says."""
    ground = _ground(settings, given)
    traced = await stack.enter_async_context(traces(settings, given.tracer_provider))
    kept = await _kept(settings, given, ground, stack)
    up = await _ways_up(settings, given, ground, stack)
    counters = Counters()
    tools = given.tools
    if tools is None:
        listeners: Sequence[Listener] = (counters, *ground.metrics.mcp_listeners, *traced.listeners)
        opening = tool_servers(settings, kept.storage, ground.clock, listeners, traced.watcher)
        tools = await stack.enter_async_context(opening)
    chores = _chores(settings, kept, ground.clock)
    authenticator = given.authenticator
    if authenticator is None:
        authenticator = stored = await _stored_authenticator(settings, kept.storage, ground.clock)
        chores.append(stored.flush)
    way = await stack.enter_async_context(way_in(settings, kept.storage, ground.clock))
    return Parts(
        settings=settings,
        ground=ground,
        traced=traced,
        kept=kept,
        up=up,
        tools=tools,
        tool_counters=counters,
        users=Users(kept.storage.identity, ground.clock, new_id),
        authenticator=authenticator,
        way_in=way,
        observer=_observer(given, ground, traced),
        chores=[*chores, *way.chores],
    )


def _ground(settings: Settings, given: Given) -> Ground:
    clock = given.clock or SystemClock()
    retention = RetentionPolicy(interceptions=settings.retention, contents=settings.prompt_retention)
    tell = Announcer()
    breakers = breakers_of(settings, tell)
    providers = Providers(settings, breakers=breakers, clock=clock, tell=tell, reread=given.reread)
    metrics = metering(settings, clock, providers.router, given.registry)
    tell.listeners.extend(metrics.guard_listeners)
    return Ground(clock=clock, retention=retention, breakers=breakers, providers=providers, metrics=metrics)


async def _kept(settings: Settings, given: Given, ground: Ground, stack: AsyncExitStack) -> Kept:
    folder = spool_folder(settings, ground.clock, own_storage=given.storage is not None)
    storage = given.storage
    if storage is None:
        storage = await stack.enter_async_context(_storage(settings, ground.clock))
    recording = recording_of(settings, storage, given.recorder, ground.clock, folder)
    stack.push_async_callback(recording.close)
    return Kept(storage=storage, recording=recording)


def _storage(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[Storage]:
    url = settings.database_url or default_database_url()
    return open_storage(url, clock=clock, owner=new_id(), limits=Limits(**asdict(settings.database)))


async def _ways_up(settings: Settings, given: Given, ground: Ground, stack: AsyncExitStack) -> WaysUp:
    dumping = stack.enter_context(dumps(settings, ground.clock))
    ground.providers.followers.append(dumping.follow)
    if given.upstream is not None:
        return _ways(dumping, given.upstream, None)
    http = HttpxUpstream(settings.timeouts, ca_bundle=settings.ca_bundle)
    upstream = await stack.enter_async_context(http)
    return _ways(dumping, upstream, dumping.around_sockets(http.websockets(max_message=settings.max_body)))


def _ways(dumping: Dumps, upstream: Upstream, sockets: UpstreamSockets | None) -> WaysUp:
    return WaysUp(upstream=dumping.around(upstream), sockets=sockets, on_socket=dumping.around_socket)


async def _stored_authenticator(settings: Settings, storage: Storage, clock: Clock) -> StoredAuthenticator:
    if settings.bootstrap_admin_token:
        await ensure_bootstrap_admin(storage.identity, clock, new_id)
    return StoredAuthenticator(
        storage.identity,
        clock,
        bootstrap_token=settings.bootstrap_admin_token,
        deadline=settings.recording.timeout,
        grace_seconds=grace(settings),
    )


def _chores(settings: Settings, kept: Kept, clock: Clock) -> list[Chore]:
    recording, lease = kept.recording, settings.recording.lease
    return [
        recording.adopt,
        lease_keeper(kept.storage.leases, clock, lease=lease, unless=lambda: recording.adopting),
    ]


def _observer(given: Given, ground: Ground, traced: Traces) -> Observer:
    own = [given.observer] if given.observer else []
    return observers([*traced.observers, ServiceLog(), *ground.metrics.observers, *own])
