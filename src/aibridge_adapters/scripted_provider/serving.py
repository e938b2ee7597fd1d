"""Starts a scripted provider on the loopback interface.

Belongs here: the socket and the server's life. Never: what is served. Hypercorn is set up here once more, apart from
the gateway's own server, because this is the world's side of the wire.
"""

import socket
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
from attrs import frozen
from hypercorn.asyncio import serve
from hypercorn.config import Config

from aibridge_adapters.scripted_provider.app import ScriptedProvider
from aibridge_adapters.scripted_provider.asgi import Receive, Scope, Send
from aibridge_adapters.scripted_provider.magic import magic_words
from aibridge_adapters.scripted_provider.received import ReceivedRequest
from aibridge_adapters.scripted_provider.values import Script

GRACE = 0.2
"""Seconds that connections get to close when the provider stops."""


@frozen(kw_only=True)
class RunningProvider:
    """A scripted provider that can be reached."""

    base_url: str
    """Without `/v1`, as Anthropic's clients want it; OpenAI's want `openai_base_url`."""
    app: ScriptedProvider

    @property
    def openai_base_url(self) -> str:
        """With `/v1`."""
        return f"{self.base_url}/v1"

    @property
    def requests(self) -> Sequence[ReceivedRequest]:
        """What was received, in order."""
        return self.app.requests


@asynccontextmanager
async def scripted_provider(
    script: Script = magic_words, *, keys: Collection[str] | None = None, seed: str = "scripted", port: int = 0
) -> AsyncIterator[RunningProvider]:
    """Serve a `ScriptedProvider` on 127.0.0.1 as long as the context lasts. Port 0 takes a free one.

    Answers that still run then are broken off. Needs asyncio as the event loop. Raises OSError if the port is taken.
    """
    app = ScriptedProvider(script, keys=keys, seed=seed)
    endable = _Endable(app)
    listener = socket.create_server(("127.0.0.1", port))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    stop = anyio.Event()
    async with _plain_errors(), anyio.create_task_group() as tasks:
        tasks.start_soon(_serve, endable, listener, stop)
        try:
            # The socket listens already: a request that comes before the server waits in its backlog.
            yield RunningProvider(base_url=address, app=app)
        finally:
            stop.set()
            endable.end()


@asynccontextmanager
async def _plain_errors() -> AsyncIterator[None]:
    """What the body of the context raises comes out as it is, not in the group that a task group makes of it."""
    try:
        yield
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise


class _Endable:
    """Lets running answers be broken off: hypercorn waits for them, from Python 3.12 on without end."""

    def __init__(self, app: ScriptedProvider) -> None:
        self._app = app
        self._running: set[anyio.CancelScope] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with anyio.CancelScope() as running:
            self._running.add(running)
            try:
                await self._app(scope, receive, send)
            finally:
                self._running.discard(running)

    def end(self) -> None:
        for running in self._running:
            running.cancel()


async def _serve(app: _Endable, listener: socket.socket, stop: anyio.Event) -> None:
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.accesslog = config.errorlog = None
    config.include_server_header = False
    config.graceful_timeout = GRACE
    await serve(cast(Any, app), config, shutdown_trigger=stop.wait)
