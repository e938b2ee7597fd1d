"""A client's WebSocket on hypercorn.

Belongs here: the differences to hypercorn's own, each with its reason. Never: what messages say.
"""

import asyncio
from typing import Final

from hypercorn.protocol.events import Event, StreamClosed
from hypercorn.protocol.ws_stream import ASGIWebsocketState, FrameTooLargeError, WSStream
from hypercorn.typing import WebsocketAcceptEvent
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping
from wsproto.frame_protocol import CloseReason

PING_EVERY: Final = 30.0
"""Seconds between pings: proxies forget connections that are silent for a minute, and models think for longer."""


class ClientSocket(WSStream):
    """Tells the application with which code and reason a client left; takes nothing that isn't bounded."""

    _ping: asyncio.TimerHandle | None = None
    _left: tuple[int, str] = (CloseReason.ABNORMAL_CLOSURE, "")

    async def handle(self, event: Event) -> None:
        """Take what the connection brings. hypercorn's tells applications a code of its own."""
        if not isinstance(event, StreamClosed) or self.closed:
            await super().handle(event)
            return
        self.closed = True
        self._stop_pings()
        if self.app_put is not None:
            code, reason = self._left
            await self.app_put({"type": "websocket.disconnect", "code": int(code), "reason": reason})

    async def _accept(self, message: WebsocketAcceptEvent) -> None:
        """Compression is not agreed to: a few bytes of it would be a thousand times as many in memory."""
        self.handshake.extensions = None
        await super()._accept(message)
        self._ping_later()

    async def _handle_events(self) -> None:
        for event in self.connection.events():
            if self.closed:
                return
            if isinstance(event, Message):
                await self._take(event)
            elif isinstance(event, Ping):
                await self._send_wsproto_event(event.response())
            elif isinstance(event, CloseConnection):
                await self._be_left(event)

    async def _take(self, event: Message) -> None:  # type: ignore[type-arg]
        """A message, or a piece of one. hypercorn's goes on collecting one that is too long already."""
        try:
            self.buffer.extend(event)
        except FrameTooLargeError:
            self.buffer.clear()
            reason = f"messages may be {self.config.websocket_max_message_size} long"
            await self._send_wsproto_event(CloseConnection(code=CloseReason.MESSAGE_TOO_BIG, reason=reason))
            await self.send(StreamClosed(stream_id=self.stream_id))
            return
        if event.message_finished and self.app_put is not None:
            await self.app_put(self.buffer.to_message())
            self.buffer.clear()

    async def _be_left(self, event: CloseConnection) -> None:
        """A close, or frames that are none; the latter are answered as well (RFC 6455, section 7.1.7)."""
        if self.connection.state is ConnectionState.REMOTE_CLOSING:
            self._left = (event.code, event.reason or "")
            await self._send_wsproto_event(event.response())
        elif self.connection.state is ConnectionState.OPEN:
            await self._send_wsproto_event(CloseConnection(code=event.code, reason=event.reason))
        await self.send(StreamClosed(stream_id=self.stream_id))

    def _ping_later(self) -> None:
        """hypercorn's pings are a task, which outlives the connection by the time between two."""
        self._ping = asyncio.get_running_loop().call_later(PING_EVERY, self._send_ping)

    def _send_ping(self) -> None:
        if self.state is ASGIWebsocketState.CONNECTED and not self.closed:
            self.task_group.spawn(self._send_wsproto_event, Ping())
            self._ping_later()

    def _stop_pings(self) -> None:
        if self._ping is not None:
            self._ping.cancel()


def ours(stream: object) -> object:
    """Our own in place of hypercorn's, which it makes itself; anything else as it is."""
    if type(stream) is not WSStream:
        return stream
    return ClientSocket(
        stream.app,
        stream.config,
        stream.context,
        stream.task_group,
        stream.scheme == "wss",
        stream.client,
        stream.server,
        stream.send,
        stream.stream_id,
    )
