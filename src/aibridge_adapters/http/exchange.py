"""One ASGI call on hypercorn: what the server hands to the application, and what comes back.

Belongs here: the places where hypercorn's own hand-over falls short of what a gateway needs. Never: sockets, or a
word about AI.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from functools import lru_cache
from time import monotonic
from typing import Any, Final

from hypercorn.asyncio.task_group import TaskGroup
from hypercorn.config import Config
from hypercorn.typing import AppWrapper, ASGIReceiveEvent, ASGISendEvent, Scope

from aibridge_adapters.http.reply import ON_DISCONNECT

QUEUED: Final = 10
"""Pieces of a request body (each at most what one read brings, 64 KiB) that wait for the application."""
LINGER: Final = 5.0
"""Seconds for which the rest of a request is read and dropped after its answer."""

Message = MutableMapping[str, Any]
Deliver = Callable[[Any], Awaitable[None]]

_log = logging.getLogger("aibridge.http")


class Inbox:
    """What a client sends, until the application asks for it.

    hypercorn's queue waits for room even to say that the client has left or that the answer is out. An application
    that answers before it has read the request (413) would wait for itself for ever.
    """

    def __init__(self, invite: Callable[[], Awaitable[None]]) -> None:
        """`invite` the client to send its body, which it may wait for."""
        self.complete = False
        """Whether the end of the request has come, or can't come any more."""
        self._invite = invite
        self._waiting: deque[Message] = deque()
        self._left: Message | None = None
        self._on_left: Callable[[], None] = _nothing
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, message: Any) -> None:
        """Take a message of the server; waits while `QUEUED` others wait."""
        if message["type"].endswith(".disconnect"):
            self._left = message
            self.complete = True
            self._room.set()
            self._on_left()
        else:
            while len(self._waiting) >= QUEUED and not self._left:
                self._room.clear()
                await self._room.wait()
            self._waiting.append(message)
            self.complete = not message.get("more_body")
        self._arrived.set()

    def finish(self) -> None:
        """The answer is out: whoever still asks is told that nothing will come, and nobody is called back."""
        self._on_left = _nothing
        self._left = {"type": "http.disconnect"}
        self.complete = True
        self._room.set()
        self._arrived.set()

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Call back when the client leaves, at once if it has; spares the application a task that waits for it."""
        self._on_left = callback
        if self._left:
            callback()

    async def get(self) -> Any:
        """The next message: of a body all that has come, and at once if the client has left."""
        while not self._left:
            if self._waiting:
                self._room.set()
                return self._next()
            await self._invite()
            self._arrived.clear()
            await self._arrived.wait()
        return self._left

    def _next(self) -> Message:
        first = self._waiting.popleft()
        if first["type"] != "http.request" or not self._waiting:
            return first
        pieces = [first, *self._waiting]
        self._waiting.clear()
        more = pieces[-1]["more_body"]
        return {"type": "http.request", "body": b"".join(piece["body"] for piece in pieces), "more_body": more}


def _nothing() -> None:
    """Nobody asked."""


async def _not_waited_for() -> None:
    """Most clients send their body unasked."""


class Outbox:
    """What the application answers, on its way to the server."""

    def __init__(self, deliver: Deliver, inbox: Inbox) -> None:
        self._deliver = deliver
        self._inbox = inbox

    async def send(self, message: Any) -> None:
        """Pass a message on."""
        kind = message["type"]
        if kind == "http.response.start":
            message = {**message, "headers": _dated(message.get("headers", ()))}
        elif kind == "http.response.body" and not message.get("more_body") and not self._inbox.complete:
            await self._linger(message)
            message = {"type": kind, "body": b"", "more_body": False}
        await self._deliver(message)

    async def _linger(self, message: Message) -> None:
        """Read on for a while before the exchange ends.

        A socket that is closed with unread bytes answers with a reset, and that can destroy the answer before the
        client has read it (RFC 9112, section 9.6).
        """
        await self._deliver({**message, "more_body": True})
        try:
            async with asyncio.timeout(LINGER):
                while not self._inbox.complete:
                    await self._inbox.get()
        except TimeoutError:
            pass  # it sends on and on; the connection closes on it


class ExchangeTasks(TaskGroup):
    """The tasks of one client connection; hypercorn starts the application through it."""

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        """Start the application for one request of HTTP/2 or one WebSocket; returns where its messages go."""
        return self.begin(app, scope, send, _not_waited_for).put

    def begin(self, app: Any, scope: Any, send: Deliver, invite: Callable[[], Awaitable[None]]) -> Inbox:
        """Start the application for one request; returns where its messages go. See `Inbox` for `invite`."""
        inbox = Inbox(invite)
        if scope["type"] == "http":
            scope["extensions"][ON_DISCONNECT] = inbox.on_disconnect
        else:
            inbox.complete = True
        self.spawn(_run, app, scope, inbox, send)
        return inbox


async def _run(app: Callable[..., Awaitable[None]], scope: Any, inbox: Inbox, send: Deliver) -> None:
    """Call the application; hypercorn breaks off what it leaves unfinished. If cancelled, so is the connection."""
    try:
        await app(scope, inbox.get, Outbox(send, inbox).send)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        _log.exception("the application was cancelled by nobody", extra={"path": scope["path"]})  # a task it waited for
    except Exception:
        _log.exception("the application failed", extra={"path": scope["path"]})
    inbox.on_disconnect(_nothing)  # a reference back, for which all of this would wait for garbage collection
    await send(None)


def _dated(headers: Any) -> list[tuple[bytes, bytes]]:
    """A relayed answer keeps the provider's Date; one of our own gets one (RFC 9110, section 6.6.1)."""
    if b"date" in [name.lower() for name, _ in headers]:
        return list(headers)
    return [*headers, (b"date", _date(int(monotonic())))]


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    """The present time, made once a second: a date has no finer parts, and writing it costs 3 us."""
    return formatdate(usegmt=True).encode("ascii")
