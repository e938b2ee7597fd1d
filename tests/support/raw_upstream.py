"""A provider of bytes: an HTTP/1.1 server that answers exactly what a test scripts, at the moment it says so."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from attrs import define, field


@define
class Received:
    """A request as it came over the wire."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    """Names lower-case."""
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.headers if key == name), None)


@define
class Answering:
    """The answer's side of a connection, for a script."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self, status: int = 200, *headers: tuple[str, str]) -> None:
        """Send status line and headers."""
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers)]
        await self.raw("\r\n".join(lines).encode() + b"\r\n\r\n")

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def chunk(self, data: bytes) -> None:
        """Send one chunk of a chunked body."""
        await self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    async def whole(self, body: bytes, status: int = 200, *headers: tuple[str, str]) -> None:
        """Send a complete answer."""
        await self.head(status, *headers, ("content-length", str(len(body))))
        await self.raw(body)

    async def stream(self, *chunks: bytes) -> None:
        """Send a complete event stream, each piece in a chunk of its own."""
        await self.head(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        for data in chunks:
            await self.chunk(data)
        await self.raw(b"0\r\n\r\n")

    def reset(self) -> None:
        """Break the connection off."""
        self.writer.transport.abort()

    async def hung_up(self) -> None:
        """Return when the other side has closed."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass


Script = Callable[[Received, Answering], Awaitable[None]]


@define
class RawUpstream:
    """A running one. `script` may be replaced between requests."""

    port: int
    script: Script
    requests: list[Received] = field(factory=list)
    tls: bool = False

    @property
    def url(self) -> str:
        """Base URL without a path."""
        return f"https://localhost:{self.port}" if self.tls else f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def raw_upstream(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawUpstream]:
    """Serve on a free loopback port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while request := await _read(reader):
                upstream.requests.append(request)
                await upstream.script(request, Answering(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    upstream = RawUpstream(server.sockets[0].getsockname()[1], script, tls=tls is not None)
    try:
        yield upstream
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    request = Received(method, target, headers, b"")
    request.body = await reader.readexactly(int(request.header("content-length") or 0))
    return request
