"""The composition root: the only place where adapters meet. The server, library users and tests all start here.

Belongs here: building and closing things in order. Never: logic that could live in one of them.
"""

import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio
from attrs import frozen

from aibridge_adapters.background import in_background
from aibridge_adapters.compose_app import app_of
from aibridge_adapters.compose_parts import Given, Parts, parts_of
from aibridge_adapters.compose_recording import purging
from aibridge_adapters.config import Settings
from aibridge_adapters.housekeeping import heartbeat, once
from aibridge_adapters.http.app import AsgiApp, GatewayApp
from aibridge_adapters.http.rest import NotReloaded
from aibridge_adapters.http.server import serve, serving, stop_on_signal
from aibridge_adapters.http.tunnel import MESSAGE_ROOM
from aibridge_adapters.identity.users import Users
from aibridge_adapters.mcp.events import Counters
from aibridge_adapters.metering import Sources
from aibridge_adapters.recording import Recording
from aibridge_adapters.reloading import Providers, Reread
from aibridge_adapters.retention import Tally
from aibridge_adapters.storage import Storage
from aibridge_core.observing import Observer
from aibridge_core.ports import Authenticator, Clock, Recorder, ToolServers, Upstream

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
    given = Given(
        authenticator=authenticator,
        recorder=recorder,
        storage=storage,
        upstream=upstream,
        tools=tools,
        clock=clock,
        observer=observer,
        registry=registry,
        tracer_provider=tracer_provider,
        reread=reread,
    )
    async with AsyncExitStack() as stack:
        parts = await parts_of(settings, given, stack)
        yield await _running(parts, stack)


async def _running(parts: Parts, stack: AsyncExitStack) -> Gateway:
    """The application, and what runs beside it until `stack` ends it."""
    app = app_of(parts)
    ground, storage, purges = parts.ground, parts.kept.storage, Tally()
    await stack.enter_async_context(_housekeeping(parts))
    await stack.enter_async_context(in_background(purging(storage, ground.retention, purges, ground.clock)))
    await _measuring(parts, purges, stack)
    return Gateway(
        asgi=app,
        storage=storage,
        users=parts.users,
        mcp_counters=parts.tool_counters,
        recording=parts.kept.recording,
        purges=purges,
        metrics=ground.metrics.page,
        providers=ground.providers,
    )


async def _measuring(parts: Parts, purges: Tally, stack: AsyncExitStack) -> None:
    metrics = parts.ground.metrics
    metrics.attach(
        Sources(
            storage=parts.kept.storage,
            recording=parts.kept.recording,
            authenticator=parts.authenticator,
            purges=purges,
            providers=parts.ground.providers,
            spans=parts.traced.counts,
            shared_limits=parts.way_in.shared,
        )
    )
    stack.callback(metrics.close)
    await stack.enter_async_context(in_background(metrics.run()))


@asynccontextmanager
async def _housekeeping(parts: Parts) -> AsyncIterator[None]:
    """All chores at the beginning, now and then, and at the end; the lease is given up when everything is written."""
    chores, recording = parts.chores, parts.kept.recording
    for chore in chores:
        await chore()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(once, [parts.kept.storage.leases.release], limit=FAREWELL)
        stack.push_async_callback(recording.close)
        await stack.enter_async_context(in_background(recording.run()))
        stack.push_async_callback(once, chores, limit=FAREWELL)
        await stack.enter_async_context(in_background(heartbeat(chores, lease=parts.settings.recording.lease)))
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
