"""The whole way: a client, the gateway, a provider that calls an injected tool, a real MCP server, the trail."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from aibridge_adapters.config import McpServerSettings
from support.mcp_server import tool_server
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import running_gateway

pytestmark = pytest.mark.anyio
ASKED = {"model": "claude-opus-4-5", "max_tokens": 16, "messages": [{"role": "user", "content": "what does it say?"}]}


def calling(tool: str, **arguments: Any) -> Any:
    """A provider that calls the tool in its first answer, and repeats the tool's result in its second."""
    seen: list[Any] = []

    async def answer(request: Received, answering: Answering) -> None:
        seen.append(json.loads(request.body))
        usage = {"input_tokens": 3, "output_tokens": 2}
        message = {"id": f"msg_{len(seen)}", "type": "message", "role": "assistant", "model": "claude-opus-4-5"}
        if len(seen) == 1:
            call = {"type": "tool_use", "id": "toolu_1", "name": f"bmcp_wiki_{tool}", "input": arguments}
            body = {**message, "content": [call], "stop_reason": "tool_use", "usage": usage}
        else:
            said = seen[1]["messages"][-1]["content"][0]["content"]
            text = {"type": "text", "text": json.dumps(said)}
            body = {**message, "content": [text], "stop_reason": "end_turn", "usage": usage}
        await answering.whole(json.dumps(body).encode(), 200, ("content-type", "application/json"))

    return answer


async def test_the_client_sees_the_answer_and_the_trail_sees_the_call(tmp_path: Path) -> None:
    """The tool's result comes from the MCP server; its call is recorded with server, name, arguments and size."""
    async with tool_server() as tools, raw_upstream(calling("echo", text="hello")) as upstream:
        wiki = McpServerSettings(name="wiki", url=tools.url)
        async with running_gateway(tmp_path, upstream.url, mcp=(wiki,)) as up, up.client() as client:
            answer = await client.post("/anthropic/v1/messages", json=ASKED, headers=up.anthropic)
            assert answer.status_code == 200
            assert "echo: hello" in answer.text
            assert "bmcp_" not in answer.text
            (interception,) = await up.ended()
            (usage,) = interception["tool_usages"]
            assert (usage["tool"], usage["server_url"], usage["injected"]) == ("echo", tools.url, True)
            assert json.loads(usage["input"]) == {"text": "hello"}
            assert usage["metadata"]["result_bytes"] > 0
            assert up.gateway.mcp_counters.servers["wiki"].calls["echo"].calls == 1


async def test_a_client_that_goes_away_ends_the_tool(tmp_path: Path) -> None:
    """The call on the MCP server is cancelled, and stands in the trail as cancelled."""
    async with tool_server() as tools, raw_upstream(calling("slow", answer="never")) as upstream:
        wiki = McpServerSettings(name="wiki", url=tools.url)
        async with running_gateway(tmp_path, upstream.url, mcp=(wiki,)) as up:
            async with up.client() as client, anyio.create_task_group() as tasks:

                async def ask() -> None:
                    await client.post("/anthropic/v1/messages", json=ASKED, headers=up.anthropic)

                tasks.start_soon(ask)
                with anyio.fail_after(10):
                    await tools.started.wait()
                tasks.cancel_scope.cancel()
            with anyio.fail_after(10):
                await tools.cancelled.wait()
            (interception,) = await up.ended()
            assert interception["status"] == "cancelled"
            (usage,) = interception["tool_usages"]
            assert (usage["tool"], usage["invocation_error"]) == ("slow", "cancelled")


async def test_a_server_that_is_down_costs_the_client_nothing(tmp_path: Path) -> None:
    """The request goes on, byte for byte as it came, since there is nothing to inject."""
    body = json.dumps(ASKED, indent=3).encode()
    received = []

    async def ok(request: Received, answering: Answering) -> None:
        received.append(request.body)
        await answering.whole(b'{"id":"msg_1","content":[]}', 200, ("content-type", "application/json"))

    async with tool_server() as tools, raw_upstream(ok) as upstream:
        await tools.stop()
        wiki = McpServerSettings(name="wiki", url=tools.url)
        async with running_gateway(tmp_path, upstream.url, mcp=(wiki,)) as up, up.client() as client:
            answer = await client.post("/anthropic/v1/messages", content=body, headers=up.anthropic)
            assert answer.status_code == 200
            assert received == [body]
