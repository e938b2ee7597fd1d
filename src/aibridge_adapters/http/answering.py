"""The answer to one HTTP/1.1 request: from ASGI messages to bytes on their way.

Belongs here: what an application may say when, and when it goes out. Never: how it is written (`writing`), or what
comes after it on its connection (`http1`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from aibridge_adapters.http.exchange import Message
from aibridge_adapters.http.reading import RequestReader
from aibridge_adapters.http.strict import RequestHead
from aibridge_adapters.http.writing import AnswerWriter

NOTHING_SAID: Final = ((b"content-length", b"0"), (b"connection", b"close"))
"""Headers of the 500 for an application that returns without an answer."""


class Wire(Protocol):
    """What HTTP/1.1 needs of a connection."""

    def write(self, data: bytes) -> None:
        """Send without waiting."""

    async def flushed(self) -> None:
        """Wait while the client is slow to read."""

    @property
    def broken(self) -> bool:
        """Whether nothing can be sent any more."""

    def busy(self) -> None:
        """A request has begun."""

    def idle(self) -> None:
        """The next request may come."""

    async def close(self) -> None:
        """End the connection when everything is sent."""


class Answering:
    """Takes the application's messages.

    The head goes out with the first piece of the body if that comes in the same turn of the event loop, else at the
    end of the turn: for most answers one system call and one packet instead of two, and no head waits for its body.
    """

    def __init__(
        self, request: RequestHead, reader: RequestReader, wire: Wire, over: Callable[[bool], Awaitable[None]]
    ) -> None:
        """`over` is told, once, whether the connection can take another request."""
        self.begun = False
        self.gone = False
        """Whether nobody listens any more."""
        self.left = False
        """Whether the application was told that the client left, and need not answer."""
        self._writer = AnswerWriter(request)
        self._reader = reader
        self._wire = wire
        self._over = over
        self._ended = False
        self._held = b""

    async def send(self, message: Message | None) -> None:
        """Take a message; None: the application has returned. Raises InvalidAnswer, RuntimeError for a wrong order."""
        if self.gone:
            await asyncio.sleep(0)  # an application that goes on and on lets others run
        elif message is None:
            await self._returned()
        elif message["type"] == "http.response.body" and self.begun and not self._ended:
            await self._body(bytes(message.get("body", b"")), last=not message.get("more_body"))
        elif message["type"] == "http.response.start" and not self.begun:
            self._begin(message["status"], message.get("headers", ()))
            asyncio.get_running_loop().call_soon(self._release)
        else:
            raise RuntimeError(f"the application sent {message['type']} out of order")

    def _begin(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """An answer in place of the invitation is the last one of its connection (RFC 9110, section 10.1.1)."""
        if self._reader.waits_for_100:
            self._reader.waits_for_100 = False
            self._writer.keep_alive = False
        self._held = self._writer.begin(status, headers)
        self.begun = True

    def _release(self) -> None:
        held, self._held = self._held, b""
        if held and not self.gone:
            self._wire.write(held)

    async def _body(self, piece: bytes, *, last: bool) -> None:
        written = self._writer.data(piece)
        if last:
            written += self._writer.end()
            self._ended = True
        if written or (last and self._held):
            self._held += written
            self._release()
            await self._wire.flushed()
        if last and not self.gone:
            await self._over(self._writer.keep_alive)

    async def _returned(self) -> None:
        """hypercorn does the same: a 500, or an answer that breaks off with its connection."""
        if self._ended:
            return
        if not self.begun and not self.left:
            self._begin(500, NOTHING_SAID)
        self._ended = True
        self._release()
        await self._over(False)
