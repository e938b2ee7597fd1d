"""Reads a request's body, within bounds.

Belongs here: how much is read. Never: what it says.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio

from aibridge_core.errors import MalformedRequest, RequestTooLarge
from aibridge_core.wire import Headers, header

PATIENCE = 10.0
"""Seconds that a refused client may go on sending its body."""


class ClientLeft(Exception):
    """The client closed its connection before its request was complete."""


class RequestBody:
    """The body of one request, read at most once. `limit` is in bytes."""

    def __init__(self, receive: Callable[[], Awaitable[MutableMapping[str, Any]]], *, limit: int) -> None:
        self.receive = receive
        self._limit = limit
        self._over = False

    async def read(self, headers: Headers) -> bytes:
        """The whole body. Raises RequestTooLarge as soon as it passes the limit, MalformedRequest, ClientLeft."""
        self._check_length(header(headers, b"content-length"))
        pieces: list[bytes] = []
        size = 0
        while not self._over:
            piece = await self._piece()
            size += len(piece)
            if size > self._limit:
                raise self._too_large()
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def discard(self) -> None:
        """Read what is left and forget it, for a while and up to the limit.

        Closing a connection on a client that still sends resets it, and the client never sees why it was refused.
        """
        size = 0
        with anyio.move_on_after(PATIENCE):
            while not self._over and size <= self._limit:
                try:
                    size += len(await self._piece())
                except ClientLeft:
                    return

    async def _piece(self) -> bytes:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            self._over = True
            raise ClientLeft
        self._over = not message.get("more_body")
        piece: bytes = message.get("body", b"")
        return piece

    def _check_length(self, declared: str | None) -> None:
        if declared is None:
            return
        if not (declared.isascii() and declared.isdigit()):
            raise MalformedRequest(f"content-length {declared!r} is not a number")
        if int(declared) > self._limit:
            raise self._too_large()

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(f"Request body too large. The maximum allowed request body size is {self._limit} bytes.")
