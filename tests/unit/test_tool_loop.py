"""The relay runs the tools that a model calls between two turns; the client sees one answer."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from aibridge_core.actors import Actor
from aibridge_core.bridge import Bridge
from aibridge_core.errors import UpstreamCut
from aibridge_core.intake import Caller
from aibridge_core.providers.registry import provider
from aibridge_core.records import Interception, InterceptionFilter, Page, Status, TokenUsage, ToolUsage
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
from aibridge_core.tools import Tool, Toolbox, ToolCall, ToolResult, injected_name
from aibridge_core.wire import ClientRequest

pytestmark = pytest.mark.anyio

ANN = Actor(id="u-ann", username="ann")
LIST = Tool(server="hub", server_url="http://mcp", name="list", input_schema={})
SSE = ((b"content-type", b"text/event-stream"),)


def event(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


def start(number: int) -> bytes:
    usage = {"input_tokens": 5, "output_tokens": 1}
    return event("message_start", message={"id": f"msg_{number}", "model": "m", "usage": usage})


def end(reason: str) -> bytes:
    delta = event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 3})
    return delta + event("message_stop")


def calling(number: int) -> ScriptedAnswer:
    """A turn that calls our tool."""
    block = {"type": "tool_use", "id": f"toolu_{number}", "name": LIST.id, "input": {}}
    call = event("content_block_start", index=0, content_block=block) + event("content_block_stop", index=0)
    return ScriptedAnswer(headers=SSE, chunks=[start(number), call, end("tool_use")])


def calling_both() -> ScriptedAnswer:
    """A turn that calls our tool, and one of the client's."""
    blocks = [
        event("content_block_start", index=at, content_block={"type": "tool_use", "id": who, "name": name, "input": {}})
        + event("content_block_stop", index=at)
        for at, (who, name) in enumerate([("toolu_1", LIST.id), ("toolu_2", "Read")])
    ]
    return ScriptedAnswer(headers=SSE, chunks=[start(1), *blocks, end("tool_use")])


def saying(words: str) -> ScriptedAnswer:
    """A turn that answers."""
    block = event("content_block_start", index=0, content_block={"type": "text", "text": words})
    return ScriptedAnswer(headers=SSE, chunks=[start(9), block + event("content_block_stop", index=0), end("end_turn")])


class World:
    """A bridge with a tool server among fakes."""

    def __init__(self, *answers: ScriptedAnswer, run: Any = None) -> None:
        self.storage = MemoryStorage()
        self.upstream = ScriptedUpstream(*answers)
        self.reply = CollectingReply()
        self.servers = FakeToolServers(Toolbox(tools=[LIST]), run or self.answer)
        self.bridge = Bridge(
            upstream=self.upstream,
            recorder=self.storage.recorder,
            codings=DeflateOnly(),
            clock=FakeClock(),
            new_id=CountingIds(),
            max_body=10_000,
            tools=self.servers,
            max_turns=3,
        )

    @staticmethod
    def answer(call: ToolCall) -> ToolResult:
        return ToolResult(call=call, content=[{"type": "text", "text": "42"}], duration=0.25, size=27)

    async def post(self, *messages: dict[str, Any]) -> None:
        router = Router([provider(name="a", type="anthropic", base_url="https://a.example", keys=["k"])])
        said = [{"role": "user", "content": "hi"}, *messages]
        body = json.dumps({"model": "m", "stream": True, "messages": said}).encode()
        request = ClientRequest(method="POST", path="/a/v1/messages", body=body)
        match = router.resolve("POST", "/a/v1/messages")
        await self.bridge.handle(match, request, Caller(actor=ANN, token="t"), self.reply)

    async def kept(self) -> Interception:
        (found,) = await self.storage.store.list(InterceptionFilter(), Page())
        return found


def of(found: Interception, kind: type) -> Sequence[Any]:
    return [record.fact for record in found.records if isinstance(record.fact, kind)]


async def test_a_tool_is_run_and_the_model_goes_on() -> None:
    """Two upstream requests, one answer, one interception with the tokens of both and the call."""
    world = World(calling(1), saying("42 it is."))
    await world.post()
    assert world.reply.finished
    assert world.reply.body.count(b"event: message_start") == 1
    assert LIST.id.encode() not in world.reply.body
    sent = [json.loads(request.body) for request in world.upstream.requests]
    assert [len(each["messages"]) for each in sent] == [1, 3]
    found = await world.kept()
    assert found.status is Status.COMPLETED
    assert [fact.output_tokens for fact in of(found, TokenUsage)] == [3, 3]
    (call,) = of(found, ToolUsage)
    assert (call.tool, call.injected, call.server_url, call.tool_call_id) == ("list", True, "http://mcp", "toolu_1")
    assert call.metadata == {"duration_ms": 250, "result_bytes": 27}


async def test_the_first_turn_is_recorded_before_the_tool_runs() -> None:
    """A tool may change the world; what led to it is in the trail by then."""
    seen: list[Sequence[Any]] = []

    def look(call: ToolCall) -> ToolResult:
        (found,) = world.storage.database.records.values()
        seen.append([type(record.fact).__name__ for record in found.values()])
        return World.answer(call)

    world = World(calling(1), saying("ok"), run=look)
    await world.post()
    assert seen == [["PromptUsage", "TokenUsage"]]


async def test_a_model_that_never_stops_calling_is_stopped() -> None:
    """After the configured number of turns, with an error in the stream."""
    world = World(calling(1), calling(2), calling(3))
    await world.post()
    assert len(world.servers.calls) == 2
    assert b"in 3 turns without an answer" in world.reply.body
    found = await world.kept()
    assert (found.status, len(of(found, TokenUsage)), len(of(found, ToolUsage))) == (Status.FAILED, 3, 3)
    assert [call.invocation_error for call in of(found, ToolUsage)] == ["", "", "not run: too many turns"]


async def test_a_later_turn_that_is_refused_is_an_error_in_the_stream() -> None:
    """With the provider's message; all that came before is recorded."""
    refusal = b'{"type":"error","error":{"type":"overloaded_error","message":"try later"}}'
    world = World(calling(1), ScriptedAnswer(status=529, chunks=[refusal]))
    await world.post()
    assert world.reply.body.count(b"event: error") == 1
    assert b"try later" in world.reply.body
    found = await world.kept()
    assert (found.status, found.error_type, found.error_message) == (Status.FAILED, "overloaded", "try later")
    assert len(of(found, ToolUsage)) == 1


async def test_a_later_turn_that_is_refused_in_half_a_sentence() -> None:
    """Its status says enough for an error in the stream, which stays a stream of events."""
    half = ScriptedAnswer(status=529, chunks=[b'{"type":"error","mess'], breaks=UpstreamCut("broke off"))
    world = World(calling(1), half)
    await world.post()
    assert world.reply.finished
    lines = world.reply.body.splitlines()
    data = [json.loads(line.removeprefix(b"data: ")) for line in lines if line and not line.startswith(b"event: ")]
    assert [each["type"] for each in data].count("error") == 1
    found = await world.kept()
    assert found.status is Status.FAILED
    assert len(of(found, ToolUsage)) == 1


async def test_a_turn_that_calls_a_tool_of_the_client_too_is_the_last() -> None:
    """Ours is run before the answer ends; the model finds its call and the result when the client comes back."""
    world = World(calling_both(), saying("ok"))
    await world.post()
    assert world.reply.finished
    assert world.reply.body.endswith(b'{"type": "message_stop"}\n\n')
    assert LIST.id.encode() not in world.reply.body
    found = await world.kept()
    assert (found.status, len(world.servers.calls), len(world.upstream.requests)) == (Status.COMPLETED, 1, 1)
    assert {call.tool: call.injected for call in of(found, ToolUsage)} == {"list": True, "Read": False}

    world.reply = CollectingReply()
    call = {"type": "tool_use", "id": "toolu_2", "name": "Read", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_2", "content": "a file"}
    await world.post({"role": "assistant", "content": [call]}, {"role": "user", "content": [result]})
    sent = json.loads(world.upstream.requests[1].body)["messages"]
    assert [block["id"] for block in sent[1]["content"]] == ["toolu_1", "toolu_2"]
    assert [block["tool_use_id"] for block in sent[2]["content"]] == ["toolu_1", "toolu_2"]


async def test_the_last_turn_may_call_tools_of_ours_and_the_clients() -> None:
    """No further turn follows it, so none is too many."""
    world = World(calling(1), calling(2), calling_both())
    await world.post()
    assert (world.reply.finished, len(world.servers.calls)) == (True, 3)
    assert (await world.kept()).status is Status.COMPLETED


async def test_a_client_that_leaves_while_a_tool_runs() -> None:
    """The call is recorded as cancelled."""

    def leave(call: ToolCall) -> ToolResult:
        world.reply.client_gone = True
        raise KeyboardInterrupt

    world = World(calling(1), run=leave)
    with pytest.raises(KeyboardInterrupt):
        await world.post()
    found = await world.kept()
    assert found.status is Status.CANCELLED
    assert [call.invocation_error for call in of(found, ToolUsage)] == ["cancelled"]


def test_injected_names_fit_every_provider() -> None:
    """Stable, at most 64 characters, and different for different tools."""
    assert injected_name("coder", "list_workspaces") == "bmcp_coder_list_workspaces"
    long = [injected_name("server", "x" * 80 + end) for end in ("a", "b")]
    assert all(len(name) == 64 for name in long)
    assert long[0] != long[1]
    assert injected_name("s", "a.b") != injected_name("s", "a_b")
    assert injected_name("s", "a.b") == injected_name("s", "a.b")
