"""Connections that serve request after request, a stack of idle ones for each origin: constant work per request.

Belongs here: which connection serves a request, and what becomes of it. Never: the exchange on it (`exchange`).

httpx's own pool looks at every open connection whenever a request begins or ends, so its cost grows with the square
of concurrency. The most recently used connection is taken first, so the surplus of a busy hour grows old at the bottom
and expires.
"""

import asyncio
from collections import deque
from typing import Final

from aibridge_adapters.upstream.connection import Connection
from aibridge_adapters.upstream.dialling import Dialler
from aibridge_adapters.upstream.origins import Origin
from aibridge_adapters.upstream.patience import Patience

IDLE_EXPIRY: Final = 60.0
"""Seconds until an unused connection is closed; below the usual limits of servers, so that we close first."""
MAX_IDLE: Final = 256
"""Unused connections kept for each origin."""


class Pool:
    """HTTP/1.1 connections to any number of origins. Belongs to one event loop."""

    def __init__(self, dialler: Dialler, *, idle_expiry: float = IDLE_EXPIRY, max_idle: int = MAX_IDLE) -> None:
        self._dialler = dialler
        self._expiry = idle_expiry
        self._max_idle = max_idle
        self._idle: dict[tuple[str, str, int | None], deque[Connection]] = {}
        self._reaper: asyncio.TimerHandle | None = None
        self._closed = False

    def take(self, origin: Origin) -> Connection | None:
        """An idle connection that still stands, if there is one."""
        stack = self._idle.get(origin.key)
        if not stack:
            return None
        oldest = asyncio.get_running_loop().time() - self._expiry
        while stack:
            connection = stack.pop()
            if connection.idle_since > oldest and connection.usable:
                return connection
            connection.abort()
        return None

    async def dial(self, origin: Origin, patience: Patience) -> Connection:
        """A new connection. Raises TimeoutError at the deadline, httpx.TransportError."""
        async with asyncio.timeout_at(patience.deadline):
            return await self._dialler.dial(origin.url, patience.connect)

    def give_back(self, origin: Origin, connection: Connection) -> None:
        """Keep a connection whose exchange is over, if it can serve another; else close it."""
        if not connection.recycle():
            return
        stack = self._idle.get(origin.key)
        if stack is None:
            stack = self._idle[origin.key] = deque()
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

    def close(self) -> None:
        """Close idle connections; those in use are closed when their exchange ends."""
        self._closed = True
        if self._reaper:
            self._reaper.cancel()
        for stack in self._idle.values():
            for connection in stack:
                connection.abort()
        self._idle.clear()
