"""HTTP/2 on hypercorn.

Belongs here: the differences to hypercorn's own protocol, each with its reason. Never: sockets, timeouts, or the
application.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from h2.errors import ErrorCodes
from h2.events import DataReceived, PingReceived, PriorityUpdated, RemoteSettingsChanged, StreamReset
from h2.events import Event as H2Event
from h2.exceptions import ProtocolError
from hypercorn.events import Closed, RawData
from hypercorn.protocol.events import EndBody, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h2 import H2Protocol

from aibridge_adapters.http.client_socket import ours

MAX_CHORES: Final = 500
"""Most frames within `CHORES_WITHIN` seconds that are work for the server and bring no request on."""
CHORES_WITHIN: Final = 10.0


class _Gone:
    """Takes what a client still sends on an HTTP/2 stream that is over; hypercorn would end the connection."""

    idle = True

    async def handle(self, event: object) -> None:
        """Drop it."""


class _Streams(dict[int, object]):
    def __setitem__(self, stream_id: int, stream: object) -> None:
        super().__setitem__(stream_id, ours(stream))

    def __missing__(self, stream_id: int) -> _Gone:
        return _Gone()


class Http2(H2Protocol):
    """HTTP/2. An answer that breaks off is reset, where hypercorn would leave the client waiting for ever."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.streams = _Streams()  # type: ignore[assignment]
        self._answered: set[int] = set()
        self._chores: deque[float] = deque(maxlen=MAX_CHORES)

    async def receive(self, data: bytes) -> None:
        """What the client sent."""
        await self.handle(RawData(data))

    async def _handle_events(self, events: list[H2Event]) -> None:
        """Take what a client sent. One that only makes work is sent away (RFC 9113, section 10.5)."""
        if self._is_flooded_by(events):
            self.connection.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            await self._flush()
            await self.send(Closed())
        else:
            await super()._handle_events(events)

    def _is_flooded_by(self, events: Sequence[H2Event]) -> bool:
        chores = sum(1 for event in events if _is_chore(event))
        if not chores:
            return False
        now = asyncio.get_running_loop().time()
        self._chores.extend([now] * chores)
        return len(self._chores) == MAX_CHORES and now - self._chores[0] < CHORES_WITHIN

    async def stream_send(self, event: StreamEvent) -> None:
        """Take what an exchange sends."""
        if isinstance(event, EndBody):
            self._answered.add(event.stream_id)
        elif isinstance(event, StreamClosed):
            if event.stream_id not in self._answered and event.stream_id in self.stream_buffers:
                await self._break_off(event.stream_id)
            self._answered.discard(event.stream_id)
        await super().stream_send(event)

    async def _break_off(self, stream_id: int) -> None:
        """Send what is buffered, then RST_STREAM (RFC 9113, section 5.4.2)."""
        buffer = self.stream_buffers[stream_id]
        await self._run_sender(stream_id)
        await buffer.drain()
        try:
            self.connection.reset_stream(stream_id, ErrorCodes.INTERNAL_ERROR)
        except ProtocolError:
            return  # the client was faster
        await self._flush()
        await self._run_sender(stream_id)  # it finds the stream closed and forgets it

    async def _run_sender(self, stream_id: int) -> None:
        self.priority.unblock(stream_id)
        await self.has_data.set()


def _is_chore(event: H2Event) -> bool:
    """A stream that is begun to be reset, an empty piece of a body, a question that must be answered."""
    if isinstance(event, DataReceived):
        return not event.data and event.stream_ended is None
    return isinstance(event, StreamReset | PingReceived | RemoteSettingsChanged | PriorityUpdated)
