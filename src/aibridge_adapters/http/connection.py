"""One client connection on hypercorn, whatever protocol it speaks.

Belongs here: the differences to hypercorn's own connection, each with its reason. Never: listening, a protocol
(`http1`, `http2`), or the application.
"""

import asyncio
from contextlib import suppress
from typing import Final

from attrs import astuple
from hypercorn.asyncio.tcp_server import MAX_RECV, TCPServer
from hypercorn.config import Config
from hypercorn.events import Closed, Event, Updated
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr

from aibridge_adapters.http.exchange import ExchangeTasks
from aibridge_adapters.http.http1 import Http1, Surroundings
from aibridge_adapters.http.http2 import Http2

HEADER_TIMEOUT: Final = 15.0
"""Seconds for a request's head, from its first byte on."""
MAX_MESSAGE: Final = 32 * 1024 * 1024
"""Longest message on a WebSocket, in characters, where nobody says another."""


class ClientConnection(TCPServer):
    """A connection and its requests; `run` ends when it is closed."""

    protocol: Http1 | Http2  # type: ignore[assignment]

    def __init__(self, *args: object, header_timeout: float = HEADER_TIMEOUT) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._header_timeout = header_timeout
        self._idle_since: float | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._head_timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve until either side closes."""
        try:
            self._task_group = tasks = ExchangeTasks(self.loop)
            self.protocol = self._new_protocol(tasks)  # inside, the error for a client that is gone would be a group
            async with tasks:
                await self.protocol.initiate()
                self.idle()
                await self._read_data()
        except OSError:
            pass  # the client is gone; its requests learn of it by themselves
        except asyncio.CancelledError:
            self.writer.transport.abort()  # what a slow client has not read by now is lost
            raise
        finally:
            self._stop_watching()
            await self._close()

    async def _close(self) -> None:
        """A TLS client that goes on sending after the goodbye is an error to hypercorn."""
        with suppress(OSError):
            await super()._close()

    def _new_protocol(self, tasks: ExchangeTasks) -> Http1 | Http2:
        wire = self.writer.get_extra_info("socket")
        tls = self.writer.get_extra_info("ssl_object")
        around = Surroundings(
            app=self.app,
            config=self.config,
            context=self.context,
            tasks=tasks,
            state=ConnectionState(self.state),
            tls=tls is not None,
            client=parse_socket_addr(wire.family, wire.getpeername()),
            server=parse_socket_addr(wire.family, wire.getsockname()),
        )
        if tls is not None and tls.selected_alpn_protocol() == "h2":
            return Http2(*astuple(around, recurse=False), self.protocol_send)
        return Http1(around, self)

    async def _read_data(self) -> None:
        """hypercorn's holds on to the last piece of a request for as long as its answer takes."""
        while not self.reader.at_eof():
            try:
                piece = await self.reader.read(MAX_RECV)
            except OSError:
                break
            await self.protocol.receive(piece)
            del piece
            if self._idle_since is not None:
                self._hurry()
        await self.protocol.handle(Closed())

    def _hurry(self) -> None:
        """A request that has begun must go on sooner than one that hasn't; what trickles in wins no time."""
        protocol = self.protocol
        if self._header_timeout and not self._head_timer and isinstance(protocol, Http1) and protocol.waits_for_a_head:
            self._head_timer = self.loop.call_later(
                self._header_timeout, lambda: self._task_group.spawn(protocol.time_out)
            )

    async def protocol_send(self, event: Event) -> None:
        """Take what HTTP/2 says. hypercorn starts and cancels a task for each idle time; a timer does."""
        if not isinstance(event, Updated):
            await super().protocol_send(event)
        elif event.idle:
            self.idle()
        else:
            self.busy()

    def write(self, data: bytes) -> None:
        """Send without waiting. A client that is gone is noticed where the connection is read."""
        if not self.broken:
            self.writer.write(data)

    @property
    def broken(self) -> bool:
        """Whether nothing can be sent any more. A client that sends no more may still read."""
        return self.writer.is_closing()

    async def flushed(self) -> None:
        """Wait while the client is slow to read. One that is gone is told to the protocol."""
        try:
            await self.writer.drain()
        except (OSError, RuntimeError):  # a broken TLS record and a silent network are no ConnectionError
            await self.protocol.handle(Closed())

    async def close(self) -> None:
        """End the connection when everything is sent."""
        await self._close()

    def idle(self) -> None:
        """The connection waits for a request; for some time only.

        One timer looks again and again when that began: to start and cancel one between requests costs more.
        """
        self._idle_since = self.loop.time()
        if self._idle_timer is None:
            self._idle_timer = self.loop.call_later(self.config.keep_alive_timeout, self._look)
        if self.context.terminated.is_set():
            self._end()

    def busy(self) -> None:
        """A request has begun."""
        self._idle_since = None
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def close_if_idle(self) -> None:
        """The server is going down: close unless a request is running."""
        if self._idle_since is not None:
            self._end()

    def _look(self) -> None:
        self._idle_timer = None
        if self._idle_since is None or self._head_timer is not None:
            return  # `idle` sets the timer again
        left = self._idle_since + self.config.keep_alive_timeout - self.loop.time()
        if left > 0:
            self._idle_timer = self.loop.call_later(left, self._look)
        else:
            self._end()

    def _stop_watching(self) -> None:
        self.busy()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None

    def _end(self) -> None:
        self._stop_watching()
        self._task_group.spawn(self._initiate_server_close)


def hypercorn_config(*, keep_alive: float, max_message: int = MAX_MESSAGE) -> Config:
    """Settings of the protocols. Requests per connection are not limited, what a proxy in front may send is.

    `max_message`: of a WebSocket, in characters.
    """
    config = Config()
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    config.include_date_header = False  # a relayed answer has the provider's
    config.keep_alive_timeout = keep_alive
    config.keep_alive_max_requests = 2**62
    config.h2_max_header_list_size = 256 * 1024
    config.h2_max_concurrent_streams = 1000
    config.websocket_max_message_size = max_message
    return config
