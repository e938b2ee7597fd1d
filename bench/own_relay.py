"""For orientation: a bare relay on the gateway's own server and client, `python bench/own_relay.py UPSTREAM`.

Belongs here: reading a request and passing bytes on. Never: authentication, parsing, recording. What the gateway costs
beyond this is what there is to gain above its server and its client.
"""

import asyncio
import sys
from typing import Any

import anyio
from stock_relay import HOP, whole_body

from aibridge_adapters.config import Timeouts
from aibridge_adapters.http.server import serve, stop_on_signal
from aibridge_adapters.upstream.httpx_upstream import HttpxUpstream
from aibridge_core.wire import UpstreamRequest


async def main(base_url: str) -> None:
    """Relay until a signal comes."""
    async with HttpxUpstream(Timeouts(), environ={}) as upstream:

        async def relay(scope: Any, receive: Any, send: Any) -> None:
            request = UpstreamRequest(
                method=scope["method"],
                url=f"{base_url}{scope['path'].removeprefix('/anthropic')}?{scope['query_string'].decode()}",
                headers=tuple(header for header in scope["headers"] if header[0] not in HOP),
                body=await whole_body(receive),
                streaming=b"events" in scope["query_string"],
            )
            async with upstream.open(request) as answer:
                headers = [header for header in answer.head.headers if header[0] != b"transfer-encoding"]
                await send({"type": "http.response.start", "status": answer.head.status, "headers": headers})
                async for piece in answer.chunks():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        stop = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop_on_signal, stop)
            await serve(
                relay,
                address="127.0.0.1:0",
                stop=stop,
                on_ready=lambda addresses: print(addresses[0].rpartition(":")[2], flush=True),
            )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
