"""The core's way to the providers.

Belongs here: how an exchange is made. Never: the exchange itself (`exchange`, or `over_httpx` for a transport of
somebody else's), connections (`pool`), or how a connection is made (`dialling`).
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from aibridge_adapters.config import Timeouts
from aibridge_adapters.upstream.dialling import Dialler, trust
from aibridge_adapters.upstream.exchange import Exchange
from aibridge_adapters.upstream.over_httpx import HttpxExchange
from aibridge_adapters.upstream.patience import Patience
from aibridge_adapters.upstream.pool import IDLE_EXPIRY, MAX_IDLE, Pool
from aibridge_adapters.upstream.proxies import Proxies
from aibridge_adapters.upstream.websockets import WebSockets
from aibridge_core.wire import UpstreamRequest


class HttpxUpstream:
    """Implements `aibridge_core.ports.Upstream`. An asynchronous context; belongs to one event loop."""

    def __init__(
        self,
        timeouts: Timeouts,
        *,
        ca_bundle: Path | None = None,
        environ: Mapping[str, str] = os.environ,
        transport: httpx.AsyncBaseTransport | None = None,
        idle_expiry: float = IDLE_EXPIRY,
        max_idle: int = MAX_IDLE,
    ) -> None:
        """`environ` names the proxies. A `transport` of your own replaces connections, TLS and proxies altogether.

        `idle_expiry`: seconds until an unused connection is closed. `max_idle`: unused connections kept for each
        origin. Raises ValueError for a CA bundle that can't be used, ProxyUnusable for a proxy.
        """
        self._timeouts = timeouts
        self._dialler = Dialler(context=trust(ca_bundle), proxies=Proxies.from_environ(environ))
        self._pool = Pool(self._dialler, idle_expiry=idle_expiry, max_idle=max_idle)
        self._transport = transport

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that are not in use."""
        self._pool.close()
        if self._transport:
            await self._transport.aclose()

    def websockets(self, *, max_message: int) -> WebSockets:
        """WebSockets over the same proxies and certificates. `max_message`: longest one, in characters."""
        return WebSockets(dialler=self._dialler, connect=self._timeouts.connect or None, max_message=max_message)

    def open(self, request: UpstreamRequest) -> Exchange | HttpxExchange:
        """An exchange, not begun yet; its time begins to run now."""
        timeouts, deadline = self._timeouts, None
        if timeouts.total and not request.streaming:
            deadline = asyncio.get_running_loop().time() + timeouts.total
        patience = Patience(connect=timeouts.connect or None, idle=timeouts.read_idle or None, deadline=deadline)
        if self._transport:
            return HttpxExchange(self._transport, request, timeouts, patience)
        return Exchange(self._pool, request, timeouts, patience)
