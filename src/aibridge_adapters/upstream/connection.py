"""One HTTP/1.1 connection: bytes of a socket in, heads and bodies out. One exchange at a time.

Belongs here: what happens on an open connection (RFC 9112). Never: how it was opened (`dialling`), when it is used
again (`pool`), or a word about AI.

llhttp reads, the parser of Node and so of most clients: an answer that they can read can be read here, and some that
they can't. Bytes are parsed as they come in, so that everything one read has brought reaches the relay as one piece: on
fast streams that is several times cheaper than a piece for each HTTP chunk.
"""

import asyncio
import select
from collections.abc import Callable
from functools import partial
from typing import Final, cast

import httpx
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from aibridge_adapters.upstream.heads import Headers
from aibridge_adapters.upstream.patience import Bell, Patience
from aibridge_core.wire import AnswerHead

MAX_HEAD: Final = 256 * 1024
"""Longest answer head, in bytes, and the most that may come between two pieces of a body and be none of it."""
HIGH_WATER: Final = 256 * 1024
"""Body bytes waiting for the relay, above which the socket isn't read: a slow client slows its provider down."""
SLICE: Final = 256 * 1024
"""A request body is handed to the socket in pieces of this many bytes."""

_BODILESS: Final = frozenset({b"HEAD", b"CONNECT"})
"""Methods whose answers end with their head (RFC 9112, section 6.3); a refused CONNECT is not used again anyway."""


_SAID_BETTER: Final = {"Expected HTTP/, RTSP/ or ICE/": "It does not begin as HTTP does"}


class Garbled(httpx.RemoteProtocolError):
    """Something came in place of an answer's head: the other side has read the request, and may have worked on it."""


class Connection(asyncio.Protocol):
    """An open connection. `absolute_form` and `proxy_headers` are for one that leads to a forwarding proxy."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.transport: asyncio.Transport
        self.absolute_form = False
        self.proxy_headers: Headers = ()
        self.idle_since = 0.0
        self._bell = Bell(loop)
        self._writable = True
        self._failure: Callable[[], httpx.TransportError] | None = None
        """Makes the error. One that was kept would hold, by its traceback, on to all that waited for an answer."""
        self._parser: HttpResponseParser | None = self._new_parser()
        self._reset()

    def _new_parser(self) -> HttpResponseParser:
        """Takes what small inference servers send and no reader can take for something else."""
        parser = HttpResponseParser(self)
        parser.set_dangerous_leniencies(
            lenient_chunked_length=True,  # beside chunks, a length counts for nothing (RFC 9112, section 6.3)
            lenient_optional_cr_before_lf=True,  # section 2.2
            lenient_spaces_after_chunk_size=True,
        )
        return parser

    def _reset(self) -> None:
        self._asked = False
        self._sent = False
        self._bodiless = False
        self._head: AnswerHead | None = None
        self._lines: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._held = 0
        self._heard = False
        self._fruitless = 0
        """Bytes that came since there was last something for the relay."""
        self._ends_with_connection = False
        self._complete = False
        self._lasting = False
        """Whether the other side will take another request."""

    # What the relay does with it

    async def send(self, method: bytes, head: bytes, body: bytes, patience: Patience) -> None:
        """Send a request. Returns early if the answer came before the whole body was sent.

        Raises httpx.WriteTimeout, TimeoutError.
        """
        self._asked = True
        self._bodiless = method in _BODILESS
        self.transport.write(head + body[:SLICE] if body else head)
        for start in range(SLICE, len(body), SLICE):
            while not (self._writable or self._head or self._failure):
                await self._bell.wait(patience, httpx.WriteTimeout)
            if self._head or self._failure:
                return
            self.transport.write(body[start : start + SLICE])
        self._sent = True

    async def head(self, patience: Patience) -> AnswerHead:
        """Await status and headers. Raises TimeoutError, httpx.TransportError: Garbled if bytes came that are none."""
        while self._head is None:
            if self._failure:
                raise self._failure()
            await self._bell.wait(patience, httpx.ReadTimeout)
        return self._head

    async def body(self, patience: Patience) -> bytes:
        """All of the body that has come since the last call, or the next piece; empty at the end.

        Raises TimeoutError, httpx.TransportError.
        """
        while not self._pieces:
            if self._complete:
                return b""
            if self._failure:
                raise self._failure()
            await self._bell.wait(patience, httpx.ReadTimeout)
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
        if not (self._sent and self._complete and self._lasting) or self.transport.is_closing():
            self.abort()
            return False
        if self._held > HIGH_WATER:  # nobody came for the answer, so the socket isn't read
            self.transport.resume_reading()
        if self._bodiless:  # the parser waits for the body that the head announced
            self._parser = self._new_parser()
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

    def leave(self) -> None:
        """The bytes are another protocol's from now on, so this hears no end."""
        self._bell.stop()
        self._parser = None  # it holds methods of this object, and so both would wait for garbage collection

    # What the event loop does with it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by name

    def data_received(self, data: bytes) -> None:
        if not self._asked:  # a server that says goodbye, or a broken one
            self.abort()
        elif self._complete:  # more than the answer
            self._lasting = False
        elif self._parser and not self._failure:
            self._heard = True
            self._fruitless += len(data)
            self._parse(self._parser, data)
            if self._held > HIGH_WATER:
                self.transport.pause_reading()
            self._bell.ring()

    def _parse(self, parser: HttpResponseParser, data: bytes) -> None:
        try:
            parser.feed_data(data)
        except HttpParserError as error:
            # The parser's texts are fixed. It quotes nothing of the provider's, which might hold the key it was sent.
            self._refuse(_SAID_BETTER.get(str(error), str(error)))
        except HttpParserUpgrade:
            self._refuse("It switches to another protocol")
        else:
            if self._fruitless > MAX_HEAD:
                self._refuse("Its head is too large" if self._head is None else "Its chunks are announced at length")

    def eof_received(self) -> None:
        if not self._asked or self._complete:
            return
        if self._ends_with_connection:
            self._complete = True
            self._bell.ring()
        elif self._head is not None:
            self._fail("the connection was closed before its end")
        else:
            said = "in the middle of its answer's head" if self._heard else "without an answer"
            self._fail(f"it closed the connection {said}")

    def connection_lost(self, exc: Exception | None) -> None:
        self.leave()
        if not self._complete:
            self._fail("the connection was reset" if exc else "the connection was closed", httpx.ReadError)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._bell.ring()

    # What the parser does with it

    def on_message_begin(self) -> None:
        if self._complete:  # another answer, to a question that nobody has asked
            self._lasting = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is None:  # else it stands behind the last chunk, where nobody looks
            self._lines.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        parser = self._parser
        if parser is None or self._complete:
            return
        status, headers = parser.get_status_code(), tuple(self._lines)
        self._lines.clear()
        if status < 200:
            return
        framing = [value.lower() for name, value in headers if name == b"transfer-encoding"]
        if framing not in ([], [b"chunked"]):
            self._refuse("It has an unknown transfer coding")
            return
        self._fruitless = 0
        measured = any(name == b"content-length" for name, _ in headers)
        self._lasting = parser.should_keep_alive() and not (framing and measured)  # RFC 9112, section 6.1
        self._ends_with_connection = not framing and not measured
        self._complete = self._bodiless
        self._head = AnswerHead(status=status, headers=headers)

    def on_body(self, data: bytes) -> None:
        if self._complete:
            self._lasting = False
        else:
            self._pieces.append(data)
            self._held += len(data)
            self._fruitless = 0

    def on_message_complete(self) -> None:
        if self._head is not None:
            self._complete = True

    def _refuse(self, why: str) -> None:
        """What came is no HTTP. Nothing behind the end of an answer can spoil it."""
        if self._complete:
            self._lasting = False
        else:
            self._fail(f"its answer is not valid HTTP: {why[:1].lower()}{why[1:]}")

    def _fail(self, text: str, kind: type[httpx.TransportError] = httpx.RemoteProtocolError) -> None:
        if self._failure is None:
            begun = self._head is None and self._heard
            self._failure = partial(Garbled if begun else kind, text)
        self._bell.ring()


def _readable(descriptor: int) -> bool:
    """Whether bytes, or the end of the stream, are waiting to be read."""
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
