"""Servers that are down, slow, restarted, or refuse us."""

import logging

import anyio
import pytest
from attrs import evolve

from aibridge_adapters.mcp.events import Connected, WarmedUp, write_log
from aibridge_adapters.mcp.link import FIRST_PAUSE, LONGEST_PAUSE, pause_after
from integration.mcp.using import ANN, POLICY, nobody_listens, using
from support.mcp_server import tool_server

pytestmark = pytest.mark.anyio


async def test_a_dead_server_is_left_out() -> None:
    """Requests get the tools of the others; the next one doesn't even wait."""
    async with tool_server() as server, using(server, settings=[nobody_listens()]) as use:
        assert "echo" in await use.names()
        assert {tool.server for tool in (await use.servers.toolbox(ANN)).tools} == {"one"}
        warmed = await use.until(WarmedUp)
        assert (warmed.servers, warmed.missing) == (("one", "dead"), ("dead",))
        down = await use.until(Connected, lambda event: event.server == "dead")
        assert down.error == "it can't be reached: connection refused"
        with pytest.raises(StopIteration):
            use.servers.toolbox(ANN).send(None)


async def test_a_silent_server_costs_one_request_the_bound() -> None:
    """It takes the connection and never answers: left out after the bound, and later requests don't wait."""
    policy = evolve(POLICY, connect_timeout=0.2)
    async with tool_server(silent=True) as mute, using(mute, policy=policy) as use:
        with anyio.fail_after(2):
            assert await use.names() == []
        down = await use.until(Connected)
        assert down.error == "it did not answer within 0.2 s"
        assert await use.names() == []
        with pytest.raises(StopIteration):
            use.servers.toolbox(ANN).send(None)


async def test_a_server_that_comes_up_later_is_found() -> None:
    """It is tried again in the background, without a request."""
    async with tool_server() as server:
        await server.stop()
        async with using(server) as use:
            assert await use.names() == []
            await server.start()
            up = await use.until(Connected, lambda event: not event.error)
            assert up.news
            assert "echo" in await use.names()


async def test_pauses_between_tries_grow() -> None:
    """Each twice the one before, up to a minute, however long the server is down."""
    pauses = [pause_after(failures, FIRST_PAUSE, LONGEST_PAUSE) for failures in (1, 2, 3, 4, 5, 6, 7, 8, 10_000)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_each_change_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Tries that fail like the one before say nothing."""
    caplog.set_level(logging.INFO, logger="aibridge.mcp")
    async with tool_server() as server:
        await server.stop()
        async with using(server) as use:
            await use.names()
            await use.until(Connected, lambda _: use.counters.servers["one"].failed >= 3)
            await server.start()
            await use.until(Connected, lambda event: not event.error)
            for event in use.events:
                write_log(event)
    lines = [record.getMessage() for record in caplog.records]
    assert lines.count("MCP server is down, its tools are left out") == 1
    assert lines.count("MCP server is up") == 1


@pytest.mark.parametrize("modern", [True, False], ids=["newest", "handshake"])
async def test_a_server_that_dies_in_the_middle_of_a_call(modern: bool) -> None:
    """The call has an error at once; when the server is back, calls go on."""
    async with tool_server(modern=modern) as server, using(server) as use:
        results = []

        async def run() -> None:
            results.append(await use.call("slow", '{"answer": "never"}'))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            with anyio.fail_after(10):
                await server.started.wait()
            await server.stop()
        assert results[0].error.startswith("the MCP server one could not run the tool: ")
        await server.start()
        await use.until(Connected, lambda event: not event.error and event is not use.events[1])
        with anyio.fail_after(10):
            while (await use.names()) == []:
                await anyio.lowlevel.checkpoint()
        assert (await use.call("echo")).error == ""


@pytest.mark.parametrize("modern", [True, False], ids=["newest", "handshake"])
async def test_a_restart_between_two_calls_costs_nothing(modern: bool) -> None:
    """A server that forgot the session has not run the call, so it is made once more on a new one."""
    async with tool_server(modern=modern) as server, using(server) as use:
        assert (await use.call("echo")).error == ""
        await server.stop()
        await server.start()
        with anyio.fail_after(10):
            while (await use.names()) == []:
                await anyio.lowlevel.checkpoint()
        again = await use.call("echo", '{"text": "again"}')
        assert again.content == [{"type": "text", "text": "echo: again"}]


async def test_a_call_that_fails_leaves_the_others_alone() -> None:
    """One request is refused with a plain HTTP status while another runs on the same session."""
    async with tool_server() as server, using(server) as use:
        await use.names()
        results = []

        async def run() -> None:
            results.append(await use.call("slow", '{"answer": "unharmed"}'))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            with anyio.fail_after(10):
                await server.started.wait()
            server.refuses_with = 500
            refused = await use.call("echo")
            assert refused.error.endswith("it refuses the request (HTTP status 500)")
            server.refuses_with = 0
            server.release.set()
        assert results[0].content == [{"type": "text", "text": "unharmed"}]


async def test_a_server_that_insists_on_a_token() -> None:
    """Without it: down, with words that help. With it: the token goes with every request, to that server only."""
    async with tool_server(token="a-very-secret-token") as server:
        async with using(server) as use:
            assert await use.names() == []
            down = await use.until(Connected)
            assert down.error == "it refuses the gateway's credentials (HTTP status 401)"
        async with using(server, token="a-very-secret-token", headers=(("X-Team", "blue"),)) as use:
            assert (await use.call("echo")).error == ""
            assert "a-very-secret-token" not in repr(use.servers.__dict__)
        answered = [headers for headers in server.headers if "authorization" in headers]
        assert answered
        assert {headers["authorization"] for headers in answered} == {"Bearer a-very-secret-token"}
        assert {headers["x-team"] for headers in answered} == {"blue"}


async def test_leaving_doesnt_wait_for_a_server_that_hangs() -> None:
    """A call that runs is broken off, and a goodbye that isn't taken is not waited for long."""
    async with tool_server(modern=False) as server:
        with anyio.fail_after(8):
            async with using(server) as use, anyio.create_task_group() as tasks:
                tasks.start_soon(use.call, "slow", '{"answer": "never"}')
                await server.started.wait()
                server.silent = True
                tasks.cancel_scope.cancel()
