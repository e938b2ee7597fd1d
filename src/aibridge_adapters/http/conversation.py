"""A client's WebSocket, tunnelled to its provider: each `response.create` is a request of its own to the bridge.

Belongs here: messages between two sockets, in order, and how both end. Never: what a response holds (the core's), or
frames on a wire.

One task listens to the client all the time, because it may leave or cancel. Everything else goes on in one task:
waiting for the client's next message while passing on what a provider says unasked, or one response.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

import anyio

from aibridge_adapters.http.tunnel import Tunnelling
from aibridge_core.admission import Admission
from aibridge_core.dialects.responses.frames import Asks, asks, error_message, message_of
from aibridge_core.errors import (
    BridgeError,
    Forbidden,
    InternalError,
    MalformedRequest,
    RequestTooLarge,
    Unauthenticated,
)
from aibridge_core.intake import Caller
from aibridge_core.observing import Observer
from aibridge_core.ports import NewId
from aibridge_core.routing import Match
from aibridge_core.sockets import (
    GOING_AWAY,
    GONE,
    NO_STATUS,
    UNSENDABLE,
    OpenTunnel,
    SocketClosed,
    SocketUpstream,
)
from aibridge_core.wire import AnswerHead, ClientRequest

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]

WAITING: Final = 16
"""Requests of one client that may wait for their turn: a provider answers one after the other."""
IDLE: Final = 3600.0
"""Seconds without a request after which a tunnel is closed; OpenAI ends its side after an hour, too."""
NORMAL: Final = 1000
UNSUPPORTED: Final = 1003
POLICY: Final = 1008
TOO_BIG: Final = 1009
INTERNAL: Final = 1011
RESTART: Final = 1012
"""Close codes: RFC 6455, section 7.4.1; the last one from IANA's registry, where it asks clients to connect again."""

_FINAL: Mapping[type[BridgeError], SocketClosed] = {
    RequestTooLarge: SocketClosed(TOO_BIG, "the message is too long"),
    Unauthenticated: SocketClosed(POLICY, "the token is not valid any more"),
    Forbidden: SocketClosed(POLICY, "this user may not do this any more"),
}
"""Errors after which no further request could do better."""

_log = logging.getLogger("aibridge.http")


class Conversation:
    """One client's tunnel, from the moment when both sides are open. Run it once."""

    def __init__(
        self,
        tunnel: OpenTunnel,
        upgrade: ClientRequest,
        *,
        receive: Receive,
        send: Send,
        tunnelling: Tunnelling,
        recognise: Callable[[], Awaitable[Caller]],
        current: Callable[[], Match | None],
        gate: Admission,
        new_id: NewId,
        observer: Observer,
        draining: anyio.Event,
    ) -> None:
        """`recognise` the client once more, for a token lives shorter than a tunnel; raises as it did for the first.

        `current`: where the upgrade would lead by now.
        """
        self._tunnel = tunnel
        self._socket = tunnel.socket
        self._upgrade = upgrade
        self._recognise = recognise
        self._current = current
        self._receive = receive
        self._send = send
        self._upstream = SocketUpstream(tunnel.socket, tunnelling.patience, tunnel.refused)
        self._bridge = tunnelling.bridge_on(self._upstream)
        self._max_message = tunnelling.max_message
        self._gate = gate
        self._new_id = new_id
        self._observer = observer
        self._draining = draining
        self._put, self._asked = anyio.create_memory_object_stream[str](WAITING)
        self._end: SocketClosed | None = None
        """Why both sides are to be closed."""
        self._said: SocketClosed | None = None
        """With what the client closed its side."""
        self.client_gone = False

    async def run(self) -> None:
        """Accept, and go on until either side has closed or the gateway shuts down; then both are closed."""
        try:
            await self._send({"type": "websocket.accept", "headers": list(self._tunnel.headers)})
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen, tasks.cancel_scope)
                while (message := await self._next()) is not None:
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
                self._said = SocketClosed(message.get("code") or NO_STATUS, message.get("reason") or "")
                self._leave(self._said)
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
        self._finish(why)
        self.client_gone = True

    async def _next(self) -> str | None:
        """The client's next request; None if it comes to an end before there is one."""
        if self._end is not None:
            return None
        message: str | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._pass_on, tasks.cancel_scope)
            tasks.start_soon(self._heed_shutdown, tasks.cancel_scope)
            with anyio.move_on_after(IDLE) as waiting:
                message = await self._asked.receive()
            if waiting.cancelled_caught:
                self._finish(SocketClosed(NORMAL, "nothing was asked for a long time"))
            tasks.cancel_scope.cancel()
        self._finish_if_outdated()
        return message if self._end is None else None

    def _finish(self, why: SocketClosed) -> None:
        """Both sides are closed after what is under way; the first reason counts."""
        self._end = self._end or why

    def _finish_if_outdated(self) -> None:
        """Nothing was sent yet of what the client asks, so it loses nothing: it connects and asks again."""
        if self._tunnel.is_outdated(self._current()):
            self._finish(SocketClosed(RESTART, "connect again: another key or provider is to be used"))

    async def _pass_on(self, waiting: anyio.CancelScope) -> None:
        """What a provider says while it has nothing to answer, a limit of the connection's age for one."""
        try:
            while True:
                text = await self._socket.receive()
                with anyio.CancelScope(shield=True):
                    await self.say(text)
        except SocketClosed as closed:
            self._finish(closed)
            waiting.cancel()

    async def _heed_shutdown(self, waiting: anyio.CancelScope) -> None:
        await self._draining.wait()
        self._finish(SocketClosed(GOING_AWAY, "the gateway is shutting down"))
        waiting.cancel()

    async def _respond(self, text: str) -> None:
        """One request to the bridge. What is refused is answered with an error, and the next one may follow."""
        reply = _Reply(self, self._upstream)
        try:
            request, caller = self._request(text), await self._recognise()
            with await self._gate.admit(caller.actor.id):
                await self._bridge.handle(self._tunnel.match, request, caller, reply)
        except BridgeError as error:
            await self._refuse(error, reply)
        except Exception:
            error_id = self._new_id()
            _log.exception("internal error", extra={"error_id": error_id, "path": self._upgrade.path})
            await self._refuse(InternalError(f"internal error of the gateway; its log has it as {error_id}"), reply)
        if self._upstream.midway or (reply.started and not reply.finished):
            # What still comes of this response would be taken for the next one's.
            self._finish(SocketClosed(INTERNAL, "the response broke off"))
        self._finish_if_outdated()

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
        if end := _FINAL.get(type(error)):
            self._finish(end)

    async def _close(self, end: SocketClosed) -> None:
        """Each side hears the other's code and reason, as far as they can be sent, or the gateway's own."""
        if self._said is None:
            code = {NO_STATUS: NORMAL}.get(end.code, INTERNAL if end.code in UNSENDABLE else end.code)
            reason = end.reason or ("the provider's connection broke off" if end.code == GONE else "")
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        said = self._said or SocketClosed(NORMAL if end.code == NORMAL else GOING_AWAY)
        await self._socket.close(said.code, said.reason)


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
