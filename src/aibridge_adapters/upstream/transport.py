"""An httpx transport that keeps idle connections on a stack for each origin: constant work per request.

Belongs here: which connection serves a request, and what becomes of it. Never: timeouts as policy, or errors of the
core (`httpx_upstream`).

httpx's own pool looks at every open connection whenever a request begins or ends, so its cost grows with the square
of concurrency, and it sends HTTP chunks up one by one. The most recently used connection is taken first, so the
surplus of a busy hour grows old at the bottom and expires.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, MutableMapping
from typing import Any, Final

import h11
import httpx

from aibridge_adapters.upstream.connection import Connection
from aibridge_adapters.upstream.dialling import Dialler

IDLE_EXPIRY: Final = 60.0
"""Seconds until an unused connection is closed; below the usual limits of servers, so that we close first."""
MAX_IDLE: Final = 256
"""Unused connections kept for each origin."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that may be sent twice (RFC 9110, section 9.2.1)."""

Origin = tuple[str, str, int | None]
Timeouts = MutableMapping[str, float | None]


class KeepAliveTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 to any number of origins. Belongs to one event loop."""

    def __init__(self, dialler: Dialler, *, idle_expiry: float = IDLE_EXPIRY, max_idle: int = MAX_IDLE) -> None:
        self._dialler = dialler
        self._expiry = idle_expiry
        self._max_idle = max_idle
        self._idle: dict[Origin, deque[Connection]] = {}
        self._reaper: asyncio.TimerHandle | None = None
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and await the head. Raises httpx.TransportError.

        A kept connection may be closed by the server in the moment it is used. Whether the request was worked on
        can't be known then, and a prompt sent twice is paid twice, so only safe methods are sent again.
        """
        body = await request.aread()
        if connection := self._take(request.url):
            try:
                return await self._exchange(connection, request, body)
            except (httpx.ReadError, httpx.RemoteProtocolError):
                if request.method not in _SAFE or not connection.silent:
                    raise
        connection = await self._dialler.dial(request.url, _timeouts(request).get("connect"))
        return await self._exchange(connection, request, body)

    async def _exchange(self, connection: Connection, request: httpx.Request, body: bytes) -> httpx.Response:
        timeouts = _timeouts(request)
        try:
            await connection.send(_h11_request(connection, request), body, timeouts.get("write"))
            head = await connection.head(timeouts.get("read"))
        except BaseException:
            connection.abort()
            raise
        stream = _Body(self, request.url, connection, timeouts)
        return httpx.Response(head.status_code, headers=list(head.headers), stream=stream)

    def _take(self, url: httpx.URL) -> Connection | None:
        stack = self._idle.get(_origin(url))
        oldest = asyncio.get_running_loop().time() - self._expiry
        while stack:
            connection = stack.pop()
            if connection.idle_since > oldest and connection.usable:
                return connection
            connection.abort()
        return None

    def give_back(self, url: httpx.URL, connection: Connection) -> None:
        """Keep a connection whose exchange is over, if it can serve another; else close it."""
        if not connection.recycle():
            return
        stack = self._idle.setdefault(_origin(url), deque())
        if self._closed or len(stack) >= self._max_idle:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        stack.append(connection)
        if self._reaper is None:
            self._reaper = loop.call_later(self._expiry, self._reap)

    def _reap(self) -> None:
        """Close what has expired; come back as long as anything is kept."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._expiry
        for stack in self._idle.values():
            while stack and (stack[0].idle_since <= oldest or stack[0].transport.is_closing()):
                stack.popleft().abort()
        self._idle = {origin: stack for origin, stack in self._idle.items() if stack}
        self._reaper = loop.call_later(self._expiry, self._reap) if self._idle else None

    async def aclose(self) -> None:
        """Close idle connections; those in use are closed when their exchange ends."""
        self._closed = True
        if self._reaper:
            self._reaper.cancel()
        for stack in self._idle.values():
            for connection in stack:
                connection.abort()
        self._idle.clear()


class _Body(httpx.AsyncByteStream, AsyncIterator[bytes]):
    """The body of an answer, its own iterator: no generator stands between the socket and the relay."""

    def __init__(
        self, transport: KeepAliveTransport, url: httpx.URL, connection: Connection, timeouts: Timeouts
    ) -> None:
        self._transport = transport
        self._url = url
        self._connection: Connection | None = connection
        self._timeouts = timeouts

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._connection is None:
            raise StopAsyncIteration
        data = await self._connection.body(self._timeouts.get("read"))
        if not data:
            await self.aclose()
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        """Give the connection back if the answer is complete, else close it. Never waits."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._transport.give_back(self._url, connection)


def _timeouts(request: httpx.Request) -> Timeouts:
    """Seconds by phase, as httpx hands them to transports. A later change of `read` applies from the next piece on."""
    timeouts: Timeouts = request.extensions.get("timeout", {})
    return timeouts


def _origin(url: httpx.URL) -> Origin:
    return url.scheme, url.host, url.port


def _h11_request(connection: Connection, request: httpx.Request) -> h11.Request:
    target: Any = request.extensions.get("target", request.url.raw_path)
    headers = request.headers.raw
    if connection.absolute_form:
        target = f"{request.url.scheme}://".encode() + request.url.netloc + target
        headers = [*connection.proxy_headers, *headers]
    try:
        return h11.Request(method=request.method.encode(), target=target, headers=headers)
    except h11.LocalProtocolError as error:
        raise httpx.LocalProtocolError("HTTP does not allow its target or one of its headers") from error
