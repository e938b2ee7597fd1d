"""The floor to compare with: a bare relay on hypercorn and httpx as published, `python bench/stock_relay.py UPSTREAM`.

Belongs here: reading a request and passing bytes on. Never: anything of the gateway's.

Every exchange has an httpx transport of its own, kept on a stack. One transport for all would look at every open
connection whenever a request begins or ends, and a floor that rises with concurrency flatters whoever is compared.
"""

import asyncio
import socket
import ssl
import sys
from typing import Any

import httpx
from hypercorn.asyncio import serve
from hypercorn.config import Config

HOP = {b"host", b"connection", b"content-length", b"transfer-encoding"}
PATIENCE = 600
"""Seconds."""


async def main(base_url: str) -> None:
    """Relay until killed."""
    idle: list[httpx.AsyncHTTPTransport] = []
    tls = httpx.create_ssl_context()  # one for all: each takes most of a megabyte
    extensions = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), PATIENCE)}

    async def relay(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        url = f"{base_url}{scope['path'].removeprefix('/anthropic')}?{scope['query_string'].decode()}"
        headers = [header for header in scope["headers"] if header[0] not in HOP]
        request = httpx.Request(scope["method"], url, headers=headers, content=body, extensions=extensions)
        transport = idle.pop() if idle else _single(tls)
        answer = await transport.handle_async_request(request)
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        passed = [header for header in answer.headers.raw if header[0].lower() != b"transfer-encoding"]
        await send({"type": "http.response.start", "status": answer.status_code, "headers": passed})
        async for piece in answer.stream:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await answer.stream.aclose()
        idle.append(transport)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    wire = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(wire.getsockname()[1], flush=True)
    config = Config()
    config.bind = [f"fd://{wire.detach()}"]
    config.errorlog = None
    config.backlog = 2048
    config.keep_alive_timeout = PATIENCE  # 5 seconds are too few at 500 concurrent requests on this stack
    await serve(relay, config)


def _single(tls: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    return httpx.AsyncHTTPTransport(verify=tls, limits=limits, trust_env=False)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
