"""The ASGI application: AI traffic, the REST API and health checks under one roof.

Belongs here: from an ASGI scope to the use cases of the core, and errors back. Never: a rule of an AI API. Plain
ASGI on purpose: middleware that wraps requests costs tasks and queues for every event of a stream.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

import anyio
from attrs import field, frozen

from aibridge_adapters.http.body import BODY_TIMEOUT, BodyReader, ClientLeft
from aibridge_adapters.http.conversation import Conversation
from aibridge_adapters.http.reply import AsgiReply, Send
from aibridge_adapters.http.tasks import RequestTasks
from aibridge_adapters.http.tokens import authenticate
from aibridge_adapters.http.tunnel import Tunnelling, takes_sockets
from aibridge_core.admission import Admission
from aibridge_core.bridge import Bridge
from aibridge_core.dialects.api import Dialect
from aibridge_core.errors import BridgeError, InternalError, ShuttingDown, UpgradeRefused
from aibridge_core.intake import Caller
from aibridge_core.observing import UNWATCHED, Observer
from aibridge_core.passthrough import Passthrough
from aibridge_core.ports import Authenticator, Clock, NewId
from aibridge_core.providers.routes import Mode
from aibridge_core.routing import Router
from aibridge_core.wire import AnswerHead, Arrival, ClientRequest, IndexedHeaders, header

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

MOUNTS = ("/api/v2/aibridge", "/api/v2/ai-gateway")
"""Prefixes below which both AI routes and the REST API stand; AI routes stand at the top as well."""

HEALTH = ("/healthz", "/readyz")
"""The only paths that answer without a token."""

_log = logging.getLogger("aibridge.http")


@frozen(kw_only=True)
class GatewayApp:
    """The whole gateway as one ASGI application."""

    router: Router
    bridge: Bridge
    passthrough: Passthrough
    authenticator: Authenticator
    rest: AsgiApp
    rest_roots: frozenset[str]
    clock: Clock
    new_id: NewId
    ready: Callable[[], Awaitable[bool]]
    gate: Admission
    """Limits on AI routes; the REST API has none."""
    observer: Observer = UNWATCHED
    allow_byok: bool = True
    max_body: int = 32 * 1024 * 1024
    body_timeout: float = BODY_TIMEOUT
    """For a request's body, in seconds; see `BodyReader`."""
    keep_alive_interval: float = 10.0
    tunnelling: Tunnelling | None = None
    """For WebSockets; None refuses them all."""
    _draining: anyio.Event = field(factory=anyio.Event)
    _bodies: BodyReader = field(init=False)

    @_bodies.default
    def _within_limits(self) -> BodyReader:
        return BodyReader(limit=self.max_body, patience=self.body_timeout)

    def drain(self) -> None:
        """From now on refuse new requests; running ones go on."""
        self._draining.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        path = _path(scope)
        if scope["type"] == "websocket":
            mount = next((mount for mount in MOUNTS if path.startswith(mount + "/")), "")
            await self._serve_socket(scope, path[len(mount) :], receive, send)
        elif path in HEALTH:
            await self._health(path, send)
        else:
            mount = next((mount for mount in MOUNTS if path.startswith(mount + "/")), "")
            below = path[len(mount) :]
            if mount and below.split("/", 2)[1] in self.rest_roots:
                root = scope.get("root_path", "").rstrip("/")
                await self.rest({**scope, "path": root + unquote(path), "root_path": root + mount}, receive, send)
            else:
                await self._serve(scope, below, receive, send)

    async def _serve(self, scope: Scope, path: str, receive: Receive, send: Send) -> None:
        """An AI route. A client that goes away cancels the exchange."""
        arrival = _arrival(scope, path)
        async with RequestTasks() as tasks:
            serving = self.observer.serving(arrival)
            reply = AsgiReply(
                send,
                tasks=tasks,
                clock=self.clock,
                keep_alive_interval=self.keep_alive_interval,
                on_start=serving.answering,
                on_slow=partial(_slow, arrival),
            )
            with serving:
                await self._answer(scope, arrival, receive, reply)

    async def _answer(self, scope: Scope, arrival: Arrival, receive: Receive, reply: AsgiReply) -> None:
        """What the use cases refuse is answered here."""
        path = arrival.path
        try:
            await self._exchange(scope, arrival, receive, reply)
        except BridgeError as error:
            self.observer.refused(path, error)
            await _refuse(reply, self.router.dialect(path), error)
        except ClientLeft:
            _log.debug("client left before its request was complete", extra={"path": path})
        except Exception:
            await self._defect(reply, path)

    async def _exchange(self, scope: Scope, arrival: Arrival, receive: Receive, reply: AsgiReply) -> None:
        caller = await authenticate(arrival.headers, self.authenticator, allow_byok=self.allow_byok)
        with await self.gate.admit(caller.actor.id):
            await self._admitted(scope, arrival, caller, receive, reply)

    async def _admitted(
        self, scope: Scope, arrival: Arrival, caller: Caller, receive: Receive, reply: AsgiReply
    ) -> None:
        match = self.router.resolve(arrival.method, arrival.path)
        if self._draining.is_set():
            raise ShuttingDown("the gateway is shutting down; try again")
        body = await self._bodies.read(arrival.headers, receive)
        use_case = self.bridge if match.route.mode is Mode.BRIDGED else self.passthrough
        reply.watch(scope, receive)
        request = _request(arrival, arrival.method, scope.get("query_string", b""), body)
        exchange = use_case.handle(match, request, caller, reply)
        del request, body  # the use case lets go of them when they are sent; an answer may last for minutes
        await exchange

    async def _defect(self, reply: AsgiReply, path: str) -> None:
        """A bug of ours: the log gets everything, the client an id to ask about."""
        error_id = self.new_id()
        _log.exception("internal error", extra={"error_id": error_id, "path": path})
        error = InternalError(f"internal error of the gateway; its log knows more under {error_id}")
        self.observer.refused(path, error)
        await _refuse(reply, self.router.dialect(path), error)

    async def _serve_socket(self, scope: Scope, path: str, receive: Receive, send: Send) -> None:
        """A WebSocket on an AI route: refused, or a tunnel for as long as both sides like."""
        await receive()
        arrival = _arrival({**scope, "method": "GET"}, path)
        serving = self.observer.serving(arrival)
        with serving:
            try:
                conversation = await self._open_tunnel(scope, arrival, receive, send)
            except BridgeError as error:
                self.observer.refused(path, error)
                serving.answering(error.status)
                await _refuse_upgrade(send, self.router.dialect(path), error)
            else:
                serving.answering(101)
                await conversation.run()

    async def _open_tunnel(self, scope: Scope, arrival: Arrival, receive: Receive, send: Send) -> Conversation:
        """Both sides open, the provider's first: a client whose upgrade was taken can't be told to use HTTP."""
        match = self.router.find(arrival.path)
        if self.tunnelling is None or match is None or not takes_sockets(match):
            raise UpgradeRefused("WebSocket transport is not served here; use HTTP")
        caller = await authenticate(arrival.headers, self.authenticator, allow_byok=self.allow_byok)
        if self._draining.is_set():
            raise ShuttingDown("the gateway is shutting down; try again")
        upgrade = _request(arrival, "GET", scope.get("query_string", b""), b"")
        with await self.gate.admit(caller.actor.id):
            tunnel = await self.tunnelling.open(match, upgrade, caller)
        return Conversation(
            tunnel,
            upgrade,
            receive=receive,
            send=send,
            tunnelling=self.tunnelling,
            recognise=lambda: authenticate(arrival.headers, self.authenticator, allow_byok=self.allow_byok),
            current=lambda: self.router.find(arrival.path),
            gate=self.gate,
            new_id=self.new_id,
            observer=self.observer,
            draining=self._draining,
        )

    async def _health(self, path: str, send: Send) -> None:
        healthy = path == "/healthz" or (not self._draining.is_set() and await self.ready())
        body = b"ok\n" if healthy else b"not ready\n"
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200 if healthy else 503, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def _slow(arrival: Arrival, seconds: float, size: int) -> None:
    """Whoever looks for a slow gateway or provider should know that it is neither."""
    fields = {
        "flush_duration": round(seconds, 3),
        "client_ip": arrival.client_host,
        "user_agent": header(arrival.headers, b"user-agent") or "",
        "payload_size": size,
    }
    _log.warning("slow client detected", extra=fields)


async def _refuse(reply: AsgiReply, dialect: Dialect, error: BridgeError) -> None:
    """Answer with an error, in the API's shape. Too late for that, the connection breaks off: nothing is sent."""
    if reply.started:
        return
    body = dialect.refuse(error)
    headers = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *error.headers)
    await reply.start(AnswerHead(status=error.status, headers=headers))
    await reply.send(body)
    await reply.finish()


async def _refuse_upgrade(send: Send, dialect: Dialect, error: BridgeError) -> None:
    body = dialect.refuse(error)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *error.headers]
    await send({"type": "websocket.http.response.start", "status": error.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body, "more_body": False})


def _request(arrival: Arrival, method: str, query: bytes, body: bytes) -> ClientRequest:
    return ClientRequest(
        method=method,
        path=arrival.path,
        query=query,
        headers=arrival.headers,
        body=body,
        client_host=arrival.client_host,
        scheme=arrival.scheme,
    )


def _arrival(scope: Scope, path: str) -> Arrival:
    client = scope.get("client")
    return Arrival(
        method=scope["method"],
        path=path,
        headers=IndexedHeaders([(name.lower(), value) for name, value in scope["headers"]]),
        client_host=client[0] if client else "",
        scheme=scope.get("scheme", "http"),
        http_version=scope.get("http_version", ""),
    )


def _path(scope: Scope) -> str:
    """The path as it was sent, below the place where a host application mounted the gateway."""
    raw = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
    root = quote(scope.get("root_path", "")).encode("ascii").rstrip(b"/")
    path = bytes(raw).removeprefix(root) if root else bytes(raw)
    return path.partition(b"?")[0].decode("latin-1") or "/"


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
