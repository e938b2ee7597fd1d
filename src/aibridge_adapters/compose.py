"""The composition root: the only place where adapters meet. The server, library users and tests all start here.

Belongs here: building and closing things in order. Never: logic that could live in one of them.
"""

import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio
from attrs import asdict, frozen

from aibridge_adapters.background import in_background
from aibridge_adapters.clock import SystemClock, new_id
from aibridge_adapters.compose_admission import way_in
from aibridge_adapters.compose_app import app_of
from aibridge_adapters.compose_dumps import dumps
from aibridge_adapters.compose_mcp import grace, tool_servers
from aibridge_adapters.compose_recording import (
    purging,
    recording_of,
    spool_folder,
)
from aibridge_adapters.compose_tracing import traces
from aibridge_adapters.config import Settings, default_database_url
from aibridge_adapters.guards import Announcer, breakers_of
from aibridge_adapters.housekeeping import Chore, heartbeat, lease_keeper, once
from aibridge_adapters.http.app import AsgiApp, GatewayApp
from aibridge_adapters.http.rest import NotReloaded
from aibridge_adapters.http.server import serve, serving, stop_on_signal
from aibridge_adapters.http.tunnel import MESSAGE_ROOM
from aibridge_adapters.identity.authenticator import StoredAuthenticator
from aibridge_adapters.identity.bootstrap import ensure_bootstrap_admin
from aibridge_adapters.identity.users import Users
from aibridge_adapters.mcp.events import Counters, Listener
from aibridge_adapters.metering import Sources, metering
from aibridge_adapters.recording import Recording
from aibridge_adapters.reloading import Providers, Reread
from aibridge_adapters.retention import Tally
from aibridge_adapters.storage import Limits, Storage, open_storage
from aibridge_adapters.telemetry.logs import ServiceLog
from aibridge_adapters.upstream.httpx_upstream import HttpxUpstream
from aibridge_core.observers import observers
from aibridge_core.observing import Observer
from aibridge_core.ports import Authenticator, Clock, Recorder, ToolServers, Upstream
from aibridge_core.retention import RetentionPolicy
from aibridge_core.sockets import UpstreamSockets

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider
    from prometheus_client import CollectorRegistry

FAREWELL = 5.0
"""Longest time for each chore at the end, in seconds."""

_log = logging.getLogger("aibridge")


@frozen(kw_only=True)
class Gateway:
    """A gateway that is up: mount `asgi`, or read its storage."""

    asgi: GatewayApp
    storage: Storage
    users: Users
    mcp_counters: Counters
    """What happened between the gateway and its MCP servers."""
    recording: Recording
    """What stands between the gateway and its database; its recorder's `counters` say what happened without one."""
    purges: Tally
    """What was removed because it had been kept long enough."""
    metrics: AsgiApp | None
    """What Prometheus reads, under `/metrics`; None if metrics aren't asked for."""
    providers: Providers
    """Those in force, and the way to reload them."""


@asynccontextmanager
async def gateway(
    settings: Settings,
    *,
    authenticator: Authenticator | None = None,
    recorder: Recorder | None = None,
    storage: Storage | None = None,
    upstream: Upstream | None = None,
    tools: ToolServers | None = None,
    clock: Clock | None = None,
    observer: Observer | None = None,
    registry: "CollectorRegistry | None" = None,
    tracer_provider: "TracerProvider | None" = None,
    reread: Reread | None = None,
) -> AsyncIterator[Gateway]:
    """Build a gateway from settings; each part can be replaced by your own implementation of its port.

    An `observer` of yours watches beside those that the settings ask for. A `registry` of yours shows this gateway's
    metrics as long as it is up; it takes those of one gateway at a time. A `tracer_provider` of yours gets the spans,
    whether or not the settings ask for traces. `reread` gives the settings once more when providers are to be
    reloaded; it is called in a thread.

    Raises what `open_storage` raises, StorageConfigError and StorageNotOpened with MigrationFailed below it;
    StoreUnavailable from a database that goes away right afterwards; SpoolNotOpened; McpUnusable; AwsUnusable;
    TracingError; ValueError for settings that contradict each other.
    """
    clock = clock or SystemClock()
    policy = RetentionPolicy(interceptions=settings.retention, contents=settings.prompt_retention)
    tell = Announcer()
    breakers = breakers_of(settings, tell)
    providers = Providers(settings, breakers=breakers, clock=clock, tell=tell, reread=reread)
    metrics = metering(settings, clock, providers.router, registry)
    tell.listeners.extend(metrics.guard_listeners)
    async with AsyncExitStack() as stack:
        traced = await stack.enter_async_context(traces(settings, tracer_provider))
        folder = spool_folder(settings, clock, own_storage=storage is not None)
        if storage is None:
            storage = await stack.enter_async_context(_storage(settings, clock))
        recording = recording_of(settings, storage, recorder, clock, folder)
        stack.push_async_callback(recording.close)
        dumping = stack.enter_context(dumps(settings, clock))
        providers.followers.append(dumping.follow)
        sockets: UpstreamSockets | None = None
        if upstream is None:
            http = HttpxUpstream(settings.timeouts, ca_bundle=settings.ca_bundle)
            upstream = await stack.enter_async_context(http)
            sockets = dumping.around_sockets(http.websockets(max_message=settings.max_body))
        counters = Counters()
        if tools is None:
            listeners: Sequence[Listener] = (counters, *metrics.mcp_listeners, *traced.listeners)
            tools = await stack.enter_async_context(tool_servers(settings, storage, clock, listeners, traced.watcher))
        users = Users(storage.identity, clock, new_id)
        chores = _chores(settings, storage, recording, clock)
        if authenticator is None:
            authenticator = stored = await _authenticator(settings, storage, clock)
            chores.append(stored.flush)
        way = await stack.enter_async_context(way_in(settings, storage, clock))
        chores.extend(way.chores)
        app = app_of(
            settings,
            admission=way.admission,
            providers=providers,
            authenticator=authenticator,
            recording=recording,
            storage=storage,
            users=users,
            upstream=dumping.around(upstream),
            sockets=sockets,
            on_socket=dumping.around_socket,
            tools=tools,
            clock=clock,
            breakers=breakers,
            observer=observers(
                [*traced.observers, ServiceLog(), *metrics.observers, *([observer] if observer else [])]
            ),
            recorder=traced.recorder,
        )
        await stack.enter_async_context(_housekeeping(settings, storage, recording, chores))
        purges = Tally()
        await stack.enter_async_context(in_background(purging(storage, policy, purges, clock)))
        metrics.attach(
            Sources(
                storage=storage,
                recording=recording,
                authenticator=authenticator,
                purges=purges,
                providers=providers,
                spans=traced.counts,
                shared_limits=way.shared,
            )
        )
        stack.callback(metrics.close)
        await stack.enter_async_context(in_background(metrics.run()))
        yield Gateway(
            asgi=app,
            storage=storage,
            users=users,
            mcp_counters=counters,
            recording=recording,
            purges=purges,
            metrics=metrics.page,
            providers=providers,
        )


def _storage(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[Storage]:
    url = settings.database_url or default_database_url()
    return open_storage(url, clock=clock, owner=new_id(), limits=Limits(**asdict(settings.database)))


async def _authenticator(settings: Settings, storage: Storage, clock: Clock) -> StoredAuthenticator:
    if settings.bootstrap_admin_token:
        await ensure_bootstrap_admin(storage.identity, clock, new_id)
    return StoredAuthenticator(
        storage.identity,
        clock,
        bootstrap_token=settings.bootstrap_admin_token,
        deadline=settings.recording.timeout,
        grace_seconds=grace(settings),
    )


def _chores(settings: Settings, storage: Storage, recording: Recording, clock: Clock) -> list[Chore]:
    lease = settings.recording.lease
    return [
        recording.adopt,
        lease_keeper(storage.leases, clock, lease=lease, unless=lambda: recording.adopting),
    ]


@asynccontextmanager
async def _housekeeping(
    settings: Settings, storage: Storage, recording: Recording, chores: Sequence[Chore]
) -> AsyncIterator[None]:
    """All chores at the beginning, now and then, and at the end; the lease is given up when everything is written."""
    for chore in chores:
        await chore()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(once, [storage.leases.release], limit=FAREWELL)
        stack.push_async_callback(recording.close)
        await stack.enter_async_context(in_background(recording.run()))
        stack.push_async_callback(once, chores, limit=FAREWELL)
        await stack.enter_async_context(in_background(heartbeat(chores, lease=settings.recording.lease)))
        yield


async def run_server(
    settings: Settings,
    *,
    on_ready: Callable[[Sequence[str]], None] = lambda addresses: None,
    stop: anyio.Event | None = None,
    reread: Reread | None = None,
    on_hangup: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM, SIGINT or `stop`; running answers may finish within `settings.shutdown_timeout`.

    `on_ready` gets the addresses listened on. With `reread`, SIGHUP reloads the providers, after `on_hangup`.
    Raises ListenError, and what `gateway` raises.
    """
    stop = stop or anyio.Event()
    async with (
        gateway(settings, reread=reread) as running,
        _showing(settings, running),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(stop_on_signal, stop)
        tasks.start_soon(_drain, running.asgi, stop)
        if reread is not None:
            tasks.start_soon(_reload_on_hangup, running.providers, on_hangup)
        await serve(
            running.asgi,
            address=settings.http_address,
            stop=stop,
            tls_cert=settings.tls_cert_file,
            tls_key=settings.tls_key_file,
            shutdown_timeout=settings.shutdown_timeout,
            header_timeout=settings.header_timeout,
            max_message=settings.max_body + MESSAGE_ROOM,
            on_ready=on_ready,
        )
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def _showing(settings: Settings, running: Gateway) -> AsyncIterator[None]:
    """Metrics have a listener of their own: what may read them is another network than what may ask models."""
    if running.metrics is None:
        yield
        return
    async with serving(running.metrics, address=settings.prometheus.address) as addresses:
        _log.info("listening for Prometheus", extra={"addresses": list(addresses)})
        yield


async def _reload_on_hangup(providers: Providers, on_hangup: Callable[[], None]) -> None:
    if not hasattr(signal, "SIGHUP"):
        return
    with anyio.open_signal_receiver(signal.SIGHUP) as hangups:
        async for _ in hangups:
            on_hangup()
            with suppress(NotReloaded):  # the log has it
                await providers.reload()


async def _drain(app: GatewayApp, stop: anyio.Event) -> None:
    await stop.wait()
    app.drain()
