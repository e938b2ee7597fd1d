"""Reads a request's body, within bounds.

Belongs here: how much is read. Never: what it says, nor what a refused client still sends (that is the server's).
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from aibridge_core.errors import MalformedRequest, RequestTooLarge, RequestTooSlow
from aibridge_core.wire import Headers, header

BODY_TIMEOUT: Final = 60.0
"""Seconds for a body; see `read_body`."""
SLOWEST: Final = 16 * 1024
"""Bytes a second that win a body more time; a slow modem."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientLeft(Exception):
    """The client closed its connection before its request was complete."""


async def read_body(headers: Headers, receive: Receive, *, limit: int, patience: float = BODY_TIMEOUT) -> bytes:
    """The whole body.

    `patience`: seconds until its end, and one more for each `SLOWEST` bytes that have come; 0: no limit. Raises
    RequestTooLarge as soon as it passes `limit` bytes, RequestTooSlow, MalformedRequest, ClientLeft.
    """
    _check_length(header(headers, b"content-length"), limit)
    pieces: list[bytes] = []
    size = 0
    more = True
    latest = asyncio.get_running_loop().time() + patience if patience else None
    try:
        async with asyncio.timeout_at(latest) as deadline:
            while more:
                piece, more = await _piece(receive)
                size += len(piece)
                if size > limit:
                    raise _too_large(limit)
                pieces.append(piece)
                if latest is not None and more:
                    deadline.reschedule(latest + size / SLOWEST)
    except TimeoutError:
        raise RequestTooSlow(f"the request's body came too slowly: {size} bytes by now") from None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _piece(receive: Receive) -> tuple[bytes, bool]:
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
