"""HTTP/1.1 on one connection: request after request, or a WebSocket in place of one.

Belongs here: from a client's bytes to ASGI calls, and in which order. Never: how bytes are read and written (`reading`,
`writing`), sockets, timeouts, or the application.
"""

import asyncio
from functools import partial
from typing import Any
from urllib.parse import unquote

from attrs import frozen
from hypercorn.config import Config
from hypercorn.events import Closed, Event
from hypercorn.protocol.events import Request
from hypercorn.typing import ConnectionState, WorkerContext

from aibridge_adapters.http.answering import Answering, Wire
from aibridge_adapters.http.client_socket import ClientSocket
from aibridge_adapters.http.exchange import ExchangeTasks, Inbox
from aibridge_adapters.http.reading import RequestReader
from aibridge_adapters.http.strict import Refused, RequestHead
from aibridge_adapters.http.upgraded import STREAM, Upgraded
from aibridge_adapters.http.writing import INVITATION, refusal


@frozen(kw_only=True)
class Surroundings:
    """What all requests of a connection have in common."""

    app: Any
    config: Config
    context: WorkerContext
    tasks: ExchangeTasks
    state: ConnectionState
    tls: bool
    client: tuple[str, int] | None
    server: tuple[str, int] | None


class Http1:
    """In place of hypercorn's `H11Protocol`."""

    def __init__(self, around: Surroundings, wire: Wire) -> None:
        self._around = around
        self._wire = wire
        self._reader = RequestReader()
        self._inbox: Inbox | None = None
        self._answering: Answering | None = None
        self._socket: Upgraded | None = None
        self._ended = False
        self._answered = asyncio.Event()

    async def initiate(self) -> None:
        """The client speaks first."""

    async def handle(self, event: Event) -> None:
        """hypercorn tells here that a connection is closed."""
        if isinstance(event, Closed):
            await self._leave()

    async def receive(self, data: bytes) -> None:
        """What the client sent; nothing: it sends no more. Returns when more may be read."""
        if self._socket is not None:
            await self._socket.receive(data)
        elif not self._ended:
            try:
                await self._read(data)
            except Refused as refused:
                await self._refuse(refused)

    @property
    def waits_for_a_head(self) -> bool:
        """Whether a request has begun and its head is not complete."""
        return self._reader.waits_for_head and self._reader.has_more

    async def time_out(self) -> None:
        """The head took too long."""
        if self.waits_for_a_head:
            await self._refuse(Refused("the request's headers did not come in time", 408))

    async def _read(self, data: bytes) -> None:
        if data:
            self._reader.receive(data)
        else:
            self._reader.end()
        while not self._ended and await self._go_on():
            pass

    async def _go_on(self) -> bool:
        """One step; whether there may be another. A request that comes too early waits with all that follows it."""
        if self._reader.waits_for_head:
            return await self._begin()
        if not self._reader.complete:
            return await self._pass_on()
        if not self._reader.has_more:
            return False
        self._answered.clear()
        await self._answered.wait()
        return True

    async def _begin(self) -> bool:
        head = self._reader.head()
        if head is None:
            return False
        self._wire.busy()
        if head.opens_websocket:
            await self._open_socket(head)
            return False
        self._answering = Answering(head, self._reader, self._wire, self._over)
        self._inbox = self._around.tasks.begin(self._around.app, self._scope(head), self._answering.send, self._invite)
        return True

    async def _pass_on(self) -> bool:
        """Waits while the application doesn't take what it got."""
        piece = self._reader.piece()
        if piece is None:
            return False
        if self._inbox is not None:
            more = not self._reader.complete
            await self._inbox.put({"type": "http.request", "body": piece, "more_body": more})
        return True

    async def _invite(self) -> None:
        if self._reader.waits_for_100:
            self._reader.waits_for_100 = False
            self._wire.write(INVITATION)

    async def _over(self, lasts: bool) -> None:
        """The answer is out; the connection goes on with the next request, or ends."""
        if self._inbox is not None:
            self._inbox.finish()
        self._inbox = self._answering = None
        lasts = lasts and self._reader.complete and not self._ended
        if lasts and not self._around.context.terminated.is_set():
            self._reader.begin_next()
            self._wire.idle()
            self._answered.set()
        else:
            await self._end()

    async def _refuse(self, refused: Refused) -> None:
        """Unless an answer has begun, say why. The application learns by the end of the connection."""
        if self._answering is None or not self._answering.begun:
            self._wire.write(refusal(refused))
        if self._answering is not None:
            self._answering.gone = True
        await self._end()

    async def _end(self) -> None:
        self._ended = True
        self._answered.set()
        await self._wire.close()

    async def _leave(self) -> None:
        """The client is gone, or sent away; or it only sends no more, and reads an answer if there still is one."""
        self._ended = True
        self._answered.set()
        if self._socket is not None:
            await self._socket.leave()
        if self._answering is not None:
            self._answering.left = True
            self._answering.gone = self._answering.gone or self._wire.broken
        if self._inbox is not None:
            await self._inbox.put({"type": "http.disconnect"})
        self._inbox = None

    async def _open_socket(self, head: RequestHead) -> None:
        each = self._around
        make = partial(
            ClientSocket, each.app, each.config, each.context, each.tasks, each.tls, each.client, each.server
        )
        self._socket = Upgraded(head, self._wire, make)
        request = Request(
            stream_id=STREAM,
            headers=head.headers,
            http_version=head.version,
            method=head.method,
            raw_path=head.target,
            state=self._around.state,
        )
        await self._socket.open(request, self._reader.rest())

    def _scope(self, head: RequestHead) -> dict[str, Any]:
        path, _, query = head.target.partition(b"?")
        return {
            "type": "http",
            "http_version": head.version,
            "asgi": {"spec_version": "2.1", "version": "3.0"},
            "method": head.method,
            "scheme": "https" if self._around.tls else "http",
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": head.headers,
            "client": self._around.client,
            "server": self._around.server,
            "state": self._around.state.copy(),
            "extensions": {},
        }
