"""An answer of which nothing can be the client's becomes an error status; what was seen of it is recorded."""

import json

import pytest

from aibridge_core.actors import Actor
from aibridge_core.bridge import Bridge
from aibridge_core.errors import UnusableToolCall
from aibridge_core.intake import Caller
from aibridge_core.providers.registry import provider
from aibridge_core.records import InterceptionFilter, Page, Status, TokenUsage, ToolUsage
from aibridge_core.routing import Router
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.fakes import (
    CollectingReply,
    CountingIds,
    DeflateOnly,
    FakeToolServers,
    ScriptedAnswer,
    ScriptedUpstream,
)
from aibridge_core.testing.memory import MemoryStorage
from aibridge_core.tools import Tool, Toolbox, ToolResult
from aibridge_core.wire import ClientRequest

pytestmark = pytest.mark.anyio

LIST = Tool(server="hub", server_url="http://mcp", name="list", input_schema={})


def calling(arguments: str) -> ScriptedAnswer:
    """A blocking answer that calls our tool."""
    call = {"id": "call_1", "type": "function", "function": {"name": LIST.id, "arguments": arguments}}
    choice = {"index": 0, "message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    return ScriptedAnswer(chunks=[json.dumps({"id": "c-1", "choices": [choice], "usage": usage}).encode()])


async def test_a_call_that_cannot_be_run_in_a_later_blocking_turn() -> None:
    """The first call is run; the second has no arguments that a tool could take."""
    storage, reply = MemoryStorage(), CollectingReply()
    servers = FakeToolServers(Toolbox(tools=[LIST]), lambda call: ToolResult(call=call))
    bridge = Bridge(
        upstream=ScriptedUpstream(calling("{}"), calling('{"a"')),
        recorder=storage.recorder,
        codings=DeflateOnly(),
        clock=FakeClock(),
        new_id=CountingIds(),
        max_body=10_000,
        tools=servers,
    )
    path = "/o/v1/chat/completions"
    match = Router([provider(name="o", type="openai", base_url="https://o.example/v1", keys=["k"])]).resolve(
        "POST", path
    )
    request = ClientRequest(method="POST", path=path, body=b'{"model":"m","messages":[]}')
    with pytest.raises(UnusableToolCall, match="called list with arguments that are not a JSON object"):
        await bridge.handle(match, request, Caller(actor=Actor(id="u", username="ann"), token="t"), reply)
    assert not reply.started
    (found,) = await storage.store.list(InterceptionFilter(), Page())
    facts = [record.fact for record in found.records]
    assert (found.status, found.error_type) == (Status.FAILED, "unknown")
    assert [fact.input_tokens for fact in facts if isinstance(fact, TokenUsage)] == [3, 3]
    errors = [fact.invocation_error for fact in facts if isinstance(fact, ToolUsage)]
    assert errors == ["", "not run: its arguments are not a whole JSON object"]
