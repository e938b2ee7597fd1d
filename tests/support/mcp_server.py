"""An MCP server made with the official package, on a free loopback port, over real HTTP.

Its tools do what tests need: answer at once, when the test says so, or with an error. It can be stopped in the middle
of a call, and started again at the same place.
"""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus
from attrs import define, field
from mcp import MCPError
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel

from aibridge_adapters.http.server import serve

NEWEST = "2026-07-28"
"""From this version of the protocol on there are neither handshakes nor sessions."""
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
Asgi = Callable[[Any], Awaitable[None]]


class Weather(BaseModel):
    """Structured content."""

    city: str
    degrees: int


@define
class ToolServer:
    """The server; what a test says to it, and what it has seen."""

    tasks: TaskGroup
    modern: bool = True
    """Speaks the newest version; else it knows only those with a handshake and sessions."""
    token: str = ""
    """Bearer token it insists on; empty for none."""
    refuses_with: int = 0
    """HTTP status of every answer, unless it is 0."""
    silent: bool = False
    """Takes requests and doesn't answer."""
    address: str = "127.0.0.1:0"
    headers: list[dict[str, str]] = field(factory=list)
    """Of each request, names lower-case."""
    messages: list[dict[str, Any]] = field(factory=list)
    """What clients posted."""
    posted: anyio.Event = field(factory=anyio.Event)
    """Set with the next message."""
    started: anyio.Event = field(factory=anyio.Event)
    """A slow tool runs."""
    two: anyio.Event = field(factory=anyio.Event)
    """Two slow tools run at the same time."""
    cancelled: anyio.Event = field(factory=anyio.Event)
    """A slow tool was cancelled."""
    release: anyio.Event = field(factory=anyio.Event)
    """Lets slow tools answer."""
    _running: int = 0
    _life: anyio.CancelScope = field(factory=anyio.CancelScope)
    _gone: anyio.Event = field(factory=anyio.Event)

    @property
    def url(self) -> str:
        """Of its endpoint."""
        return f"http://{self.address}/mcp"

    def methods(self) -> list[str]:
        """What clients asked for, in order."""
        return [message.get("method", "") for message in self.messages]

    async def until_asked(self, method: str) -> None:
        """Return when a client has posted such a message."""
        with anyio.fail_after(10):
            while method not in self.methods():
                self.posted = anyio.Event()
                await self.posted.wait()

    async def start(self) -> None:
        """Listen; again at the same address after `stop`."""
        self._life, self._gone = anyio.CancelScope(), anyio.Event()
        self.address = await self.tasks.start(self._serve)

    async def stop(self) -> None:
        """Break off whatever runs, and refuse connections."""
        self._life.cancel()
        await self._gone.wait()

    async def _serve(self, *, task_status: TaskStatus[str]) -> None:
        official = self._tools().streamable_http_app()
        with self._life:
            async with official.router.lifespan_context(official):
                await serve(
                    self._front(official),
                    address=self.address,
                    stop=anyio.Event(),
                    on_ready=lambda addresses: task_status.started(addresses[0]),
                )
        self._gone.set()

    def _front(self, official: Any) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
            self.headers.append(headers)
            body = b""
            while scope["method"] == "POST":
                event = await receive()
                body += event.get("body", b"")
                if not event.get("more_body"):
                    break
            self._note(body)
            if self.silent:
                await anyio.sleep_forever()
            if status := self._refusal(headers):
                await _plain(send, status)
                return
            given = [{"type": "http.request", "body": body, "more_body": False}] if scope["method"] == "POST" else []

            async def replay() -> Any:
                return given.pop(0) if given else await receive()

            await official(scope, replay, send)

        return app

    def _note(self, body: bytes) -> None:
        if body:
            self.messages.append(json.loads(body))
            self.posted.set()

    def _refusal(self, headers: dict[str, str]) -> int:
        if self.refuses_with:
            return self.refuses_with
        if self.token and headers.get("authorization") != f"Bearer {self.token}":
            return 401
        if not self.modern and headers.get("mcp-protocol-version") == NEWEST:
            return 400
        return 0

    def _tools(self) -> MCPServer[Any]:
        server = self._without_tools()
        self._add_quick(server)
        self._add_faulty(server)

        @server.tool(structured_output=False)
        async def slow(answer: str) -> str:
            """Answers when the test says so."""
            self._running += 1
            self.started.set()
            if self._running == 2:
                self.two.set()
            try:
                await self.release.wait()
            except anyio.get_cancelled_exc_class():
                self.cancelled.set()
                raise
            finally:
                self._running -= 1
            return answer

        @server.tool(structured_output=False)
        async def grow(name: str, ctx: Context[Any, Any]) -> str:
            """Offers one more tool and tells the client so."""
            server.add_tool(_named(name), name=name, structured_output=False)
            await ctx.notify_tools_changed()
            await ctx.session.send_tool_list_changed()
            return "grown"

        return server

    def _without_tools(self) -> MCPServer[Any]:
        return MCPServer("tools for tests")

    def _add_quick(self, server: MCPServer[Any]) -> None:
        @server.tool(structured_output=False)
        def echo(text: str = "nothing") -> str:
            """Says it again."""
            return f"echo: {text}"

        @server.tool(structured_output=False)
        def picture(copies: int = 1) -> list[Any]:
            """Some text and a small image."""
            return ["a dot", Image(data=PNG * copies, format="png")]

        @server.tool()
        def weather(city: str) -> Weather:
            """Structured content."""
            return Weather(city=city, degrees=21)

        @server.tool(structured_output=False)
        def big(size: int) -> str:
            """So many characters."""
            return "é" * size

    def _add_faulty(self, server: MCPServer[Any]) -> None:
        @server.tool(structured_output=False)
        def fails() -> CallToolResult:
            """Says itself that it failed."""
            return CallToolResult(content=[TextContent(type="text", text="no such file")], is_error=True)

        @server.tool(structured_output=False)
        def protests() -> str:
            """Answers with an error of the protocol."""
            raise MCPError(-32050, f"not today, whoever sent {self.token or 'nothing'}")


def _named(name: str) -> Callable[[], str]:
    def tool() -> str:
        """Says its name."""
        return f"this is {name}"

    return tool


async def _plain(send: Asgi, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"no"})


@asynccontextmanager
async def tool_server(**options: Any) -> AsyncIterator[ToolServer]:
    """A server that listens, until the context is left."""
    async with anyio.create_task_group() as tasks:
        server = ToolServer(tasks=tasks, **options)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()
