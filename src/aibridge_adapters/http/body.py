"""Reads a request's body, within bounds.

Belongs here: how much is read. Never: what it says, nor what a refused client still sends (that is the server's).
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from aibridge_adapters.deadlines import Deadlines
from aibridge_core.errors import MalformedRequest, RequestTooLarge, RequestTooSlow
from aibridge_core.wire import Headers, header

BODY_TIMEOUT: Final = 60.0
"""Seconds for a body; see `BodyReader`."""
SLOWEST: Final = 16 * 1024
"""Bytes a second that win a body more time; a slow modem."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Piece = tuple[bytes, bool]
"""Some of a body, and whether more follows."""


class ClientLeft(Exception):
    """The client closed its connection before its request was complete."""


class BodyReader:
    """Reads the bodies of all requests."""

    def __init__(self, *, limit: int, patience: float = BODY_TIMEOUT) -> None:
        """`limit`: in bytes. `patience`: seconds until a body's end, and one more for each `SLOWEST` bytes that have
        come; 0: no limit.
        """
        self._limit = limit
        self._deadlines = Deadlines(patience) if patience else None

    async def read(self, headers: Headers, receive: Receive) -> bytes:
        """The whole body.

        Raises RequestTooLarge as soon as it passes the limit, RequestTooSlow, MalformedRequest, ClientLeft.
        """
        _check_length(header(headers, b"content-length"), self._limit)
        if self._deadlines is None:
            return await self._whole(receive, await _piece(receive), None)
        deadline = self._deadlines.wait()
        try:
            with deadline:
                first = await _piece(receive)  # nearly always all of it: a timer of its own would cost 4 us
        except TimeoutError:
            raise _too_slow(0) from None
        return await self._whole(receive, first, deadline.due)

    async def _whole(self, receive: Receive, first: Piece, latest: float | None) -> bytes:
        """`latest`: when the body has to be there, in the loop's time, but for what its size wins it."""
        piece, more = first
        if len(piece) > self._limit:
            raise _too_large(self._limit)
        return await self._joined(receive, piece, latest) if more else piece

    async def _joined(self, receive: Receive, first: bytes, latest: float | None) -> bytes:
        pieces, size, more = [first], len(first), True
        try:
            async with asyncio.timeout_at(latest) as deadline:
                while more:
                    if latest is not None:
                        deadline.reschedule(latest + size / SLOWEST)
                    piece, more = await _piece(receive)
                    size += len(piece)
                    if size > self._limit:
                        raise _too_large(self._limit)
                    pieces.append(piece)
        except TimeoutError:
            raise _too_slow(size) from None
        return b"".join(pieces)


async def _piece(receive: Receive) -> Piece:
    """What has come, and whether more follows."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientLeft
    return message.get("body", b""), bool(message.get("more_body"))


def _check_length(declared: str | None, limit: int) -> None:
    if declared is None:
        return
    if not (declared.isascii() and declared.isdigit()):
        raise MalformedRequest(f"content-length {declared!r} is not a number")
    if int(declared) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"Request body too large. The maximum allowed request body size is {limit} bytes.")


def _too_slow(size: int) -> RequestTooSlow:
    return RequestTooSlow(f"the request's body came too slowly: {size} bytes by now")
