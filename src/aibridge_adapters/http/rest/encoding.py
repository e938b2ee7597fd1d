"""Writes long lists as JSON without holding up the event loop.

Belongs here: pacing. Never: which fields there are (`shapes.py`).
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
from anyio.lowlevel import checkpoint
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")

PIECE = 64 * 1024
"""Bytes encoded before others get their turn: well under a millisecond of work."""


async def encode_rows(rows: Sequence[T], present: Callable[[T], msgspec.Struct]) -> list[bytes]:
    """The rows, comma-separated, in pieces of about `PIECE` bytes; waits for a turn after each piece."""
    pieces: list[bytes] = []
    piece = bytearray()
    for number, row in enumerate(rows):
        if number:
            piece += b","
        piece += msgspec.json.encode(present(row))
        if len(piece) >= PIECE:
            pieces.append(bytes(piece))
            piece.clear()
            await checkpoint()
    return [*pieces, bytes(piece)]


class PiecewiseJson(Response):
    """A body that is there in pieces; joined, a page of long prompts would be in memory twice."""

    media_type = "application/json"

    def __init__(self, pieces: Sequence[bytes]) -> None:
        super().__init__(headers={"content-length": str(sum(map(len, pieces)))})
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send one piece after the other; waits while the client reads slowly."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
