"""Waits for a browser to come back from an authorization server, on the loopback interface (RFC 8252, section 7.3).

Belongs here: one page for one answer. Never: what the answer is good for.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import anyio
from attrs import Factory, define

from aibridge_adapters.http.server import serve
from aibridge_adapters.mcp.errors import LoginFailed

PATH: Final = "/callback"
_THANKS: Final = b"You are logged in to the MCP server, if the command says so. You can close this page.\n"
_STRANGER: Final = b"Nobody here waits for this answer.\n"


@define
class RedirectListener:
    """Takes the one answer that belongs to the page that was shown; whatever else comes is refused."""

    address: str = ""
    _state: str = ""
    _answer: dict[str, str] = Factory(dict)
    _came: anyio.Event = Factory(anyio.Event)

    @property
    def url(self) -> str:
        """Where the browser is to come back to."""
        return f"http://{self.address}{PATH}"

    def expect(self, page: str) -> None:
        """`page` is the address that is shown; its state is in the answer that counts."""
        self._state = _parameters(urlsplit(page).query).get("state", "")

    async def answer(self) -> dict[str, str]:
        """The parameters that came with the browser. Raises LoginFailed if they say no."""
        await self._came.wait()
        if "code" not in self._answer:
            code = self._answer.get("error", "")
            reason = code if code.isascii() and code.replace("_", "").isalnum() else "it gave no code"
            raise LoginFailed(f"the authorization server says no: {reason}")
        return self._answer

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        """An ASGI application of one page."""
        found = _parameters(scope["query_string"].decode("ascii", "replace"))
        if not self._is_ours(scope, found):
            await _say(send, 400, _STRANGER)
            return
        await _say(send, 200, _THANKS)
        self._answer = found
        self._came.set()

    def _is_ours(self, scope: Any, found: dict[str, str]) -> bool:
        if scope["method"] != "GET" or scope["path"] != PATH or not self._state or self._came.is_set():
            return False
        return secrets.compare_digest(found.get("state", "").encode(), self._state.encode())


@asynccontextmanager
async def redirect_listener(port: int) -> AsyncIterator[RedirectListener]:
    """Listens until the context is left; `port` 0 is any free one. Raises ListenError."""
    listener, stop, ready = RedirectListener(), anyio.Event(), anyio.Event()

    def on_ready(addresses: Sequence[str]) -> None:
        listener.address = addresses[0]
        ready.set()

    async def listen() -> None:
        await serve(listener.app, address=f"127.0.0.1:{port}", stop=stop, shutdown_timeout=1.0, on_ready=on_ready)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await ready.wait()
        try:
            yield listener
        finally:
            stop.set()


def _parameters(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


async def _say(send: Any, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
