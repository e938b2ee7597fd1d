"""Reads a request's body, within bounds.

Belongs here: how much is read. Never: what it says, nor what a refused client still sends (that is the server's).
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from aibridge_core.errors import MalformedRequest, RequestTooLarge
from aibridge_core.wire import Headers, header


class ClientLeft(Exception):
    """The client closed its connection before its request was complete."""


async def read_body(
    headers: Headers, receive: Callable[[], Awaitable[MutableMapping[str, Any]]], *, limit: int
) -> bytes:
    """The whole body. Raises RequestTooLarge as soon as it passes `limit` bytes, MalformedRequest, ClientLeft."""
    _check_length(header(headers, b"content-length"), limit)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        pieces.append(piece)
        if not message.get("more_body"):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _check_length(declared: str | None, limit: int) -> None:
    if declared is None:
        return
    if not (declared.isascii() and declared.isdigit()):
        raise MalformedRequest(f"content-length {declared!r} is not a number")
    if int(declared) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"Request body too large. The maximum allowed request body size is {limit} bytes.")
