"""One exchange with a provider on a connection of the pool.

Belongs here: the order of things, from the request to the last piece of the answer. Never: bytes on a wire
(`connection`), or which connections are kept (`pool`).
"""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, Self

import httpx

from aibridge_adapters.config import Timeouts
from aibridge_adapters.upstream.connection import Connection
from aibridge_adapters.upstream.faults import ERRORS, fault
from aibridge_adapters.upstream.heads import request_head
from aibridge_adapters.upstream.origins import Origin, split
from aibridge_adapters.upstream.patience import Patience
from aibridge_adapters.upstream.pool import Pool
from aibridge_core.errors import UpstreamCut, UpstreamUnreachable
from aibridge_core.wire import AnswerHead, UpstreamRequest

FRAMING: Final = frozenset({b"host", b"content-length", b"transfer-encoding"})
"""Headers that belong to one connection; they are made from the URL and the body."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that may be sent twice (RFC 9110, section 9.2.1)."""
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
"""Methods for which an empty body has to be announced (RFC 9110, section 8.6)."""


class Exchange(AsyncIterator[bytes]):
    """Implements `aibridge_core.ports.UpstreamExchange` and is its own answer. Enter it once."""

    head: AnswerHead

    def __init__(self, pool: Pool, request: UpstreamRequest, timeouts: Timeouts, patience: Patience) -> None:
        self._pool = pool
        self._request: UpstreamRequest | None = request
        self._url = request.url
        self._streaming = request.streaming
        self._timeouts = timeouts
        self._patience = patience
        self._origin: Origin
        self._connection: Connection | None = None

    async def __aenter__(self) -> Self:
        """Raises UpstreamUnreachable, UpstreamBroken, UpstreamTimeout."""
        assert self._request is not None, "an exchange is entered once"
        request, self._request = self._request, None  # its body is not needed for as long as a stream may last
        try:
            self._origin, target = split(request.url)
            await self._begin(request, target)
        except ERRORS as error:
            raise self._fault(error, UpstreamUnreachable) from error
        if self._streaming:
            self._patience.idle = self._timeouts.stream_idle or None
        return self

    async def _begin(self, request: UpstreamRequest, target: bytes) -> None:
        """Send a request and await the head. Raises httpx.TransportError.

        A kept connection may be closed by the server in the moment it is used. Whether the request was worked on
        can't be known then, and a prompt sent twice is paid twice, so only safe methods are sent again.
        """
        if connection := self._pool.take(self._origin):
            try:
                await self._ask(connection, request, target)
                return
            except (httpx.ReadError, httpx.RemoteProtocolError):
                if request.method not in _SAFE or not connection.silent:
                    raise
        await self._ask(await self._pool.dial(self._origin, self._patience), request, target)

    async def _ask(self, connection: Connection, request: UpstreamRequest, target: bytes) -> None:
        method = request.method.encode()
        try:
            head = _head_of(request, method, target, self._origin, connection)
            await connection.send(method, head, request.body, self._patience)
            self.head = await connection.head(self._patience)
        except BaseException:
            connection.abort()
            raise
        self._connection = connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the connection back if the body was read to its end, else close it at once."""
        self._give_back()

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, still in its content coding. Raises UpstreamBroken, UpstreamTimeout."""
        return self

    async def __anext__(self) -> bytes:
        if self._connection is None:
            raise StopAsyncIteration
        try:
            data = await self._connection.body(self._patience)
        except (TimeoutError, httpx.TransportError) as error:
            raise self._fault(error, UpstreamCut) from error
        if not data:
            self._give_back()
            raise StopAsyncIteration
        return data

    def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(self._origin, connection)

    def _fault(self, error: Exception, otherwise: type[UpstreamCut | UpstreamUnreachable]) -> Exception:
        return fault(error, self._url, otherwise=otherwise, timeouts=self._timeouts, patience=self._patience)


def _head_of(request: UpstreamRequest, method: bytes, target: bytes, origin: Origin, connection: Connection) -> bytes:
    """Host and Content-Length are added, and nothing else."""
    headers = [
        *connection.proxy_headers,
        (b"Host", origin.host),
        *(header for header in request.headers if header[0].lower() not in FRAMING),
    ]
    if request.body or request.method in _WITH_BODY:
        headers.append((b"Content-Length", b"%d" % len(request.body)))
    if connection.absolute_form:
        target = b"%b://%b%b" % (origin.url.raw_scheme, origin.host, target)
    return request_head(method, target, headers)
