"""Which tools a user is offered, and when the list changes."""

import re

import anyio
import pytest
from attrs import evolve

from aibridge_adapters.config import McpServerSettings
from aibridge_adapters.mcp.events import Connected, Listed, Rested
from aibridge_core.tools import ToolCall
from integration.mcp.using import ANN, BOB, POLICY, using
from support.mcp_server import tool_server

pytestmark = pytest.mark.anyio
EVERY = ["big", "echo", "fails", "grow", "picture", "protests", "slow", "weather"]


@pytest.mark.parametrize("modern", [True, False], ids=["newest", "handshake"])
async def test_tools_are_listed_once_at_first_use(modern: bool) -> None:
    """Nothing is asked before somebody needs it; the list serves all later requests."""
    async with tool_server(modern=modern) as server, using(server) as use:
        assert server.methods() == []
        assert await use.names() == EVERY
        assert await use.names() == EVERY
        connected = await use.until(Connected)
        assert connected.protocol == ("2026-07-28" if modern else "2025-11-25")
        assert use.counters.servers["one"].tools == len(EVERY)
        if not modern:  # the newest protocol lists again once notifications are on
            assert server.methods().count("tools/list") == 1


async def test_a_tool_keeps_what_models_need() -> None:
    """Name, description, schema and the server's address; the id that models see is made of names."""
    async with tool_server() as server, using(server) as use:
        toolbox = await use.servers.toolbox(ANN)
        tool = next(tool for tool in toolbox.tools if tool.name == "echo")
        assert (tool.id, tool.server, tool.server_url) == ("bmcp_one_echo", "one", server.url)
        assert tool.description == "Says it again."
        assert tool.input_schema["type"] == "object"
        assert tool.input_schema["properties"]["text"]["type"] == "string"
        assert [tool.id for tool in toolbox.tools] == sorted(tool.id for tool in toolbox.tools)


async def test_warm_lists_cost_no_switch_of_tasks() -> None:
    """Once every server is known, a toolbox comes without waiting for anything."""
    async with tool_server() as server, using(server) as use:
        await use.names()
        with pytest.raises(StopIteration) as returned:
            use.servers.toolbox(ANN).send(None)
        assert len(returned.value.value.tools) == len(EVERY)


@pytest.mark.parametrize("modern", [True, False], ids=["newest", "handshake"])
async def test_a_changed_list_is_fetched_again(modern: bool) -> None:
    """A server says that its list has changed; the next requests are offered the new tool."""
    async with tool_server(modern=modern) as server, using(server) as use:
        await use.names()
        await server.until_asked("subscriptions/listen" if modern else "notifications/initialized")
        await use.call("grow", '{"name": "grown_later"}')
        await use.until(Listed, lambda listed: listed.offered == len(EVERY) + 1)
        assert "grown_later" in await use.names()
        assert (await use.call("grown_later")).content == [{"type": "text", "text": "this is grown_later"}]


async def test_an_old_list_is_fetched_again_while_it_is_used() -> None:
    """After its time a list is renewed beside the requests, none of which waits."""
    policy = evolve(POLICY, list_ttl=0.05)
    async with tool_server(modern=False) as server, using(server, policy=policy) as use:
        await use.names()
        with anyio.fail_after(10):
            while server.methods().count("tools/list") < 3:
                await use.names()
                await anyio.lowlevel.checkpoint()
        assert not [event for event in use.events if isinstance(event, Rested)]


async def test_a_server_that_nobody_uses_is_left_alone() -> None:
    """After the same time without a request its session is closed; the next request opens another."""
    policy = evolve(POLICY, list_ttl=0.05)
    async with tool_server() as server, using(server, policy=policy) as use:
        assert await use.names() == EVERY
        await use.until(Rested)
        assert await use.names() == EVERY
        assert use.counters.servers["one"].connected == 2


@pytest.mark.parametrize(
    ("allow", "deny", "offered", "conflicts"),
    [
        (None, None, EVERY, ()),
        ("^p|cho", None, ["echo", "picture", "protests"], ()),
        (None, "[io]", ["weather"], ()),
        ("e", "^p|^f", ["echo", "weather"], ("picture", "protests")),
        ("nothing has this name", None, [], ()),
    ],
)
async def test_filters(allow: str | None, deny: str | None, offered: list[str], conflicts: tuple[str, ...]) -> None:
    """Found anywhere in the plain name; a tool that is allowed and denied is denied, and named."""
    patterns = {"tool_allow": allow and re.compile(allow), "tool_deny": deny and re.compile(deny)}
    async with tool_server() as server, using(server, **patterns) as use:
        assert await use.names() == offered
        listed = await use.until(Listed)
        assert (listed.offered, listed.dropped) == (len(offered), len(EVERY) - len(offered))
        assert set(conflicts) == set(listed.conflicts)


async def test_users_get_the_servers_that_are_meant_for_them() -> None:
    """One server for everybody, one for bob; ann can't run a tool of bob's either."""
    async with tool_server() as first, tool_server() as second:
        for_bob = McpServerSettings(name="secret", url=second.url, users=("bob", "carl"))
        async with using(first, settings=[for_bob]) as use:
            of_ann, of_bob = await use.servers.toolbox(ANN), await use.servers.toolbox(BOB)
            assert {tool.server for tool in of_ann.tools} == {"one"}
            assert {tool.server for tool in of_bob.tools} == {"one", "secret"}
            assert len(of_bob.tools) == 2 * len(of_ann.tools)
            stolen = next(tool for tool in of_bob.tools if tool.id == "bmcp_secret_echo")
            (result,) = await use.servers.call(ANN, [ToolCall(tool=stolen, call_id="c", arguments="")])
            assert result.error == "ann has no MCP server secret"
            assert "tools/call" not in second.methods()


async def test_models_that_get_no_tools() -> None:
    """The pattern of the settings goes with the toolbox; by default small models are left out."""
    async with tool_server() as server, using(server) as use:
        toolbox = await use.servers.toolbox(ANN)
        assert toolbox.for_model("claude-haiku-4-5") == ()
        assert len(toolbox.for_model("claude-opus-4-5")) == len(EVERY)
