"""A client that leaves when all was said and not all was fetched: its request ends, and waits for nobody."""

import asyncio
from pathlib import Path
from typing import Any

import anyio
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.http.reply import AsgiReply
from aibridge_adapters.http.tasks import RequestTasks
from aibridge_core.wire import AnswerHead
from integration.server.serving import certificate_files, connected, serving
from integration.server.test_http2_floods import ASKED, AUTHORITY, trusting

pytestmark = pytest.mark.anyio

WINDOW = 65_535
"""What a client of HTTP/2 takes unasked (RFC 9113, section 6.9.2)."""


@pytest.mark.parametrize("fetches", [False, True])
async def test_over_http2(tmp_path: Path, fetches: bool) -> None:
    """The end waits until the client makes room. If it leaves instead, the request is cancelled; else it isn't."""
    finishing, over = anyio.Event(), anyio.Event()
    left: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        async with RequestTasks() as tasks:
            reply = AsgiReply(send, tasks=tasks, clock=SystemClock(), keep_alive_interval=10)
            reply.watch(scope, receive)
            await reply.start(AnswerHead(status=200))
            for size in (WINDOW, 10_000):
                await reply.send(bytes(size))
            asyncio.get_running_loop().call_soon(finishing.set)
            await reply.finish()
        left.append(reply.client_gone)
        over.set()

    files = certificate_files(tmp_path, AUTHORITY)
    async with serving(app, **files) as served, connected(served, tls=trusting("h2")) as wire:
        client = H2Connection(H2Configuration(client_side=True))
        client.initiate_connection()
        client.send_headers(1, ASKED, end_stream=True)
        await wire.say(client.data_to_send())
        with anyio.fail_after(5):
            await finishing.wait()
            if fetches:
                client.increment_flow_control_window(WINDOW)
                client.increment_flow_control_window(WINDOW, stream_id=1)
            else:
                client.reset_stream(1)
            await wire.say(client.data_to_send())
            await over.wait()
    assert left == [not fetches]
