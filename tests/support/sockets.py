"""WebSockets for tests: a provider that follows a script, and a client; both see each frame as it is.

Belongs here: upgrade and frames, by wsproto's own handshake. Never: what the gateway uses for the same.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import anyio
from attrs import define, field
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import RemoteProtocolError

Headers = Sequence[tuple[bytes, bytes]]


class SaidGoodbye(Exception):
    """The other side closed where a text was awaited."""


@define(eq=False)
class Peer:
    """One end of a WebSocket."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    wire: WSConnection
    headers: dict[str, str] = field(factory=dict)
    """Of the other side's half of the upgrade, names lower-case."""
    extensions: Sequence[Any] = ()
    """What was agreed on."""
    target: str = ""
    pongs: int = 0
    _events: deque[Event] = field(factory=deque)
    _text: str = ""

    async def say(self, text: str) -> None:
        """Send a text."""
        await self.event(TextMessage(data=text))

    async def event(self, event: Event) -> None:
        """Send any event."""
        await self.raw(self.wire.send(event))

    async def raw(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def next(self) -> Event:
        """What comes next, whatever it is; a connection that broke off is a close with 1006."""
        while not self._events:
            data = await self._read()
            try:
                self.wire.receive_data(data or None)
            except RemoteProtocolError:
                return CloseConnection(code=1006)
            self._events.extend(self.wire.events())
        return self._events.popleft()

    async def _read(self) -> bytes:
        try:
            return await self.reader.read(65536)
        except ConnectionError:
            return b""

    async def hear(self) -> str:
        """The next text, whole; pings are answered on the way."""
        while True:
            event = await self.next()
            match event:
                case TextMessage():
                    self._text += event.data
                    if event.message_finished:
                        text, self._text = self._text, ""
                        return text
                case Ping():
                    await self.event(event.response())
                case Pong():
                    self.pongs += 1
                case CloseConnection():
                    raise SaidGoodbye(int(event.code))
                case _:
                    raise AssertionError(f"{event} instead of a text")

    async def closed(self) -> tuple[int, str]:
        """Code and reason with which the other side closes, nothing having come before."""
        while isinstance(event := await self.next(), Ping | Pong):
            pass
        assert isinstance(event, CloseConnection), event
        return int(event.code), event.reason or ""

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Say goodbye."""
        await self.event(CloseConnection(code=code, reason=reason))

    def reset(self) -> None:
        """Break off."""
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


@define
class SocketProvider:
    """A running one."""

    url: str = ""
    refuse: tuple[int, Headers] | None = None
    """Status and headers with which upgrades are refused."""
    answer_headers: Headers = ()
    peers: list[Peer] = field(factory=list)
    """Those whose upgrade was taken."""
    upgrades: list[dict[str, str]] = field(factory=list)
    """Headers of all upgrades."""


@asynccontextmanager
async def socket_provider(script: Script, **more: Any) -> AsyncIterator[SocketProvider]:
    """Serve a script on a free port; each connection runs it once."""
    provider = SocketProvider(**more)
    tasks: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await _serve(provider, Peer(reader, writer, WSConnection(ConnectionType.SERVER)), script)
        except (ConnectionError, SaidGoodbye, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield provider
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()


async def _serve(provider: SocketProvider, peer: Peer, script: Script) -> None:
    request = await peer.next()
    if not isinstance(request, Request):
        return
    peer.target = request.target
    peer.headers = {name.decode(): value.decode() for name, value in request.extra_headers}
    provider.upgrades.append(peer.headers)
    if provider.refuse:
        status, headers = provider.refuse
        await peer.event(RejectConnection(status_code=status, headers=list(headers), has_body=True))
        await peer.event(RejectData(data=b"{}", body_finished=True))
        return
    await peer.event(AcceptConnection(extra_headers=list(provider.answer_headers)))
    provider.peers.append(peer)
    await script(peer)


class Refused(Exception):
    """The gateway didn't take the upgrade."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        super().__init__(f"{status} {body!r}")
        self.status = status
        self.headers = headers
        self.body = body


@asynccontextmanager
async def socket_client(url: str, path: str, headers: Headers = (), *, deflate: bool = False) -> AsyncIterator[Peer]:
    """Upgrade, as Codex does. Raises Refused."""
    place = urlsplit(url)
    assert place.hostname
    with anyio.fail_after(20):
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        peer = Peer(reader, writer, WSConnection(ConnectionType.CLIENT))
        extensions = [PerMessageDeflate()] if deflate else []
        try:
            await peer.event(
                Request(host=place.netloc, target=path, extra_headers=list(headers), extensions=extensions)
            )
            await _accepted(peer)
            yield peer
        finally:
            writer.close()


async def _accepted(peer: Peer) -> None:
    answer = await peer.next()
    if isinstance(answer, AcceptConnection):
        peer.headers = {name.decode(): value.decode() for name, value in answer.extra_headers}
        peer.extensions = answer.extensions
        return
    assert isinstance(answer, RejectConnection), answer
    headers = {bytes(name).decode(): bytes(value).decode() for name, value in answer.headers}
    body = b""
    while isinstance(piece := await peer.next(), RejectData):
        body += piece.data
        if piece.body_finished:
            break
    raise Refused(answer.status_code, headers, body)


__all__ = [
    "BytesMessage",
    "CloseConnection",
    "Peer",
    "Ping",
    "Refused",
    "Script",
    "SocketProvider",
    "socket_client",
    "socket_provider",
]
