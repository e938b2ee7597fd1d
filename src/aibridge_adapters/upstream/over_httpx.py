"""One exchange with a provider over an httpx transport of somebody else's.

Belongs here: the port's promises in httpx's terms. httpx's client is left out on purpose: it adds headers, follows
redirects, keeps cookies and decodes bodies.
"""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import httpx

from aibridge_adapters.config import Timeouts
from aibridge_adapters.upstream.exchange import FRAMING
from aibridge_adapters.upstream.faults import ERRORS, fault
from aibridge_adapters.upstream.origins import split
from aibridge_adapters.upstream.patience import Patience
from aibridge_core.errors import UpstreamCut, UpstreamUnreachable
from aibridge_core.wire import AnswerHead, UpstreamRequest


class HttpxExchange(AsyncIterator[bytes]):
    """Implements `aibridge_core.ports.UpstreamExchange` and is its own answer. Enter it once."""

    head: AnswerHead

    def __init__(
        self, transport: httpx.AsyncBaseTransport, request: UpstreamRequest, timeouts: Timeouts, patience: Patience
    ) -> None:
        self._transport = transport
        self._request = request
        self._timeouts = timeouts
        self._patience = patience
        self._limits = {"connect": patience.connect, "read": patience.idle, "write": patience.idle, "pool": None}
        self._response: httpx.Response
        self._pieces: AsyncIterator[bytes]

    async def __aenter__(self) -> Self:
        """Raises UpstreamUnreachable, UpstreamBroken, UpstreamTimeout."""
        try:
            async with asyncio.timeout_at(self._patience.deadline):
                self._response = await self._transport.handle_async_request(_translated(self._request, self._limits))
        except ERRORS as error:
            raise self._fault(error, UpstreamUnreachable) from error
        if self._request.streaming:  # transports look this value up for every piece
            self._limits["read"] = self._patience.idle = self._timeouts.stream_idle or None
        self.head = AnswerHead(
            status=self._response.status_code,
            headers=tuple((name.lower(), value) for name, value in self._response.headers.raw),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The transport keeps the connection or closes it."""
        await self._response.stream.aclose()  # type: ignore[union-attr]  # httpx types both its worlds as one

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, still in its content coding. Raises UpstreamBroken, UpstreamTimeout."""
        self._pieces = aiter(self._response.stream)  # type: ignore[arg-type]
        return self

    async def __anext__(self) -> bytes:
        try:
            async with asyncio.timeout_at(self._patience.deadline):
                return await anext(self._pieces)
        except (TimeoutError, httpx.TransportError) as error:
            raise self._fault(error, UpstreamCut) from error

    def _fault(self, error: Exception, otherwise: type[UpstreamCut | UpstreamUnreachable]) -> Exception:
        return fault(error, self._request.url, otherwise=otherwise, timeouts=self._timeouts, patience=self._patience)


def _translated(request: UpstreamRequest, limits: dict[str, float | None]) -> httpx.Request:
    """httpx adds Host and Content-Length, and nothing else. Raises ValueError, httpx.InvalidURL."""
    origin, target = split(request.url)
    return httpx.Request(
        request.method,
        origin.url,
        headers=[header for header in request.headers if header[0].lower() not in FRAMING],
        content=request.body,
        extensions={"target": target, "timeout": limits},
    )
