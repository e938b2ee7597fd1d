"""Which spans a request leaves: how many, below which, with what on them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from aibridge_adapters.config import McpServerSettings
from integration.tracing.tracing import ASKED, Traced, answers, traced
from support import messages as m
from support.mcp_server import tool_server

pytestmark = pytest.mark.anyio

SIMPLE = (m.start(), m.block(0, "text", text=""), m.text(0, "hi"), m.stop(0), m.end({"output_tokens": 7}), m.STOP)
CALLING = (m.start(), m.tool(0), m.arguments(0, "{}"), m.stop(0), m.end({"output_tokens": 9}, "tool_use"), m.STOP)
INJECTED = (
    *(m.start(), m.tool(0, "bmcp_wiki_echo"), m.arguments(0, '{"text":"said"}'), m.stop(0)),
    *(m.end({"output_tokens": 9}, "tool_use"), m.STOP),
)
USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
SAID = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
CHAT = json.dumps({"id": "chatcmpl-1", "model": "m-1", "choices": [SAID], "usage": USAGE}).encode()
RESPONSE = json.dumps(
    {
        "id": "resp_1",
        "model": "m-1",
        "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "hi"}]}],
        "usage": {"input_tokens": 12, "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 2}},
    }
).encode()
BLOCKING = {**ASKED, "stream": False}
CHAT_PATH, RESPONSES_PATH = "/openai/v1/chat/completions", "/openai/v1/responses"
ASKED_RESPONSE = {"model": "m-1", "input": "hello"}
CUT = SIMPLE[:3]
FINISHED = "gen_ai.response.finish_reasons"
BROKEN = (m.start(), m.error())
ERROR = b'{"type":"error","error":{"type":"overloaded_error","message":"try later"}}'


@pytest.mark.parametrize(
    ("path", "body", "answer", "counts"),
    [
        ("", BLOCKING, m.message({"type": "text", "text": "hi"}), [1, 1, 1, 0, 0]),
        ("", ASKED, SIMPLE, [1, 1, 1, 0, 0]),
        (CHAT_PATH, BLOCKING, CHAT, [1, 1, 1, 0, 0]),
        (RESPONSES_PATH, ASKED_RESPONSE, RESPONSE, [1, 1, 1, 0, 0]),
        ("", ASKED, CALLING, [1, 1, 1, 1, 0]),
        ("", ASKED, BROKEN, [1, 1, 1, 0, 0]),
    ],
    ids=["messages", "messages stream", "chat", "responses", "a tool of the client", "an error in the stream"],
)
async def test_how_many(
    tmp_path: Path, path: str, body: Any, answer: bytes | Sequence[bytes], counts: Sequence[int]
) -> None:
    """One call of the model, the prompt, one record for each answer's tokens and for each tool call; start and end."""
    async with traced(tmp_path, answers(answer)) as seen:
        assert await seen.ask(body, path or "/anthropic/v1/messages") == 200
    assert seen.counts() == counts
    assert len(seen.named("Intercept.RecordInterception")) == len(seen.named("Intercept.RecordInterceptionEnded")) == 1


async def test_which_below_which(tmp_path: Path) -> None:
    """The server's span above all; start and end records belong to the interception, the others to its work."""
    async with traced(tmp_path, answers(CALLING)) as seen:
        await seen.ask()
    assert {span.name: seen.parent(span) for span in seen.spans} == {
        "POST /anthropic/v1/messages": "",
        "CachedBridgePool.Acquire": "POST /anthropic/v1/messages",
        "Intercept": "POST /anthropic/v1/messages",
        "Intercept.CreateInterceptor": "Intercept",
        "Intercept.RecordInterception": "Intercept",
        "Intercept.ProcessRequest": "Intercept",
        "Intercept.ProcessRequest.Upstream": "Intercept.ProcessRequest",
        "Intercept.RecordPromptUsage": "Intercept.ProcessRequest",
        "Intercept.RecordTokenUsage": "Intercept.ProcessRequest",
        "Intercept.RecordToolUsage": "Intercept.ProcessRequest",
        "Intercept.RecordInterceptionEnded": "Intercept",
    }
    assert all(span.status.status_code is StatusCode.UNSET for span in seen.spans)
    assert len({span.context.trace_id for span in seen.spans if span.context}) == 1


async def test_what_is_on_them(tmp_path: Path) -> None:
    """Each span of an interception says whose and which it is; the server's span speaks HTTP."""
    async with traced(tmp_path, answers(CALLING)) as seen:
        await seen.ask(**{"user-agent": "test/1", "x-claude-code-session-id": "s-1"})
        (interception,) = await seen.up.ended()
    shared = {
        "request_path": "/anthropic/v1/messages",
        "interception_id": interception["id"],
        "user_id": interception["initiator"]["id"],
        "provider": "anthropic",
        "model": "claude-x",
        "streaming": True,
        "aws_bedrock": False,
    }
    for span in seen.spans:
        if span.name.startswith("Intercept"):
            assert shared.items() <= dict(span.attributes or {}).items(), span.name
    assert attributes(seen, "Intercept")["aibridge.status"] == "completed"
    acquired = attributes(seen, "CachedBridgePool.Acquire")
    assert acquired["user_id"] == interception["initiator"]["id"]
    assert acquired["api_key_id"]
    assert [event.name for event in seen.one("CachedBridgePool.Acquire").events] == ["cache_hit"]
    server = seen.one("POST /anthropic/v1/messages")
    assert server.kind is SpanKind.SERVER
    assert dict(server.attributes or {}) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/anthropic/v1/messages",
        "url.path": "/anthropic/v1/messages",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "client.address": "127.0.0.1",
        "user_agent.original": "test/1",
    }


async def test_an_openai_interception_says_nothing_of_bedrock(tmp_path: Path) -> None:
    """Only Anthropic's models are served by it."""
    async with traced(tmp_path, answers(CHAT)) as seen:
        await seen.ask(BLOCKING, CHAT_PATH)
    assert "aws_bedrock" not in attributes(seen, "Intercept")
    assert attributes(seen, "Intercept")["request_path"] == CHAT_PATH


async def test_generative_ai(tmp_path: Path) -> None:
    """The call of the model follows the conventions: counts include cached tokens, reasoning is told apart."""
    usage = {"input_tokens": 20, "cache_read_input_tokens": 300, "cache_creation_input_tokens": 5, "output_tokens": 1}
    stream = (m.start(usage), *SIMPLE[1:])
    async with traced(tmp_path, answers(stream, CHAT, RESPONSE)) as seen:
        await seen.ask()
        await seen.ask(BLOCKING, CHAT_PATH)
        await seen.ask(ASKED_RESPONSE, RESPONSES_PATH)
    claude, chat, response = (dict(span.attributes or {}) for span in seen.named("Intercept.ProcessRequest.Upstream"))
    assert 0 < claude.pop("gen_ai.response.time_to_first_chunk") < 10
    assert {name: value for name, value in claude.items() if "." in name} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-x",
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ("end_turn",),
        "gen_ai.response.id": "msg_1",
        "gen_ai.response.model": "claude-x",
        "gen_ai.usage.input_tokens": 325,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 300,
        "gen_ai.usage.cache_creation.input_tokens": 5,
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": seen.upstream.port,
    }
    assert (chat["gen_ai.provider.name"], chat["gen_ai.response.model"]) == ("openai", "m-1")
    assert (chat["gen_ai.usage.input_tokens"], chat["gen_ai.usage.cache_read.input_tokens"]) == (12, 4)
    assert response["gen_ai.usage.reasoning.output_tokens"] == 2
    assert [call["gen_ai.response.finish_reasons"] for call in (chat, response)] == [("stop",), ("completed",)]
    assert all(span.kind is SpanKind.CLIENT for span in seen.named("Intercept.ProcessRequest.Upstream"))


async def test_the_conversation_of_a_client_that_names_one(tmp_path: Path) -> None:
    """A session id is the conversation's id."""
    async with traced(tmp_path, answers(SIMPLE)) as seen:
        agent = {"user-agent": "claude-cli/2.0.1 (external, cli)", "x-claude-code-session-id": "s-1"}
        await seen.ask(**agent)
        (interception,) = await seen.up.ended()
    assert attributes(seen, "Intercept.ProcessRequest.Upstream")["gen_ai.conversation.id"] == "s-1"
    assert attributes(seen, "Intercept")["aibridge.client"] == interception["client"]


async def test_a_model_that_thinks(tmp_path: Path) -> None:
    """Each thought that is recorded has its span."""
    stream = (m.start(), m.block(0, "thinking", thinking=""), m.thinking(0, "hm"), m.stop(0), *SIMPLE[4:])
    async with traced(tmp_path, answers(stream)) as seen:
        await seen.ask()
    assert seen.parent(seen.one("Intercept.RecordModelThought")) == "Intercept.ProcessRequest"


async def test_an_injected_tool(tmp_path: Path) -> None:
    """Two calls of the model with one of the tool between them; the first request of all connects to the server."""
    async with tool_server() as tools:
        wiki = McpServerSettings(name="wiki", url=f"{tools.url}?key=hunter2")
        async with traced(tmp_path, answers(INJECTED, SIMPLE, SIMPLE), mcp=(wiki,)) as seen:
            await seen.ask()
            await seen.ask()
    assert seen.counts() == [3, 2, 3, 1, 1]
    reasons = [attributes(seen, "Intercept.ProcessRequest.Upstream", turn)[FINISHED] for turn in range(3)]
    assert reasons == [("tool_use",), ("end_turn",), ("end_turn",)]
    call = seen.one("Intercept.ProcessRequest.ToolCall")
    assert seen.parent(call) == "Intercept.ProcessRequest"
    intercept = attributes(seen, "Intercept", 0)
    assert dict(call.attributes or {}) == {
        **{name: intercept[name] for name in ("request_path", "interception_id", "user_id", "provider")},
        **{name: intercept[name] for name in ("model", "streaming", "aws_bedrock")},
        "mcp_tool_name": "echo",
        "mcp_server_name": "wiki",
        "mcp_server_url": f"{tools.url}?key=REDACTED",
        "mcp_input": '{"text":"said"}',
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "bmcp_wiki_echo",
        "gen_ai.tool.call.id": "toolu_1",
    }
    first, second = seen.named("CachedBridgePool.Acquire")
    assert [event.name for event in first.events] == ["cache_miss"]
    assert [event.name for event in second.events] == ["cache_hit"]
    assert seen.parent(seen.one("ServerProxyManager.Init")) == "CachedBridgePool.Acquire"
    assert seen.parent(seen.one("StreamableHTTPServerProxy.Init")) == "ServerProxyManager.Init"
    fetched = seen.named("StreamableHTTPServerProxy.Init.fetchTools")[0]
    assert seen.parent(fetched) == "StreamableHTTPServerProxy.Init"
    assert dict(fetched.attributes or {}) == {
        "mcp_proxy_name": "wiki",
        "mcp_server_name": "wiki",
        "mcp_server_url": f"{tools.url}?key=REDACTED",
        "mcp_tool_count": 8,
        "user_id": intercept["user_id"],
        "api_key_id": dict(first.attributes or {})["api_key_id"],
    }


def attributes(seen: Traced, name: str, number: int = 0) -> dict[str, Any]:
    """Of the first span of this name, or a later one."""
    return dict(seen.named(name)[number].attributes or {})
