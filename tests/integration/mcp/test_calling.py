"""Running tools: results, errors, bounds, cancellation."""

import base64

import anyio
import pytest
from attrs import evolve

from aibridge_adapters.mcp.events import Called
from integration.mcp.using import ANN, POLICY, the_call, using
from support.mcp_server import PNG, tool_server

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("modern", [True, False], ids=["newest", "handshake"])
async def test_results_are_plain_content_blocks(modern: bool) -> None:
    """Text, an image, structured content: as the protocol has them, with size and duration."""
    async with tool_server(modern=modern) as server, using(server) as use:
        echo = await use.call("echo", '{"text": "hé"}')
        assert (echo.content, echo.is_error, echo.error) == ([{"type": "text", "text": "echo: hé"}], False, "")
        assert echo.size == len('[{"type":"text","text":"echo: hé"}]'.encode())
        assert echo.duration > 0
        picture = await use.call("picture")
        image = {"type": "image", "data": base64.b64encode(PNG).decode(), "mimeType": "image/png"}
        assert picture.content == [{"type": "text", "text": "a dot"}, image]
        weather = await use.call("weather", '{"city": "Ulm"}')
        assert weather.structured == {"city": "Ulm", "degrees": 21}


@pytest.mark.parametrize("arguments", ["", "{}", "  "])
async def test_empty_arguments_are_an_object_without_members(arguments: str) -> None:
    """Models leave arguments empty; servers insist on an object."""
    async with tool_server() as server, using(server) as use:
        assert (await use.call("echo", arguments)).content == [{"type": "text", "text": "echo: nothing"}]
        (sent,) = [message["params"] for message in server.messages if message["method"] == "tools/call"]
        assert sent["arguments"] == {}


@pytest.mark.parametrize("arguments", ['{"text": "\\ud800"}', '{"text": 1e999}'])
async def test_arguments_that_json_allows_and_nobody_can_send(arguments: str) -> None:
    """Half a character, a number beyond all numbers: an error for the model, and the session lives on."""
    async with tool_server() as server, using(server) as use:
        assert (await use.call("echo", arguments)).error.startswith("the call's arguments can't be sent")
        assert (await use.call("echo")).error == ""
        assert use.counters.servers["one"].connected == 1


@pytest.mark.parametrize("modern", [True, False], ids=["newest", "handshake"])
async def test_a_tool_that_says_it_failed(modern: bool) -> None:
    """`isError` is passed on beside the content; it is no error of the call."""
    async with tool_server(modern=modern) as server, using(server) as use:
        failed = await use.call("fails")
        assert (failed.is_error, failed.error) == (True, "")
        assert failed.content == [{"type": "text", "text": "no such file"}]
        wrong = await use.call("weather", '{"city": 5}')
        assert wrong.is_error
        assert use.counters.servers["one"].calls["fails"].errors == 1


async def test_an_error_of_the_protocol_is_the_error_of_the_call() -> None:
    """With the server's words, but without the token that it was sent."""
    async with tool_server(token="a-very-secret-token") as server, using(server, token="a-very-secret-token") as use:
        refused = await use.call("protests")
        assert refused.error == "the MCP server one could not run the tool: not today, whoever sent a-...en"
        assert (refused.content, refused.is_error) == ((), False)


async def test_calls_run_at_once_and_answer_in_order() -> None:
    """Two slow tools run at the same time beside a quick one; results stand in the order of the calls."""
    async with tool_server() as server, using(server) as use:
        toolbox = await use.servers.toolbox(ANN)
        calls = [
            the_call(toolbox, "slow", '{"answer": "first"}'),
            the_call(toolbox, "slow", '{"answer": "second"}'),
            the_call(toolbox, "echo"),
        ]
        results = []

        async def run() -> None:
            results.extend(await use.servers.call(ANN, calls))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            with anyio.fail_after(10):
                await server.two.wait()
            assert (await use.until(Called)).tool == "echo"
            server.release.set()
        assert [result.content[0]["text"] for result in results] == ["first", "second", "echo: nothing"]
        assert [result.call for result in results] == calls


@pytest.mark.parametrize("modern", [True, False], ids=["newest", "handshake"])
async def test_a_tool_that_takes_too_long_is_cancelled(modern: bool) -> None:
    """After its time the model gets an error, and the server is told to stop."""
    async with tool_server(modern=modern) as server, using(server, timeout=0.2) as use:
        late = await use.call("slow", '{"answer": "never"}')
        assert late.error == "the tool did not answer within 0.2 s"
        with anyio.fail_after(10):
            await server.cancelled.wait()
        assert (await use.call("echo")).error == ""
        assert use.counters.servers["one"].connected == 1


@pytest.mark.parametrize("modern", [True, False], ids=["newest", "handshake"])
async def test_a_client_that_goes_away_cancels_its_calls(modern: bool) -> None:
    """Cancelling the caller reaches the tool on the server, as the protocol has it."""
    async with tool_server(modern=modern) as server, using(server) as use:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(use.call, "slow", '{"answer": "never"}')
            with anyio.fail_after(10):
                await server.started.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(10):
            await server.cancelled.wait()
        if not modern:
            await server.until_asked("notifications/cancelled")
        assert (await use.call("echo")).error == ""


async def test_long_text_is_cut_with_a_note() -> None:
    """At a character's border; the size that is recorded is that of the whole."""
    policy = evolve(POLICY, max_result=1025)
    async with tool_server() as server, using(server, policy=policy) as use:
        cut = await use.call("big", '{"size": 4000}')
        text = cut.content[0]["text"]
        assert text == "é" * 512 + "\n[cut by the gateway after 1025 bytes of 8000 bytes]"
        assert cut.size > 8000


async def test_large_binary_content_is_left_out_with_a_note() -> None:
    """The text beside it stays."""
    policy = evolve(POLICY, max_result=1024)
    async with tool_server() as server, using(server, policy=policy) as use:
        picture = await use.call("picture", '{"copies": 300}')
        text, note = picture.content
        assert text == {"type": "text", "text": "a dot"}
        assert note["type"] == "text"
        assert note["text"].startswith("[image image/png of 28 kB left out")


async def test_an_answer_beyond_all_bounds_is_refused() -> None:
    """What a server sends is bounded before it is read as a whole; other calls go on."""
    async with tool_server(modern=False) as server, using(server) as use:
        assert (await use.call("big", f'{{"size": {9 * 2**20}}}')).error.startswith("the MCP server one could not")
        assert (await use.call("echo")).error == ""
