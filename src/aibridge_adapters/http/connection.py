"""One client connection on hypercorn, HTTP/1.1 or HTTP/2.

Belongs here: the differences to hypercorn's own connection, each with its reason. Never: listening, or the
application.
"""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import h11
from h2.errors import ErrorCodes
from h2.events import DataReceived, PingReceived, PriorityUpdated, RemoteSettingsChanged, StreamReset
from h2.events import Event as H2Event
from h2.exceptions import ProtocolError
from hypercorn.asyncio.tcp_server import MAX_RECV, TCPServer
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import EndBody, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr

from aibridge_adapters.http.client_socket import ours
from aibridge_adapters.http.exchange import ExchangeTasks
from aibridge_adapters.http.strict import StrictConnection

HEADER_TIMEOUT: Final = 15.0
"""Seconds for a request's head, from its first byte on."""
MAX_CHORES: Final = 500
"""Most frames within `CHORES_WITHIN` seconds that are work for the server and bring no request on."""
CHORES_WITHIN: Final = 10.0

REASONS: Final = {
    400: "the request is not valid HTTP/1.1",
    408: "the request's headers did not come in time",
    431: "the request's headers are too large",
    501: "only Transfer-Encoding: chunked is known",
}
"""Why a request is refused before any application sees it, unless somebody said it better."""

MAX_MESSAGE: Final = 32 * 1024 * 1024
"""Longest message on a WebSocket, in characters, where nobody says another."""


class Http1(H11Protocol):
    """HTTP/1.1."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.connection = StrictConnection()

    @property
    def stream(self) -> Any:
        """What the request is to hypercorn."""
        return self._stream

    @stream.setter
    def stream(self, stream: object) -> None:
        self._stream = ours(stream)

    @property
    def waits_for_a_head(self) -> bool:
        """Whether a request has begun and its head is not complete."""
        return isinstance(self.connection, StrictConnection) and self.connection.has_begun

    async def time_out(self) -> None:
        """The head took too long."""
        if self.waits_for_a_head:
            await self._send_error_response(408)
        await self.send(Closed())

    async def _send_error_response(self, status_code: int) -> None:
        """hypercorn's says nothing but the status."""
        fault = getattr(self.connection, "fault", "") or REASONS.get(status_code, REASONS[400])
        body = json.dumps({"error": {"type": "invalid_request_error", "message": f"Refused: {fault}."}}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        await self._send_h11_event(h11.Response(status_code=status_code, headers=headers))
        await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())

    async def _check_protocol(self, event: object) -> None:
        """HTTP/2 comes by TLS only: a request to upgrade to it in clear text is served as it is (RFC 9110, 7.8)."""


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


class ClientConnection(TCPServer):
    """A connection and its requests; `run` ends when it is closed."""

    def __init__(self, *args: object, header_timeout: float = HEADER_TIMEOUT) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._header_timeout = header_timeout
        self._idle_timer: asyncio.TimerHandle | None = None
        self._hurried = False

    async def run(self) -> None:
        """Serve until either side closes."""
        try:
            tasks = ExchangeTasks(self.loop)
            async with tasks:
                self._task_group = tasks
                self.protocol = self._new_protocol(tasks)  # type: ignore[assignment]
                await self.protocol.initiate()
                self._watch_idle()
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

    def _new_protocol(self, tasks: ExchangeTasks) -> H11Protocol | H2Protocol:
        wire = self.writer.get_extra_info("socket")
        tls = self.writer.get_extra_info("ssl_object")
        kind = Http2 if tls is not None and tls.selected_alpn_protocol() == "h2" else Http1
        return kind(
            self.app,
            self.config,
            self.context,
            tasks,
            ConnectionState(self.state),
            tls is not None,
            parse_socket_addr(wire.family, wire.getpeername()),
            parse_socket_addr(wire.family, wire.getsockname()),
            self.protocol_send,
        )

    async def _read_data(self) -> None:
        """hypercorn's holds on to the last piece of a request for as long as its answer takes."""
        while not self.reader.at_eof():
            try:
                piece = RawData(await self.reader.read(MAX_RECV))
            except OSError:
                break
            await self.protocol.handle(piece)
            del piece
            if self._idle_timer and not self._hurried:
                self._hurry()
        await self.protocol.handle(Closed())

    def _hurry(self) -> None:
        """A request that has begun must go on sooner than one that hasn't; what trickles in wins no time."""
        protocol = self.protocol
        if self._header_timeout and isinstance(protocol, Http1) and protocol.waits_for_a_head:
            self._stop_watching()
            self._hurried = True
            self._idle_timer = self.loop.call_later(
                self._header_timeout, lambda: self._task_group.spawn(protocol.time_out)
            )

    async def protocol_send(self, event: Event) -> None:
        """Take what the protocol says. hypercorn starts and cancels a task for each idle time; a timer does."""
        if not isinstance(event, Updated):
            await super().protocol_send(event)
        elif event.idle:
            self._watch_idle()
        else:
            self._stop_watching()

    def close_if_idle(self) -> None:
        """The server is going down: close unless a request is running."""
        if self._idle_timer is not None:
            self._end()

    def _watch_idle(self) -> None:
        self._stop_watching()
        self._idle_timer = self.loop.call_later(self.config.keep_alive_timeout, self._end)
        if self.context.terminated.is_set():
            self._end()

    def _stop_watching(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
            self._hurried = False

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
