"""An Upstream, and a way to WebSockets, around others: every call is written down.

Belongs here: what happens when. Never: what stands in a file (`text`) or which ones there are (`pages`).
"""

from collections.abc import AsyncIterator
from types import TracebackType

from attrs import frozen

from aibridge_adapters.dumps.pages import AS_SENT, Dumping, Look, Pages
from aibridge_core.ports import Upstream, UpstreamAnswer, UpstreamExchange
from aibridge_core.sockets import SocketRefused, UpstreamSocket, UpstreamSockets
from aibridge_core.wire import AnswerHead, UpstreamRequest


@frozen
class DumpedUpstream:
    """Dumps calls to the providers that are dumped; others pass through."""

    _inner: Upstream
    _dumping: Dumping
    _look: Look = AS_SENT

    def open(self, request: UpstreamRequest) -> UpstreamExchange:
        """An exchange, not begun yet."""
        exchange = self._inner.open(request)
        pages = self._dumping.pages(request, self._look)
        return exchange if pages is None else _DumpedExchange(exchange, pages)


@frozen
class DumpedSockets:
    """Dumps upgrades. What then passes on the WebSocket are calls of their own, by an upstream on it."""

    _inner: UpstreamSockets
    _dumping: Dumping

    async def open(self, request: UpstreamRequest) -> UpstreamSocket:
        """As the inner one."""
        pages = self._dumping.pages(request)
        if pages is None:
            return await self._inner.open(request)
        try:
            socket = await self._inner.open(request)
        except SocketRefused as error:
            pages.answered(error.head)
            raise
        except BaseException as error:
            pages.failed(error)
            raise
        else:
            pages.answered(AnswerHead(status=101, headers=socket.headers))
            return socket
        finally:
            pages.end()


class _DumpedExchange:
    def __init__(self, inner: UpstreamExchange, pages: Pages) -> None:
        self._inner = inner
        self._pages = pages

    async def __aenter__(self) -> UpstreamAnswer:
        try:
            answer = await self._inner.__aenter__()
        except BaseException as error:
            self._pages.failed(error)
            raise
        self._pages.answered(answer.head)
        return _DumpedAnswer(answer, self._pages)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._pages.end()
        await self._inner.__aexit__(kind, error, trace)


class _DumpedAnswer(AsyncIterator[bytes]):
    def __init__(self, inner: UpstreamAnswer, pages: Pages) -> None:
        self.head = inner.head
        self._inner = inner
        self._pages = pages
        self._pieces: AsyncIterator[bytes]

    def chunks(self) -> AsyncIterator[bytes]:
        self._pieces = aiter(self._inner.chunks())
        return self

    async def __anext__(self) -> bytes:
        data = await anext(self._pieces)
        self._pages.piece(data)
        return data
