"""A load generator that costs little itself: raw HTTP/1.1 over asyncio protocols.

Belongs here: sending prepared requests and timing the answers. Never: what is measured of the gateway's process.
"""

import asyncio
import json
import re
import time
from collections.abc import Sequence

from attrs import Factory, frozen

_STAMP = re.compile(rb" at (\d{9,})\"")
_END_OF_CHUNKS = b"0\r\n\r\n"


def request(size: int, *, streaming: bool, token: str, query: str = "") -> bytes:
    """A POST of the Messages API with a body of `size` bytes, as agents send them."""
    turns = [
        {"role": "user" if number % 2 == 0 else "assistant", "content": "lorem ipsum dolor sit amet " * 36}
        for number in range(max(1, size // 1000) | 1)
    ]
    body = {"model": "bench-model", "max_tokens": 1024, "stream": streaming, "messages": turns}
    data = json.dumps(body).encode()
    data += b" " * (size - len(data))
    head = (
        f"POST /anthropic/v1/messages?{query} HTTP/1.1\r\nhost: gateway.test\r\ncontent-type: application/json\r\n"
        f"x-api-key: {token}\r\nanthropic-version: 2023-06-01\r\nuser-agent: bench/1.0\r\n"
        f"accept: application/json\r\naccept-encoding: identity\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


@frozen(kw_only=True)
class Timings:
    """What the clients saw, in seconds."""

    first_byte: list[float] = Factory(list)
    """From the request's last byte to the answer's first."""
    delay: list[float] = Factory(list)
    """Of each paced event, from the provider's write to the client's read."""

    def clear(self) -> None:
        """Forget the warm-up."""
        self.first_byte.clear()
        self.delay.clear()


class _Client(asyncio.Protocol):
    def __init__(self, timings: Timings) -> None:
        self.timings = timings
        self.done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if self.done and not self.done.done():
            self.done.set_exception(ConnectionError(f"connection lost: {exc}"))

    async def exchange(self, data: bytes) -> None:
        """Send a request and await the end of its answer. Raises ConnectionError, AssertionError."""
        self.done = asyncio.get_running_loop().create_future()
        self.left: int | None = None
        self.head = b""
        self.tail = b""
        self.transport.write(data)
        self.sent_at = time.monotonic_ns()
        await self.done

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        if self.left is None:
            data = self._begin(data, now)
        for stamp in _STAMP.findall(data):
            self.timings.delay.append((now - int(stamp)) / 1e9)
        if self.left == -1:
            self.tail = (self.tail + data)[-64:]
            if self.tail.endswith(_END_OF_CHUNKS):
                assert b"message_stop" in self.tail, self.tail
                self._finish()
        elif self.left is not None:
            self.left -= len(data)
            if self.left == 0:
                self._finish()

    def _begin(self, data: bytes, now: int) -> bytes:
        if not self.head:
            self.timings.first_byte.append((now - self.sent_at) / 1e9)
        self.head += data
        head, end, rest = self.head.partition(b"\r\n\r\n")
        if not end:
            return b""
        if not head.startswith(b"HTTP/1.1 200"):
            raise AssertionError(self.head)
        found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        self.left = int(found[1]) if found else -1
        return rest

    def _finish(self) -> None:
        if self.done and not self.done.done():
            self.done.set_result(None)


class Load:
    """A number of connections to one port, each with one request at a time."""

    def __init__(self, port: int, data: bytes, *, concurrency: int) -> None:
        self.timings = Timings()
        self._port = port
        self._data = data
        self._concurrency = concurrency
        self._clients: Sequence[_Client] = ()

    async def connect(self) -> None:
        """Open all connections and send one request on each, to warm both sides up."""
        loop = asyncio.get_running_loop()
        pairs = [
            await loop.create_connection(lambda: _Client(self.timings), "127.0.0.1", self._port)
            for _ in range(self._concurrency)
        ]
        self._clients = [client for _, client in pairs]

    async def run(self, count: int) -> None:
        """Send `count` requests in all, as many at once as there are connections."""
        numbers = iter(range(count))

        async def work(client: _Client) -> None:
            for _ in numbers:
                await client.exchange(self._data)

        await asyncio.gather(*(work(client) for client in self._clients))

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            client.transport.abort()
