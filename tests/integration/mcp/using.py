"""What the tests of MCP servers share: the adapter around real servers, and events instead of waiting."""

import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
from attrs import Factory, define, evolve, field

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.config import McpServerSettings, ToolSettings
from aibridge_adapters.mcp.events import Counters, Event
from aibridge_adapters.mcp.servers import McpServers
from aibridge_adapters.mcp.wallet import Keeping
from aibridge_core.actors import Actor
from aibridge_core.tools import Toolbox, ToolCall, ToolResult
from support.mcp_server import ToolServer

ANN = Actor(id="id-of-ann", username="ann")
BOB = Actor(id="id-of-bob", username="bob")
POLICY = ToolSettings(connect_timeout=5.0)

Kind = TypeVar("Kind", bound=Event)


@define
class Using:
    """The adapter, and everything it told."""

    servers: McpServers = field(init=False)
    events: list[Event] = Factory(list)
    counters: Counters = Factory(Counters)
    _news: anyio.Event = Factory(anyio.Event)

    def hear(self, event: Event) -> None:
        """A listener."""
        self.events.append(event)
        self.counters(event)
        self._news.set()

    async def until(self, kind: type[Kind], where: Callable[[Kind], bool] = lambda event: True) -> Kind:
        """The first such event, past or to come."""
        with anyio.fail_after(10):
            while True:
                for event in self.events:
                    if isinstance(event, kind) and where(event):
                        return event
                self._news = anyio.Event()
                await self._news.wait()

    async def names(self, actor: Actor = ANN) -> list[str]:
        """Of the tools that this user is offered, as the servers call them."""
        return [tool.name for tool in (await self.servers.toolbox(actor)).tools]

    async def call(self, tool: str, arguments: str = "", actor: Actor = ANN) -> ToolResult:
        """Run one tool that the user is offered."""
        results = await self.servers.call(actor, [the_call(await self.servers.toolbox(actor), tool, arguments)])
        assert len(results) == 1
        return results[0]


def the_call(toolbox: Toolbox, name: str, arguments: str = "") -> ToolCall:
    """A model's call of the tool with this name."""
    tool = next(tool for tool in toolbox.tools if tool.name == name)
    return ToolCall(tool=tool, call_id=f"call of {name}", arguments=arguments)


def nobody_listens() -> McpServerSettings:
    """A server named `dead`, at an address where nothing is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return McpServerSettings(name="dead", url=f"http://127.0.0.1:{port}/mcp")


@asynccontextmanager
async def using(
    *servers: ToolServer,
    policy: ToolSettings = POLICY,
    settings: Sequence[McpServerSettings] = (),
    keeping: Keeping | None = None,
    remembered: float = 60.0,
    **changes: Any,
) -> AsyncIterator[Using]:
    """The adapter around these servers, named `one`, `two` ...; `changes` are settings of each."""
    names = ("one", "two", "three")
    made = [McpServerSettings(name=name, url=server.url) for name, server in zip(names, servers, strict=False)]
    made = [evolve(each, **changes) for each in made] + list(settings)
    use = Using()
    async with McpServers(
        made,
        policy,
        clock=SystemClock(),
        listeners=[use.hear],
        keeping=keeping,
        first_pause=0.02,
        longest_pause=0.05,
        remembered=remembered,
    ) as use.servers:
        yield use
