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
from aibridge_adapters.scripted_provider.magic import magic_words
from aibridge_adapters.scripted_provider.received import ReceivedRequest
from aibridge_adapters.scripted_provider.values import Script

GRACE = 0.2
"""How long running answers may go on when the provider stops, in seconds."""


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

    Needs asyncio as the event loop. Raises OSError if the port is taken.
    """
    app = ScriptedProvider(script, keys=keys, seed=seed)
    listener = socket.create_server(("127.0.0.1", port))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_serve, app, listener, stop)
        try:
            # The socket listens already: a request that comes before the server waits in its backlog.
            yield RunningProvider(base_url=address, app=app)
        finally:
            stop.set()


async def _serve(app: ScriptedProvider, listener: socket.socket, stop: anyio.Event) -> None:
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.accesslog = config.errorlog = None
    config.include_server_header = False
    config.graceful_timeout = GRACE
    await serve(cast(Any, app), config, shutdown_trigger=stop.wait)
