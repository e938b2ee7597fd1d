"""Bytes to a gateway and what comes back, without a client that would mend them."""

from contextlib import suppress

import anyio
from anyio.abc import SocketStream


async def connect(url: str) -> SocketStream:
    """A TCP connection to the gateway."""
    host, _, port = url.removeprefix("http://").partition(":")
    return await anyio.connect_tcp(host, int(port))


async def exchange(url: str, request: bytes, *, within: float = 10) -> bytes:
    """All that comes back until the gateway closes; fails the test if it doesn't. What it doesn't read is no error."""
    received = b""
    with anyio.fail_after(within):
        async with await connect(url) as wire:
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream):
                await wire.send(request)
            with suppress(anyio.BrokenResourceError):
                async for piece in wire:
                    received += piece
    return received


def status(answer: bytes) -> int:
    """The status of the first answer in these bytes; 0 if there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
