"""WebSockets to providers, over the same connections as everything else: proxies, certificates, addresses.

Belongs here: the upgrade and the frames (RFC 6455). Never: what messages say. h11 reads the answer to the upgrade,
wsproto the frames. Compression is not offered: messages are what they are on both sides, and nothing can be inflated.
"""

import asyncio
import os
from base64 import b64encode
from collections import deque
from contextlib import suppress
from typing import Any, Final

import h11
import httpx
from attrs import frozen
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, Pong, TextMessage
from wsproto.utilities import LocalProtocolError, generate_accept_token

from aibridge_adapters.upstream.connection import MAX_HEAD
from aibridge_adapters.upstream.dialling import Dialler
from aibridge_core.errors import UpstreamTimeout, UpstreamUnreachable
from aibridge_core.sockets import GOING_AWAY, NO_STATUS, UNSENDABLE, SocketClosed, SocketRefused
from aibridge_core.wire import AnswerHead, Headers, UpstreamRequest

HIGH_WATER: Final = 256 * 1024
"""Characters that wait to be received, above which the connection isn't read."""
PING_EVERY: Final = 30.0
"""Seconds between pings: middleboxes forget connections that are silent for a minute."""
TOO_BIG: Final = 1009


@frozen(kw_only=True)
class WebSockets:
    """Implements `aibridge_core.sockets.UpstreamSockets`. Belongs to one event loop."""

    dialler: Dialler
    connect: float | None
    """Seconds until a connection must be open; as long again may the answer to the upgrade take. None: for ever."""
    max_message: int
    """Longest message, in characters."""

    async def open(self, request: UpstreamRequest) -> "Socket":
        """Upgrade. Raises SocketRefused, UpstreamUnreachable, UpstreamTimeout."""
        try:
            url = httpx.URL(request.url)
            connection = await self.dialler.dial(url, self.connect)
        except httpx.ConnectTimeout as error:
            raise UpstreamTimeout("the provider did not accept a connection in time") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise UpstreamUnreachable(f"the provider can't be reached: {error}") from error
        socket = Socket(connection.transport, max_message=self.max_message)
        connection.leave()
        target = str(url).encode("ascii") if connection.absolute_form else url.raw_path
        headers = (*request.headers, *connection.proxy_headers)
        try:
            async with asyncio.timeout(self.connect):
                await socket.upgrade(url.netloc, target, headers)
        except TimeoutError as error:
            socket.abort()
            raise UpstreamTimeout("the provider did not answer the upgrade in time") from error
        except BaseException:
            socket.abort()
            raise
        return socket


class Socket(asyncio.Protocol):
    """Implements `aibridge_core.sockets.UpstreamSocket` on a connection that nothing was sent on yet."""

    def __init__(self, transport: asyncio.Transport, *, max_message: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._max_message = max_message
        self._http: h11.Connection | None = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._frames: Connection | None = None
        self._answer: h11.Response | h11.InformationalResponse | None = None
        self._messages: deque[str] = deque()
        self._held = 0
        self._parts: list[str] = []
        self._size = 0
        self._closed: SocketClosed | None = None
        self._writable = True
        self._waiters: list[asyncio.Future[None]] = []
        self._pinging: asyncio.TimerHandle | None = None
        transport.set_protocol(self)

    # The upgrade

    async def upgrade(self, host: bytes, target: bytes, headers: Headers) -> None:
        """Raises SocketRefused, UpstreamUnreachable."""
        assert self._http is not None
        key = b64encode(os.urandom(16))
        own = [
            (b"host", host),
            (b"connection", b"Upgrade"),
            (b"upgrade", b"websocket"),
            (b"sec-websocket-version", b"13"),
            (b"sec-websocket-key", key),
        ]
        try:
            head = self._http.send(h11.Request(method=b"GET", target=target, headers=[*own, *headers]))
            self._transport.write((head or b"") + (self._http.send(h11.EndOfMessage()) or b""))
        except h11.LocalProtocolError as error:
            raise UpstreamUnreachable("HTTP does not allow one of the headers") from error
        while self._answer is None:
            if self._closed:
                raise UpstreamUnreachable("the provider closed the connection without an answer to the upgrade")
            await self._wait()
        self._begin(self._answer, key)

    def _begin(self, answer: h11.Response | h11.InformationalResponse, key: bytes) -> None:
        assert self._http is not None
        self.headers: Headers = tuple((name.lower(), value) for name, value in answer.headers)
        if answer.status_code != 101:
            raise SocketRefused(AnswerHead(status=answer.status_code, headers=self.headers))
        if dict(self.headers).get(b"sec-websocket-accept") != generate_accept_token(key):
            raise UpstreamUnreachable("the provider's answer to the upgrade is not that of a WebSocket")
        first, _ = self._http.trailing_data
        self._http = None
        self._frames = Connection(ConnectionType.CLIENT)
        self._read(first)
        self._pinging = self._loop.call_later(PING_EVERY, self._ping)

    # What the core does with it

    async def send(self, message: str) -> None:
        """Raises SocketClosed."""
        self._write(TextMessage(data=message))
        while not self._writable and self._closed is None:
            await self._wait()
        if self._closed:
            raise self._closed

    async def receive(self, patience: float | None = None) -> str:
        """Raises SocketClosed, UpstreamTimeout."""
        while not self._messages:
            if self._closed:
                raise self._closed
            try:
                async with asyncio.timeout(patience):
                    await self._wait()
            except TimeoutError as error:
                raise UpstreamTimeout(f"the provider was silent for {patience:g} s") from error
        message = self._messages.popleft()
        self._held -= len(message)
        if self._held <= HIGH_WATER:
            self._transport.resume_reading()
        return message

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Whatever still comes is dropped."""
        if self._closed is None:
            sent = 1000 if code == NO_STATUS else GOING_AWAY if code in UNSENDABLE else code
            self._say(CloseConnection(code=sent, reason=reason or None))
            self._over(SocketClosed(code, reason))
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._over(SocketClosed())
        self._transport.abort()

    # What the event loop does with it

    def data_received(self, data: bytes) -> None:
        if self._frames is not None:
            self._read(data)
        elif self._http is not None:
            self._http.receive_data(data)
            if self._answer is None:
                self._read_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._over(SocketClosed())

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._wake()

    def _read_head(self) -> None:
        assert self._http is not None
        try:
            event = self._http.next_event()
        except h11.RemoteProtocolError:
            self.abort()
            return
        if isinstance(event, h11.Response) or (isinstance(event, h11.InformationalResponse) and _switches(event)):
            self._answer = event
            self._wake()
        elif isinstance(event, h11.InformationalResponse):
            self._read_head()

    def _read(self, data: bytes) -> None:
        assert self._frames is not None
        if self._closed:
            return
        self._frames.receive_data(data)
        for event in self._frames.events():
            if isinstance(event, Message):
                self._take(event)
            elif isinstance(event, Ping):
                self._say(event.response())
            elif isinstance(event, CloseConnection):
                self._leave(event)
        if self._held > HIGH_WATER:
            self._transport.pause_reading()
        self._wake()

    def _leave(self, event: CloseConnection) -> None:
        """The provider closes, or sends what is no frame: then the code is ours, for it alone to hear."""
        assert self._frames is not None
        closing = self._frames.state is not ConnectionState.OPEN
        self._say(event.response())
        self._over(SocketClosed(event.code, event.reason or "") if closing else SocketClosed())
        self._transport.close()

    def _take(self, event: Message[Any]) -> None:
        data = event.data if isinstance(event, TextMessage) else _text(event)
        self._parts.append(data)
        self._size += len(data)
        if self._size > self._max_message:
            self._say(CloseConnection(code=TOO_BIG))
            self._over(SocketClosed(TOO_BIG, "the provider's message is too long"))
            self._transport.close()
        elif event.message_finished:
            message = self._parts[0] if len(self._parts) == 1 else "".join(self._parts)
            self._parts, self._size = [], 0
            self._messages.append(message)
            self._held += len(message)

    def _ping(self) -> None:
        self._say(Ping())
        self._pinging = self._loop.call_later(PING_EVERY, self._ping)

    def _write(self, event: TextMessage) -> None:
        assert self._frames is not None
        if self._closed:
            raise self._closed
        self._transport.write(self._frames.send(event))

    def _say(self, event: Ping | Pong | CloseConnection) -> None:
        """Something that nobody waits for."""
        if self._frames is None:
            return
        with suppress(LocalProtocolError):  # the other side has closed; there is nothing more to say
            self._transport.write(self._frames.send(event))

    def _over(self, closed: SocketClosed) -> None:
        self._closed = self._closed or closed
        if self._pinging is not None:
            self._pinging.cancel()
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def _wait(self) -> None:
        """Until something happens."""
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter


def _switches(event: h11.InformationalResponse) -> bool:
    return event.status_code == 101


def _text(event: Message[Any]) -> str:
    """A binary message; this API has none, so it is shown as what it most likely is."""
    assert isinstance(event, BytesMessage)
    return bytes(event.data).decode("utf-8", "replace")
