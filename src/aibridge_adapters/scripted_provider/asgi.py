"""ASGI's message protocol, as far as a scripted provider speaks it.

Belongs here: scopes and messages. Never: what is answered. Source: ASGI specification 3.0, "HTTP & WebSocket".
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

import anyio
from attrs import frozen

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class CutOff(Exception):
    """Raised to the server so that it closes the connection in the middle of an answer. Meant to happen."""


@frozen(kw_only=True)
class Reply:
    """An answer on its way out. `wait` before it and `pace` before each piece, in seconds."""

    status: int
    headers: Sequence[tuple[str, str]]
    pieces: Sequence[bytes]
    wait: float = 0.0
    pace: float = 0.0
    cut: bool = False
    """Break the connection off after the last piece."""


async def read_body(receive: Receive) -> bytes:
    """The whole request body."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def deliver(reply: Reply, receive: Receive, send: Send) -> bool:
    """Send a reply; False if the client went away before it was complete. Raises CutOff if the reply says so."""
    delivered = False
    async with anyio.create_task_group() as tasks:

        async def give_up_when_gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        tasks.start_soon(give_up_when_gone)
        await _send(reply, send)
        delivered = True
        tasks.cancel_scope.cancel()
    if delivered and reply.cut:
        raise CutOff
    return delivered


async def _send(reply: Reply, send: Send) -> None:
    await anyio.sleep(reply.wait)
    headers = [(name.encode(), value.encode("latin-1")) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    for piece in reply.pieces:
        await anyio.sleep(reply.pace)
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    if not reply.cut:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def refuse_websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """426 where the server can say it: Codex then goes on over HTTP at once."""
    await receive()
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1000})
        return
    await send({"type": "websocket.http.response.start", "status": 426, "headers": [(b"upgrade", b"HTTP/1.1")]})
    await send({"type": "websocket.http.response.body", "body": b""})


async def serve_lifespan(receive: Receive, send: Send) -> None:
    """Nothing to start and nothing to stop."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
