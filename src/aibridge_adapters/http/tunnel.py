"""A client's WebSocket, tunnelled to its provider: each `response.create` is a request of its own to the bridge.

Belongs here: messages between two sockets, in order, and how both end. Never: what a response holds (the core's), or
frames on a wire.

One task listens to the client all the time, because it may leave or cancel. Everything else goes on in one task:
waiting for the client's next message while passing on what a provider says unasked, or one response.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import anyio
from attrs import frozen

from aibridge_core.bridge import Bridge
from aibridge_core.dialects.responses.frames import Asks, asks, error_message, message_of
from aibridge_core.errors import BridgeError, InternalError, MalformedRequest, RequestTooLarge, UpgradeRefused
from aibridge_core.intake import Caller
from aibridge_core.limits import Gate
from aibridge_core.observing import Observer
from aibridge_core.ports import Clock, NewId, ToolServers, Upstream
from aibridge_core.providers.api import Mode
from aibridge_core.routing import Match
from aibridge_core.sockets import GONE, OpenTunnel, SocketClosed, SocketUpstream, Tunnels
from aibridge_core.wire import AnswerHead, ClientRequest

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]

WAITING: Final = 16
"""Requests of one client that may wait for their turn: a provider answers one after the other."""
NO_STATUS: Final = 1005
GOING_AWAY: Final = 1001
UNSUPPORTED: Final = 1003
POLICY: Final = 1008
INTERNAL: Final = 1011
"""Close codes: RFC 6455, section 7.4.1."""

_log = logging.getLogger("aibridge.http")


@frozen(kw_only=True)
class Tunnelling:
    """What tunnels need beside the application itself."""

    tunnels: Tunnels
    bridge_on: Callable[[Upstream], Bridge]
    """A bridge to this upstream, without tools of ours."""
    tools: ToolServers
    patience: float | None
    """Longest silence of a provider within a response, in seconds."""
    max_message: int
    """Of a client, in bytes."""

    async def open(self, match: Match | None, request: ClientRequest, caller: Caller) -> OpenTunnel:
        """Open the provider's side. Raises UpgradeRefused, and what `Tunnels.open` does."""
        if match is None or not takes_sockets(match):
            raise UpgradeRefused("WebSockets are not served here; use HTTP")
        toolbox = await self.tools.toolbox(caller.actor)
        if toolbox.tools:
            raise UpgradeRefused("tools are injected over HTTP only; use HTTP")
        return await self.tunnels.open(match, request, caller)


def takes_sockets(match: Match) -> bool:
    """Whether there can be a tunnel on a route. A client that is refused one asks by HTTP, and hears why there."""
    provider, route = match.provider, match.route
    return provider.enabled and provider.websockets and route.mode is Mode.BRIDGED and route.dialect == "responses"


class Conversation:
    """One client's tunnel, from the moment when both sides are open. Run it once."""

    def __init__(
        self,
        tunnel: OpenTunnel,
        upgrade: ClientRequest,
        caller: Caller,
        *,
        receive: Receive,
        send: Send,
        tunnelling: Tunnelling,
        gate: Gate,
        clock: Clock,
        new_id: NewId,
        observer: Observer,
        draining: anyio.Event,
    ) -> None:
        self._tunnel = tunnel
        self._socket = tunnel.socket
        self._upgrade = upgrade
        self._caller = caller
        self._receive = receive
        self._send = send
        self._upstream = SocketUpstream(tunnel.socket, tunnelling.patience)
        self._bridge = tunnelling.bridge_on(self._upstream)
        self._max_message = tunnelling.max_message
        self._gate = gate
        self._clock = clock
        self._new_id = new_id
        self._observer = observer
        self._draining = draining
        self._put, self._asked = anyio.create_memory_object_stream[str](WAITING)
        self._end: SocketClosed | None = None
        """Why both sides are to be closed."""
        self.client_gone = False

    async def run(self) -> None:
        """Until either side has closed, or the gateway shuts down; then both are closed."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen, tasks.cancel_scope)
                while self._end is None and (message := await self._next()) is not None:
                    await self._respond(message)
                tasks.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._close(self._end or SocketClosed(GOING_AWAY, "the gateway is shutting down"))

    async def say(self, text: str) -> None:
        """One message for the client."""
        await self._send({"type": "websocket.send", "text": text})

    async def _listen(self, conversation: anyio.CancelScope) -> None:
        """Take the client's messages; one that leaves cancels what is under way for it."""
        while self._end is None or not self.client_gone:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._leave(SocketClosed(message.get("code") or NO_STATUS, message.get("reason") or ""))
            elif (text := message.get("text")) is None:
                self._leave(SocketClosed(UNSUPPORTED, "this API takes JSON texts"))
            else:
                await self._sort(text)
            if self.client_gone:
                conversation.cancel()
                return

    async def _sort(self, text: str) -> None:
        if asks(text.encode()) is Asks.NOTHING_NEW:
            try:
                await self._socket.send(text)
            except SocketClosed:
                return  # whoever waits for the provider hears of it, too
        else:
            try:
                self._put.send_nowait(text)
            except anyio.WouldBlock:
                self._leave(SocketClosed(POLICY, "too many requests at once; wait for responses"))

    def _leave(self, why: SocketClosed) -> None:
        self._end = self._end or why
        self.client_gone = True

    async def _next(self) -> str | None:
        """The client's next request; None if it comes to an end before there is one."""
        message: str | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._pass_on, tasks.cancel_scope)
            tasks.start_soon(self._heed_shutdown, tasks.cancel_scope)
            message = await self._asked.receive()
            tasks.cancel_scope.cancel()
        return message

    async def _pass_on(self, waiting: anyio.CancelScope) -> None:
        """What a provider says while it has nothing to answer, a limit of the connection's age for one."""
        try:
            while True:
                text = await self._socket.receive()
                with anyio.CancelScope(shield=True):
                    await self.say(text)
        except SocketClosed as closed:
            self._end = self._end or closed
            waiting.cancel()

    async def _heed_shutdown(self, waiting: anyio.CancelScope) -> None:
        await self._draining.wait()
        self._end = self._end or SocketClosed(GOING_AWAY, "the gateway is shutting down")
        waiting.cancel()

    async def _respond(self, text: str) -> None:
        """One request to the bridge. What is refused is answered with an error, and the next one may follow."""
        reply = _Reply(self, self._upstream)
        try:
            request = self._request(text)
            with self._gate.admit(self._caller.actor.id, self._clock.monotonic()):
                await self._bridge.handle(self._tunnel.match, request, self._caller, reply)
        except BridgeError as error:
            await self._refuse(error, reply)
        except Exception:
            error_id = self._new_id()
            _log.exception("internal error", extra={"error_id": error_id, "path": self._upgrade.path})
            await self._refuse(InternalError(f"internal error of the gateway; its log has it as {error_id}"), reply)
        if self._upstream.midway or (reply.started and not reply.finished):
            # What still comes of this response would be taken for the next one's.
            self._end = self._end or SocketClosed(INTERNAL, "the response broke off")

    def _request(self, text: str) -> ClientRequest:
        body = text.encode()
        if len(body) > self._max_message:
            raise RequestTooLarge(f"Request body too large. The limit is {self._max_message} bytes.")
        if asks(body) is not Asks.RESPONSE:
            raise MalformedRequest("Messages have to be JSON objects of the type response.create or response.cancel.")
        upgrade = self._upgrade
        return ClientRequest(
            method="POST",
            path=upgrade.path,
            query=upgrade.query,
            headers=upgrade.headers,
            body=body,
            client_host=upgrade.client_host,
            scheme=upgrade.scheme,
        )

    async def _refuse(self, error: BridgeError, reply: "_Reply") -> None:
        self._observer.refused(self._upgrade.path, error)
        if not reply.started:
            await self.say(error_message(error).decode())

    async def _close(self, end: SocketClosed) -> None:
        """Codes are passed on; those that can't be sent stand for something."""
        if not self.client_gone:
            code = {GONE: INTERNAL, NO_STATUS: 1000}.get(end.code, end.code)
            reason = end.reason or ("the provider's connection broke off" if end.code == GONE else "")
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        elif end.code in (UNSUPPORTED, POLICY):
            await self._send({"type": "websocket.close", "code": end.code, "reason": end.reason})
        await self._socket.close(end.code, end.reason)


class _Reply:
    """Implements `aibridge_core.ports.Reply`: a response's events as messages, the very ones that the provider sent."""

    def __init__(self, conversation: Conversation, upstream: SocketUpstream) -> None:
        self._conversation = conversation
        self._passing = upstream.passing
        self.started = False
        self.finished = False
        self.sent = 0

    @property
    def client_gone(self) -> bool:
        """Whether the client has closed its side."""
        return self._conversation.client_gone

    async def start(self, head: AnswerHead, *, keep_alive: Callable[[], bytes] | None = None) -> None:
        """A message has no head; pings keep the connection alive."""
        self.started = True

    async def send(self, data: bytes) -> None:
        """An event that was read off a message, or one of our own."""
        text = self._passing.popleft() if self._passing else message_of(data).decode()
        self.sent += len(data)
        await self._conversation.say(text)

    async def finish(self) -> None:
        """The last event says so itself."""
        self.finished = True
