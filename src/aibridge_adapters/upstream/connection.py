"""One HTTP/1.1 connection: bytes of a socket in, heads and bodies out. One exchange at a time.

Belongs here: what happens on an open connection (RFC 9112). Never: how it was opened (`dialling`), when it is used
again (`transport`), or a word about AI.

h11 knows the protocol. Bytes are parsed as they come in, so that everything one read has brought reaches the relay
as one piece: on fast streams that is several times cheaper than a piece for each HTTP chunk.
"""

import asyncio
import select
from collections.abc import Sequence
from typing import Final, cast

import h11
import httpx

MAX_HEAD: Final = 256 * 1024
"""Longest answer head, in bytes."""
HIGH_WATER: Final = 256 * 1024
"""Body bytes waiting for the relay, above which the socket isn't read: a slow client slows its provider down."""
SLICE: Final = 256 * 1024
"""A request body is handed to the socket in pieces of this many bytes."""

Headers = Sequence[tuple[bytes, bytes]]


class Garbled(httpx.RemoteProtocolError):
    """Something came in place of an answer's head: the other side has read the request, and may have worked on it."""


class Connection(asyncio.Protocol):
    """An open connection. `absolute_form` and `proxy_headers` are for one that leads to a forwarding proxy.

    `patience` is how long the other side may be silent, in seconds; None means for ever.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.transport: asyncio.Transport
        self.absolute_form = False
        self.proxy_headers: Headers = ()
        self.idle_since = 0.0
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None
        self._writable = True
        self._failure: httpx.TransportError | None = None
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._reset()

    def _reset(self) -> None:
        self._head: h11.Response | None = None
        self._pieces: list[bytes | bytearray] = []
        self._held = 0
        self._heard = False
        self._complete = False

    # What the relay does with it

    async def send(self, request: h11.Request, body: bytes, patience: float | None) -> None:
        """Send a request. Returns early if the answer came before the whole body was sent.

        Raises httpx.WriteTimeout, and httpx.LocalProtocolError if HTTP can't carry this request.
        """
        try:
            head = self._http.send(request)
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError("HTTP does not allow one of its headers") from error
        self.transport.write((head or b"") + self._framed(body[:SLICE]))
        for start in range(SLICE, len(body), SLICE):
            while not (self._writable or self._head or self._failure):
                await self._wait(patience, httpx.WriteTimeout)
            if self._head or self._failure:
                return
            self.transport.write(self._framed(body[start : start + SLICE]))
        self._http.send(h11.EndOfMessage())

    def _framed(self, piece: bytes) -> bytes:
        return (self._http.send(h11.Data(data=piece)) or b"") if piece else b""

    async def head(self, patience: float | None) -> h11.Response:
        """Await status and headers. Raises httpx.TransportError: Garbled if bytes came that are none."""
        while self._head is None:
            if self._failure:
                raise self._failure
            await self._wait(patience, httpx.ReadTimeout)
        return self._head

    async def body(self, patience: float | None) -> bytes:
        """All of the body that has come since the last call, or the next piece; empty at the end.

        Raises httpx.TransportError.
        """
        while not self._pieces:
            if self._complete:
                return b""
            if self._failure:
                raise self._failure
            await self._wait(patience, httpx.ReadTimeout)
        data = b"".join(self._pieces)
        self._pieces.clear()
        if self._held > HIGH_WATER:
            self.transport.resume_reading()
        self._held = 0
        return data

    @property
    def answered(self) -> bool:
        """Whether the whole answer has come."""
        return self._complete

    @property
    def silent(self) -> bool:
        """Whether nothing of an answer has come."""
        return self._head is None and not self._heard

    def recycle(self) -> bool:
        """Get ready for another exchange; if HTTP forbids that, close and return False."""
        both_done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if not both_done or self.transport.is_closing() or self._http.trailing_data[0]:
            self.abort()
            return False
        self._http.start_next_cycle()
        self._reset()
        return True

    @property
    def usable(self) -> bool:
        """Whether an idle connection still stands, as far as can be seen from this side.

        The poll catches a close that the event loop has not come to yet.
        """
        return not self.transport.is_closing() and not _readable(self.transport.get_extra_info("socket").fileno())

    def abort(self) -> None:
        """Close at once."""
        self.transport.abort()

    # What the event loop does with it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by name

    def data_received(self, data: bytes) -> None:
        if self._http.our_state is h11.IDLE:  # nothing was asked: a server that says goodbye, or a broken one
            self.abort()
            return
        self._heard = True
        self._http.receive_data(data)
        self._parse()

    def eof_received(self) -> None:
        if self._http.our_state is not h11.IDLE and not self._complete:
            if self._head is not None:
                self._http.receive_data(b"")
                self._parse()
            else:
                said = "in the middle of its answer's head" if self._heard else "without an answer"
                self._fail(httpx.RemoteProtocolError(f"it closed the connection {said}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._complete:
            self._fail(httpx.ReadError("the connection was reset" if exc else "the connection was closed"))

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._wake()

    def _parse(self) -> None:
        try:
            while not self._complete:
                event = self._http.next_event()
                if isinstance(event, h11.Data):
                    self._pieces.append(event.data)
                    self._held += len(event.data)
                elif isinstance(event, h11.Response):
                    self._head = event
                elif isinstance(event, h11.EndOfMessage):
                    self._complete = True
                elif not isinstance(event, h11.InformationalResponse):
                    break
        except h11.RemoteProtocolError as error:
            closed = self._http.trailing_data[1]  # then nothing came that could be wrong, only too little
            # What h11 quotes behind the colon is the provider's, and might hold the key that it was sent.
            wrong = f"its answer is not valid HTTP: {str(error).partition(':')[0]}"
            fault = "the connection was closed before its end" if closed else wrong
            self._fail(httpx.RemoteProtocolError(fault))
        if self._held > HIGH_WATER:
            self.transport.pause_reading()
        self._wake()

    def _fail(self, error: httpx.TransportError) -> None:
        if self._failure is None:
            begun = self._head is None and self._heard
            self._failure = Garbled(str(error)) if begun else error
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, patience: float | None, error: type[httpx.TimeoutException]) -> None:
        """Until something happens, at most `patience` seconds. A bare timer costs a tenth of a timeout context."""
        waiter = self._waiter = self._loop.create_future()
        timer = self._loop.call_later(patience, _expire, waiter, error) if patience else None
        try:
            await waiter
        finally:
            self._waiter = None
            if timer:
                timer.cancel()


def _expire(waiter: asyncio.Future[None], error: type[httpx.TimeoutException]) -> None:
    if not waiter.done():
        waiter.set_exception(error("silent for too long"))


def _readable(descriptor: int) -> bool:
    """Whether bytes, or the end of the stream, are waiting to be read."""
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
