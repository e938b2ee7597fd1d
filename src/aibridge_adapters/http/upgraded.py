"""A WebSocket that begins as a request of HTTP/1.1: what hypercorn's says, as bytes on their way.

Belongs here: the way between the connection and the WebSocket. Never: frames, or what messages say (`client_socket`).
"""

from collections.abc import Callable

from hypercorn.protocol.events import Body, Data, EndBody, Event, Request, Response, StreamClosed

from aibridge_adapters.http.answering import Wire
from aibridge_adapters.http.client_socket import ClientSocket
from aibridge_adapters.http.strict import RequestHead
from aibridge_adapters.http.writing import SWITCHING, AnswerWriter, switching

STREAM = 1
"""Of HTTP/1.1 there is only one, to hypercorn."""


class Upgraded:
    """Carries bytes both ways until either side ends it; the connection ends with it."""

    def __init__(self, request: RequestHead, wire: Wire, make: Callable[..., ClientSocket]) -> None:
        """`make` the WebSocket, from a function that takes what it says, and its number."""
        self._wire = wire
        self._writer = AnswerWriter(request)
        self._writer.keep_alive = False
        self._stream = make(self._send, STREAM)

    async def open(self, request: Request, rest: bytes) -> None:
        """Begin; `rest` is what has come already behind the request."""
        await self._stream.handle(request)
        await self.receive(rest)

    async def receive(self, data: bytes) -> None:
        """What the client sent."""
        if data:
            await self._stream.handle(Data(stream_id=STREAM, data=data))

    async def leave(self) -> None:
        """The client is gone, or sent away."""
        await self._stream.handle(StreamClosed(stream_id=STREAM))

    async def _send(self, event: Event) -> None:
        if isinstance(event, StreamClosed):
            await self.leave()
            await self._wire.close()
            return
        self._wire.write(self._written(event))
        await self._wire.flushed()
        if isinstance(event, EndBody):  # the upgrade is refused
            await self._wire.close()

    def _written(self, event: Event) -> bytes:
        if isinstance(event, Data):
            return event.data
        if isinstance(event, Body):
            return self._writer.data(event.data)
        if isinstance(event, EndBody):
            return self._writer.end()
        if isinstance(event, Response) and event.status_code == SWITCHING:
            return switching(event.headers)
        if isinstance(event, Response):
            return self._writer.begin(event.status_code, event.headers)
        return b""
