"""The core's way to the providers, over any httpx transport.

Belongs here: the port's promises (bytes as they are, timeouts, errors by blame). Never: connections (`transport`).
httpx's client is left out on purpose: it adds headers, follows redirects, keeps cookies and decodes bodies.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from aibridge_adapters.config import Timeouts
from aibridge_adapters.upstream.connection import Garbled
from aibridge_adapters.upstream.dialling import Dialler, trust
from aibridge_adapters.upstream.proxies import Proxies
from aibridge_adapters.upstream.transport import KeepAliveTransport
from aibridge_adapters.upstream.websockets import WebSockets
from aibridge_core.errors import UpstreamBroken, UpstreamFault, UpstreamTimeout, UpstreamUnreachable
from aibridge_core.wire import AnswerHead, UpstreamRequest

_URL: Final = re.compile(r"(?P<origin>https?://[^/?#]+)(?P<target>[^#]*)", re.IGNORECASE)
_FRAMING: Final = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""Headers that belong to one connection; they are made from the URL and the body."""


class HttpxUpstream:
    """Implements `aibridge_core.ports.Upstream`. An asynchronous context; belongs to one event loop."""

    def __init__(
        self,
        timeouts: Timeouts,
        *,
        ca_bundle: Path | None = None,
        environ: Mapping[str, str] = os.environ,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`environ` names the proxies. A `transport` of your own replaces connections, TLS and proxies altogether.

        Raises ValueError for a CA bundle that can't be used, ProxyUnusable for a proxy.
        """
        self._timeouts = timeouts
        self._dialler = Dialler(context=trust(ca_bundle), proxies=Proxies.from_environ(environ))
        self._transport = transport or KeepAliveTransport(self._dialler)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that are not in use."""
        await self._transport.aclose()

    def websockets(self, *, max_message: int) -> WebSockets:
        """WebSockets over the same proxies and certificates. `max_message`: longest one, in characters."""
        return WebSockets(dialler=self._dialler, connect=self._timeouts.connect or None, max_message=max_message)

    def open(self, request: UpstreamRequest) -> "_Exchange":
        """An exchange, not begun yet."""
        return _Exchange(self._transport, request, self._timeouts)


class _Exchange(AsyncIterator[bytes]):
    """One exchange, and its own answer. Times are seconds; None means without limit."""

    head: AnswerHead

    def __init__(self, transport: httpx.AsyncBaseTransport, request: UpstreamRequest, timeouts: Timeouts) -> None:
        self._transport = transport
        self._request: UpstreamRequest | None = request
        self._url = request.url
        self._streaming = request.streaming
        self._timeouts = timeouts
        self._deadline: float | None = None
        self._idle: dict[str, float | None] = {}
        self._response: httpx.Response
        self._pieces: AsyncIterator[bytes]

    async def __aenter__(self) -> Self:
        """Raises UpstreamUnreachable, UpstreamBroken, UpstreamTimeout."""
        assert self._request is not None, "an exchange is entered once"
        request, self._request = self._request, None  # its body is not needed for as long as a stream may last
        if self._timeouts.total and not self._streaming:
            self._deadline = asyncio.get_running_loop().time() + self._timeouts.total
        read_idle = self._timeouts.read_idle or None
        self._idle.update(connect=self._timeouts.connect or None, read=read_idle, write=read_idle, pool=None)
        try:
            async with asyncio.timeout_at(self._deadline):
                response = await self._transport.handle_async_request(_httpx_request(request, self._idle))
        except (TimeoutError, httpx.TransportError, httpx.InvalidURL, ValueError) as error:
            raise self._fault(error, UpstreamUnreachable) from error
        if self._streaming:  # transports look this value up for every piece
            self._idle["read"] = self._timeouts.stream_idle or None
        self._response = response
        self.head = AnswerHead(
            status=response.status_code,
            headers=tuple((name.lower(), value) for name, value in response.headers.raw),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the connection back if the body was read to its end, else close it at once."""
        await self._response.stream.aclose()  # type: ignore[union-attr]  # httpx types both its worlds as one

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, still in its content coding. Raises UpstreamBroken, UpstreamTimeout."""
        self._pieces = aiter(self._response.stream)  # type: ignore[arg-type]
        return self

    async def __anext__(self) -> bytes:
        try:
            if self._deadline is None:
                return await anext(self._pieces)
            async with asyncio.timeout_at(self._deadline):
                return await anext(self._pieces)
        except (TimeoutError, httpx.TransportError) as error:
            raise self._fault(error, UpstreamBroken) from error

    def _fault(self, error: Exception, otherwise: type[UpstreamFault]) -> UpstreamFault:
        """An error in words that are fit for clients: the host, never a path, a query or a header."""
        host = _host(self._url)
        if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
            return UpstreamTimeout(f"{host} did not accept a connection within {self._timeouts.connect:g} s")
        if isinstance(error, httpx.TimeoutException):
            return UpstreamTimeout(f"{host} was silent for {self._idle['read'] or 0:g} s")
        if isinstance(error, TimeoutError):
            return UpstreamTimeout(f"{host} did not finish its answer within {self._timeouts.total:g} s")
        if isinstance(error, Garbled):
            return UpstreamBroken(f"the answer of {host} can't be read: {error}")
        if isinstance(error, httpx.TransportError):
            return otherwise(f"{_DID[otherwise].format(host)}: {error}")
        return UpstreamUnreachable(f"{host}: that is not a URL to send requests to")


_DID: Final = {
    UpstreamUnreachable: "{} can't be reached",
    UpstreamBroken: "the answer of {} broke off",
}


def _httpx_request(request: UpstreamRequest, timeouts: dict[str, float | None]) -> httpx.Request:
    """httpx adds Host and Content-Length, and nothing else. Raises ValueError, httpx.InvalidURL."""
    found = _URL.match(request.url)
    if not found:
        raise ValueError("not an absolute URL")
    target = found["target"] if found["target"].startswith("/") else f"/{found['target']}"
    return httpx.Request(
        request.method,
        _origin(found["origin"]),
        headers=[header for header in request.headers if header[0].lower() not in _FRAMING],
        content=request.body,
        # The target as it was given: an httpx.URL would normalise it.
        extensions={"target": target.encode("ascii"), "timeout": timeouts},
    )


@lru_cache(maxsize=256)
def _origin(url: str) -> httpx.URL:
    return httpx.URL(url)


def _host(url: str) -> str:
    """The host of a URL, without credentials."""
    found = _URL.match(url)
    return found["origin"].rpartition("/")[2].rpartition("@")[2] if found else "the provider"
