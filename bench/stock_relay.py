"""The floor to compare with: a bare relay on hypercorn and httpx as published, `python bench/stock_relay.py UPSTREAM`.

Belongs here: reading a request and passing bytes on. Never: anything of the gateway's.

Every exchange has an httpx client of its own, kept on a stack. One for all would look at every open connection whenever
a request begins or ends, and a floor that rises with concurrency flatters whoever is compared.
"""

import asyncio
import socket
import sys
from typing import Any

import httpx
from hypercorn.asyncio import serve
from hypercorn.config import Config

HOP = {b"host", b"connection", b"content-length", b"transfer-encoding"}
PATIENCE = 600
"""Seconds."""


async def whole_body(receive: Any) -> bytes:
    """Of an ASGI request."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def main(base_url: str) -> None:
    """Relay until killed."""
    idle: list[httpx.AsyncClient] = []
    tls = httpx.create_ssl_context()  # one for all: each takes most of a megabyte

    async def relay(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = await whole_body(receive)
        url = f"{base_url}{scope['path'].removeprefix('/anthropic')}?{scope['query_string'].decode()}"
        headers = [header for header in scope["headers"] if header[0] not in HOP]
        client = idle.pop() if idle else httpx.AsyncClient(verify=tls, timeout=PATIENCE, trust_env=False)
        async with client.stream(scope["method"], url, headers=headers, content=body) as answer:
            passed = [header for header in answer.headers.raw if header[0].lower() != b"transfer-encoding"]
            await send({"type": "http.response.start", "status": answer.status_code, "headers": passed})
            async for piece in answer.aiter_raw():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        idle.append(client)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    wire = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(wire.getsockname()[1], flush=True)
    config = Config()
    config.bind = [f"fd://{wire.detach()}"]
    config.errorlog = None
    config.backlog = 2048
    config.keep_alive_timeout = PATIENCE  # 5 seconds are too few at 500 concurrent requests on this stack
    await serve(relay, config)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
