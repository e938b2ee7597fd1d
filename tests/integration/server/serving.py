"""A tiny application on the real server, and raw connections to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from attrs import define, frozen

from aibridge_adapters.http.server import AsgiApp, serve


@define
class Served:
    """A server that listens."""

    addresses: list[str]
    stop: anyio.Event
    ended: anyio.Event

    @property
    def address(self) -> str:
        return self.addresses[0]

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


@asynccontextmanager
async def serving(app: AsgiApp, *, address: str = "127.0.0.1:0", **options: Any) -> AsyncIterator[Served]:
    """Serve an application on a free port."""
    served = Served([], anyio.Event(), anyio.Event())
    ready = anyio.Event()

    def on_ready(addresses: Sequence[str]) -> None:
        served.addresses.extend(addresses)
        ready.set()

    async def run() -> None:
        options.setdefault("shutdown_timeout", 5)
        await serve(app, address=address, stop=served.stop, on_ready=on_ready, **options)
        served.ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await ready.wait()
        yield served
        served.stop.set()


@frozen
class Wire:
    """A client's side of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[bytes, bytes]:
        """Head and body of one answer with a length."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return head, await self.reader.readexactly(int(length.partition(b":")[2]))

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        with anyio.fail_after(5):
            return await self.reader.read()

    def hang_up(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def connected(served: Served, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    """Open a raw connection."""
    host = "localhost" if tls else served.address.rpartition(":")[0].strip("[]")
    reader, writer = await asyncio.open_connection(host, served.port, ssl=tls, limit=2**20)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def get(target: str = "/", *headers: str) -> bytes:
    """A GET request."""
    return "\r\n".join([f"GET {target} HTTP/1.1", "host: gateway.test", *headers, "", ""]).encode()


async def body_of(receive: Any) -> bytes:
    """The whole request body."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    return body


async def reply(send: Any, body: bytes, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    """Send a whole answer with a length."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers with what it was asked."""
    body = await body_of(receive)
    await reply(send, b"%s %s?%s %s" % (scope["method"].encode(), scope["raw_path"], scope["query_string"], body))


def certificate_files(folder: Path, authority: Any) -> dict[str, Path]:
    """Files with a certificate of `localhost`, as options of the server."""
    issued = authority.issue_cert("localhost")
    cert, key = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    return {"tls_cert": cert, "tls_key": key}
