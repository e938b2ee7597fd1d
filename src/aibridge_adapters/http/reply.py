"""The way of an answer to the client over ASGI, with keep-alives while the provider is silent.

Belongs here: the core's Reply port. Never: what an answer means.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import anyio

from aibridge_adapters.http.tasks import RequestTasks
from aibridge_core.ports import Clock
from aibridge_core.wire import AnswerHead

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SLOW: Final = 1.0
"""Seconds for which a piece may wait before its client is called slow; whatever buffers on the way is full by then."""
ON_DISCONNECT = "aibridge.on_disconnect"
"""ASGI extension of the bundled server: a function that takes a callback for when the client leaves."""

OnSlow = Callable[[float, int], None]


def _nobody(seconds: float, size: int) -> None:
    """Has been told, or doesn't want to be."""


class AsgiReply:
    """Implements `aibridge_core.ports.Reply` for one request."""

    def __init__(
        self,
        send: Send,
        *,
        tasks: RequestTasks,
        clock: Clock,
        keep_alive_interval: float,
        on_start: Callable[[int], None] = lambda status: None,
        on_slow: OnSlow = _nobody,
    ) -> None:
        """`on_start` is told the status when the head goes out; `on_slow`, once, how long how large a piece waited."""
        self.started = False
        self.client_gone = False
        self.sent = 0
        self._send = send
        self._tasks = tasks
        self._clock = clock
        self._interval = keep_alive_interval
        self._on_start = on_start
        self._on_slow = on_slow
        self._sent_at = 0.0
        self._busy = False
        self._finishing = False
        self._pinging: anyio.Event | None = None

    def watch(self, scope: MutableMapping[str, Any], receive: Receive) -> None:
        """From now on cancel the request when the client goes away. Its body must be read to its end.

        The bundled server calls back; on any other a task waits for `http.disconnect`.
        """
        if tell := scope.get("extensions", {}).get(ON_DISCONNECT):
            tell(self._client_left)
        else:
            self._tasks.start(self._watch(receive))

    async def start(self, head: AnswerHead, *, keep_alive: Callable[[], bytes] | None = None) -> None:
        """Send status and headers; for a stream at once, not with the first piece of the body."""
        self.started = True
        self._on_start(head.status)
        await self._send({"type": "http.response.start", "status": head.status, "headers": list(head.headers)})
        if keep_alive:
            await self.send(b"")
            if self._interval > 0:
                self._tasks.start(self._keep_alive(keep_alive))

    async def send(self, data: bytes) -> None:
        """Send a piece of the body."""
        if self._pinging:
            await self._pinging.wait()
        self._busy = True
        now = self._clock.monotonic
        begun = now()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self._busy = False
        self.sent += len(data)
        self._sent_at = ended = now()
        if ended - begun > SLOW:
            tell, self._on_slow = self._on_slow, _nobody
            tell(ended - begun, len(data))

    async def finish(self) -> None:
        """End the body in good order."""
        if self._pinging:
            await self._pinging.wait()
        self._busy = self._finishing = True
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._client_left()

    def _client_left(self) -> None:
        # A server may say so of every answer that is over, while it takes the end from the request: to cancel that
        # would cost each 5 us. Said from elsewhere it is true, and perhaps the end waits for room that nobody makes.
        if self._finishing and self._tasks.at_work:
            return
        self.client_gone = True
        self._tasks.cancel_request()

    async def _keep_alive(self, ping: Callable[[], bytes]) -> None:
        """Every `interval` seconds without a byte, send what may be sent between two events."""
        while True:
            silent_for = self._clock.monotonic() - self._sent_at
            if silent_for < self._interval:
                await anyio.sleep(self._interval - silent_for)
                continue
            data = b"" if self._busy else ping()
            if data:
                self._pinging = anyio.Event()
                try:
                    await self._send({"type": "http.response.body", "body": data, "more_body": True})
                finally:
                    self._pinging.set()
                    self._pinging = None
            self._sent_at = self._clock.monotonic()
