"""The composition root: the only place where adapters meet. The server, library users and tests all start here.

Belongs here: building and closing things in order. Never: logic that could live in one of them.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext

import anyio
from attrs import frozen

from aibridge_adapters.clock import SystemClock, new_id
from aibridge_adapters.codings import Codings
from aibridge_adapters.config import Settings, default_database_url
from aibridge_adapters.http.app import GatewayApp
from aibridge_adapters.http.rest import REST_ROOTS, ProviderInfo, rest_app
from aibridge_adapters.http.server import serve, stop_on_signal
from aibridge_adapters.identity.authenticator import StoredAuthenticator
from aibridge_adapters.identity.bootstrap import ensure_bootstrap_admin
from aibridge_adapters.identity.users import Users
from aibridge_adapters.mcp import open_servers
from aibridge_adapters.mcp.events import Counters, write_log
from aibridge_adapters.recording import ShieldedRecorder
from aibridge_adapters.storage import Storage, open_storage
from aibridge_adapters.upstream.httpx_upstream import HttpxUpstream
from aibridge_core.bridge import Bridge
from aibridge_core.errors import StoreError
from aibridge_core.passthrough import Passthrough
from aibridge_core.ports import Authenticator, Clock, Leases, Recorder, ToolServers, Upstream
from aibridge_core.providers.registry import provider
from aibridge_core.routing import Router
from aibridge_core.tools import NoToolServers

HEARTBEAT = 5.0
"""Seconds between two signs of life of this process in the database."""
LEASE = 20.0
"""Seconds without one after which another process marks this one's open interceptions as interrupted."""

_log = logging.getLogger("aibridge")


@frozen(kw_only=True)
class Gateway:
    """A gateway that is up: mount `asgi`, or read its storage."""

    asgi: GatewayApp
    storage: Storage
    users: Users
    mcp_counters: Counters
    """What happened between the gateway and its MCP servers."""


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
) -> AsyncIterator[Gateway]:
    """Build a gateway from settings; each part can be replaced by your own implementation of its port.

    Raises what opening the database raises: StorageConfigError, MigrationFailed, StoreUnavailable.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        if storage is None:
            url = settings.database_url or default_database_url()
            storage = await stack.enter_async_context(open_storage(url, clock=clock, owner=new_id()))
        if upstream is None:
            upstream = await stack.enter_async_context(HttpxUpstream(settings.timeouts, ca_bundle=settings.ca_bundle))
        counters = Counters()
        if tools is None:
            tools = await stack.enter_async_context(_tool_servers(settings, clock, counters))
        users = Users(storage.identity, clock, new_id)
        chores: list[Callable[[], Awaitable[None]]] = [_lease_keeper(storage.leases, clock)]
        if authenticator is None:
            if settings.bootstrap_admin_token:
                await ensure_bootstrap_admin(storage.identity, clock, new_id)
            stored = StoredAuthenticator(storage.identity, clock, bootstrap_token=settings.bootstrap_admin_token)
            authenticator = stored
            chores.append(stored.flush)
        app = _app(
            settings,
            authenticator=authenticator,
            recorder=recorder or storage.recorder,
            storage=storage,
            users=users,
            upstream=upstream,
            tools=tools,
            clock=clock,
        )
        for chore in chores:
            await chore()
        stack.push_async_callback(storage.leases.release)
        await stack.enter_async_context(_housekeeping(chores))
        yield Gateway(asgi=app, storage=storage, users=users, mcp_counters=counters)


async def run_server(
    settings: Settings,
    *,
    on_ready: Callable[[Sequence[str]], None] = lambda addresses: None,
    stop: anyio.Event | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or `stop`; running answers may finish within `settings.shutdown_timeout`.

    `on_ready` gets the addresses listened on. Raises ListenError, and what `gateway` raises.
    """
    stop = stop or anyio.Event()
    async with gateway(settings) as running, anyio.create_task_group() as tasks:
        tasks.start_soon(stop_on_signal, stop)
        tasks.start_soon(_drain, running.asgi, stop)
        await serve(
            running.asgi,
            address=settings.http_address,
            stop=stop,
            tls_cert=settings.tls_cert_file,
            tls_key=settings.tls_key_file,
            shutdown_timeout=settings.shutdown_timeout,
            on_ready=on_ready,
        )
        tasks.cancel_scope.cancel()


async def _drain(app: GatewayApp, stop: anyio.Event) -> None:
    await stop.wait()
    app.drain()


def _app(
    settings: Settings,
    *,
    authenticator: Authenticator,
    recorder: Recorder,
    storage: Storage,
    users: Users,
    upstream: Upstream,
    tools: ToolServers,
    clock: Clock,
) -> GatewayApp:
    codings = Codings()
    providers = [provider(name=p.name, type=p.type, base_url=p.base_url, keys=p.keys) for p in settings.providers]
    bridge = Bridge(
        upstream=upstream,
        recorder=ShieldedRecorder(recorder),
        codings=codings,
        clock=clock,
        new_id=new_id,
        max_body=settings.max_body,
        tools=tools,
        max_turns=settings.tools.max_turns,
    )
    rest = rest_app(
        store=storage.store,
        directory=users,
        authenticator=authenticator,
        providers=[ProviderInfo(name=each.name, type=each.type) for each in providers],
    )
    return GatewayApp(
        router=Router(providers),
        bridge=bridge,
        passthrough=Passthrough(upstream=upstream, codings=codings),
        authenticator=authenticator,
        rest=rest,
        rest_roots=frozenset(REST_ROOTS),
        clock=clock,
        new_id=new_id,
        ready=_readiness(storage),
        allow_byok=settings.allow_byok,
        max_body=settings.max_body,
        keep_alive_interval=settings.keep_alive_interval,
    )


def _tool_servers(settings: Settings, clock: Clock, counters: Counters) -> AbstractAsyncContextManager[ToolServers]:
    if not settings.mcp:
        return nullcontext(NoToolServers())
    return open_servers(
        settings.mcp, settings.tools, clock=clock, ca_bundle=settings.ca_bundle, listeners=(counters, write_log)
    )


def _readiness(storage: Storage) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        try:
            await storage.store.find_initiator("")
        except StoreError:
            return False
        return True

    return ready


def _lease_keeper(leases: Leases, clock: Clock) -> Callable[[], Awaitable[None]]:
    async def keep() -> None:
        now = clock.now()
        await leases.renew(now)
        if orphans := await leases.interrupt_orphans(now, older_than=LEASE):
            _log.warning("marked interceptions of dead processes as interrupted", extra={"count": orphans})

    return keep


@asynccontextmanager
async def _housekeeping(chores: Sequence[Callable[[], Awaitable[None]]]) -> AsyncIterator[None]:
    """Chores in the background, once more at the end.

    Not a task group: it would wrap the errors of the code inside `async with gateway(...)` into exception groups.
    """
    task = asyncio.create_task(_heartbeat(chores))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await _each(chores)


async def _heartbeat(chores: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Housekeeping beside the requests. A chore that fails is logged and tried again."""
    while True:
        await anyio.sleep(HEARTBEAT)
        await _each(chores)


async def _each(chores: Sequence[Callable[[], Awaitable[None]]]) -> None:
    for chore in chores:
        try:
            await chore()
        except Exception:
            _log.exception("housekeeping failed")
