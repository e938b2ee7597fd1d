"""What spans say of requests that don't go well."""

from pathlib import Path

import anyio
import httpx
import pytest
from opentelemetry.trace import StatusCode

from aibridge_adapters.config import McpServerSettings, ToolSettings
from integration.tracing.test_scenarios import ASKED, BLOCKING, BROKEN, CUT, ERROR, INJECTED, SIMPLE
from integration.tracing.tracing import Traced, answers, traced
from support import messages as m
from support.mcp_server import tool_server
from support.raw_upstream import Answering, Received

pytestmark = pytest.mark.anyio

UPSTREAM = "Intercept.ProcessRequest.Upstream"


def errors(seen: Traced) -> dict[str, str]:
    """What each failed span says."""
    return {
        span.name: span.status.description or "" for span in seen.spans if span.status.status_code is StatusCode.ERROR
    }


async def test_an_error_of_the_provider(tmp_path: Path) -> None:
    """It is on the call, on the work and on the interception, with the class that is recorded."""
    async with traced(tmp_path, answers(ERROR, status=529)) as seen:
        assert await seen.ask(BLOCKING) == 529
    assert errors(seen) == {
        UPSTREAM: "try later",
        "Intercept.ProcessRequest": "try later",
        "Intercept": "interception failed: try later",
        "POST /anthropic/v1/messages": "",
    }
    assert dict(seen.one(UPSTREAM).attributes or {})["error.type"] == "overloaded"
    assert dict(seen.one(UPSTREAM).attributes or {})["http.response.status_code"] == 529
    assert dict(seen.one("Intercept").attributes or {})["aibridge.status"] == "failed"
    assert seen.counts() == [1, 1, 0, 0, 0]


async def test_an_error_inside_a_stream(tmp_path: Path) -> None:
    """The span of the call lasts until the stream's end, so it carries the error that came in it."""
    async with traced(tmp_path, answers(BROKEN)) as seen:
        assert await seen.ask() == 200
    assert errors(seen) == {
        UPSTREAM: "Overloaded",
        "Intercept.ProcessRequest": "Overloaded",
        "Intercept": "interception failed: Overloaded",
    }


async def test_a_stream_that_breaks_off(tmp_path: Path) -> None:
    """The call has failed; what it had cost by then stands on it all the same."""

    async def script(request: Received, answering: Answering) -> None:
        await answering.head(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        for piece in CUT:
            await answering.chunk(piece)
        answering.reset()

    async with traced(tmp_path, script) as seen:
        with pytest.raises(httpx.RemoteProtocolError):
            await seen.ask()
    assert set(errors(seen)) == {UPSTREAM, "Intercept.ProcessRequest", "Intercept"}
    call = dict(seen.one(UPSTREAM).attributes or {})
    assert call["error.type"] == "connection_error"
    assert call["gen_ai.usage.input_tokens"] == 25


async def test_a_provider_that_is_away(tmp_path: Path) -> None:
    """Each try is a call without an answer, with an error."""

    async def script(request: Received, answering: Answering) -> None:
        answering.reset()

    async with traced(tmp_path, script, upstream_retries=1) as seen:
        assert await seen.ask() == 502
    assert set(errors(seen)) == {UPSTREAM, "Intercept.ProcessRequest", "Intercept", "POST /anthropic/v1/messages"}
    tries = [dict(span.attributes or {}) for span in seen.named(UPSTREAM)]
    assert [found["error.type"] for found in tries] == ["connection_error"] * 2
    assert not any("http.response.status_code" in found for found in tries)
    assert dict(seen.one("POST /anthropic/v1/messages").attributes or {})["error.type"] == "connection_error"


async def test_a_stream_lasts_as_long_as_its_span(tmp_path: Path) -> None:
    """The span of the call ends after the last piece has come, not with the head."""
    pause = 0.2

    async def script(request: Received, answering: Answering) -> None:
        await answering.head(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        await answering.chunk(SIMPLE[0])
        await anyio.sleep(pause)
        for piece in SIMPLE[1:]:
            await answering.chunk(piece)
        await answering.raw(b"0\r\n\r\n")

    async with traced(tmp_path, script) as seen:
        await seen.ask()
    call = seen.one(UPSTREAM)
    assert (call.end_time or 0) - (call.start_time or 0) >= pause * 1e9
    assert dict(call.attributes or {})["gen_ai.response.time_to_first_chunk"] < pause


async def test_a_request_that_can_not_be_read(tmp_path: Path) -> None:
    """There is no interception; what was tried says why it failed."""
    async with traced(tmp_path, answers()) as seen:
        assert await seen.ask({"model": 5}) == 400
    assert set(errors(seen)) == {"Intercept.CreateInterceptor", "Intercept"}
    assert errors(seen)["Intercept"].startswith("failed to create interceptor: ")
    assert errors(seen)["Intercept"].endswith(errors(seen)["Intercept.CreateInterceptor"])
    assert "interception_id" not in dict(seen.one("Intercept").attributes or {})
    assert not seen.named("Intercept.RecordInterception")


async def test_a_client_that_leaves(tmp_path: Path) -> None:
    """It is cancelled, which is no failure: the interception says so, and its end is recorded."""
    begun = anyio.Event()

    async def script(request: Received, answering: Answering) -> None:
        await answering.head(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        await answering.chunk(SIMPLE[0])
        begun.set()
        await answering.hung_up()

    async with traced(tmp_path, script) as seen:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(seen.ask)
            with anyio.fail_after(10):
                await begun.wait()
            tasks.cancel_scope.cancel()
        await seen.up.ended()
    assert errors(seen) == {}
    assert dict(seen.one("Intercept").attributes or {})["aibridge.status"] == "cancelled"
    assert len(seen.named("Intercept.RecordInterceptionEnded")) == len(seen.named(UPSTREAM)) == 1


async def test_a_stranger(tmp_path: Path) -> None:
    """Who has no token gets one span, without a route: nothing is known of the way."""
    async with traced(tmp_path, answers()) as seen:
        assert await seen.ask(**{"x-api-key": "wrong"}) == 401
    (span,) = seen.spans
    assert (span.name, span.status.status_code) == ("POST", StatusCode.UNSET)
    assert dict(span.attributes or {})["http.response.status_code"] == 401


async def test_a_tool_that_fails(tmp_path: Path) -> None:
    """A tool's own error is on the span of its call, and on no other: the model goes on with it."""
    calling = [piece.replace(b"wiki_echo", b"wiki_fails").replace(b"said", b"") for piece in INJECTED]
    async with tool_server() as tools:
        wiki = McpServerSettings(name="wiki", url=tools.url)
        async with traced(tmp_path, answers(calling, SIMPLE), mcp=(wiki,)) as seen:
            await seen.ask()
    assert errors(seen) == {"Intercept.ProcessRequest.ToolCall": "the tool reports an error"}
    assert dict(seen.one("Intercept.ProcessRequest.ToolCall").attributes or {})["error.type"] == "tool_error"


async def test_a_tool_server_that_is_down(tmp_path: Path) -> None:
    """Connecting fails, below the look-up that waited for it; the request goes on."""
    async with tool_server() as tools:
        url = tools.url
    wiki = McpServerSettings(name="wiki", url=url)
    async with traced(tmp_path, answers(SIMPLE), mcp=(wiki,), tools=ToolSettings(connect_timeout=5)) as seen:
        assert await seen.ask() == 200
    failed = errors(seen)
    assert failed["ServerProxyManager.Init"] == "MCP servers without tools: wiki"
    assert "can't be reached" in failed["StreamableHTTPServerProxy.Init"]
    assert not {"CachedBridgePool.Acquire", "Intercept"} & set(failed)


async def test_a_second_answer_that_fails(tmp_path: Path) -> None:
    """Only the second call of the model has failed."""
    async with tool_server() as tools:
        wiki = McpServerSettings(name="wiki", url=tools.url)
        async with traced(tmp_path, answers(INJECTED, (m.start(), m.error())), mcp=(wiki,)) as seen:
            await seen.ask(ASKED)
    first, second = seen.named(UPSTREAM)
    assert first.status.status_code is StatusCode.UNSET
    assert second.status.description == "Overloaded"
