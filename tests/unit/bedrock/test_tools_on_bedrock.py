"""Tools of ours work on Bedrock: by InvokeModel for clients of the Messages API, and on its native routes."""

import json

import pytest

from aibridge_core.actors import Actor
from aibridge_core.bedrock.events import chunk_of, event_of
from aibridge_core.bedrock.models import Models
from aibridge_core.bridge import Bridge
from aibridge_core.eventstream import EventStreamDecoder, encode
from aibridge_core.intake import Caller
from aibridge_core.providers import bedrock
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
from aibridge_core.tools import Tool, Toolbox, ToolCall, ToolResult
from aibridge_core.wire import ClientRequest, Headers, UpstreamRequest, header

pytestmark = pytest.mark.anyio

ANN = Actor(id="u-ann", username="ann")
LIST = Tool(server="hub", server_url="http://mcp", name="list", input_schema={})
STREAM: Headers = ((b"content-type", b"application/vnd.amazon.eventstream"),)


def answer(*events: dict[str, object]) -> ScriptedAnswer:
    return ScriptedAnswer(headers=STREAM, chunks=[encode(chunk_of(json.dumps(event).encode())) for event in events])


START = {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 5, "output_tokens": 1}}}
CALL_BLOCK = {"type": "tool_use", "id": "t", "name": LIST.id, "input": {}}
CALL = {"type": "content_block_start", "index": 0, "content_block": CALL_BLOCK}
TEXT = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "done"}}
STOP = {"type": "content_block_stop", "index": 0}
END = {"type": "message_stop"}


def delta(reason: str) -> dict[str, object]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 3}}


class FakeSigner:
    """Implements `aibridge_core.signing.Signer`; remembers what it signed."""

    key_id = "AKIA0"
    secrets = ()

    def __init__(self) -> None:
        self.signed: list[UpstreamRequest] = []

    async def sign(self, request: UpstreamRequest) -> Headers:
        """A signature that names the try."""
        self.signed.append(request)
        return ((b"authorization", b"signature %d" % len(self.signed)),)


def run(call: ToolCall) -> ToolResult:
    return ToolResult(call=call, content=({"type": "text", "text": "a, b"},))


async def exchange(path: str, body: dict[str, object]) -> tuple[CollectingReply, ScriptedUpstream, FakeSigner]:
    upstream = ScriptedUpstream(
        answer(START, CALL, STOP, delta("tool_use"), END), answer(START, TEXT, STOP, delta("end_turn"), END)
    )
    signer, reply, clock = FakeSigner(), CollectingReply(), FakeClock()
    provider = bedrock.provider(
        name="b", type="bedrock", base_url="https://aws.example", models=Models(main="anthropic.x"), signer=signer
    )
    bridge = Bridge(
        upstream=upstream, recorder=MemoryStorage().recorder, codings=DeflateOnly(), clock=clock,
        new_id=CountingIds(), max_body=10_000, tools=FakeToolServers(Toolbox(tools=(LIST,)), run),
    )  # fmt: skip
    match = Router([provider]).resolve("POST", path)
    request = ClientRequest(method="POST", path=path, headers=(), body=json.dumps(body).encode())
    await bridge.handle(match, request, Caller(actor=ANN, token="t"), reply)
    return reply, upstream, signer


def authorised(upstream: ScriptedUpstream) -> list[str | None]:
    return [header(request.headers, b"authorization") for request in upstream.requests]


BODY: dict[str, object] = {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


async def test_a_loop_over_invoke_model() -> None:
    """Both turns are adapted and signed by themselves; the client sees one stream of events without the call."""
    reply, upstream, signer = await exchange("/b/v1/messages", {**BODY, "model": "claude", "stream": True})
    assert authorised(upstream) == ["signature 1", "signature 2"]
    bodies = [json.loads(request.body) for request in upstream.requests]
    assert all("model" not in body and "stream" not in body and body["tools"] for body in bodies)
    assert bodies[1]["messages"][-1]["content"][0]["tool_use_id"] == "t"
    assert {request.url for request in signer.signed} == {
        "https://aws.example/model/anthropic.x/invoke-with-response-stream"
    }
    assert reply.body.count(b"event: message_stop") == 1
    assert LIST.id.encode() not in reply.body


async def test_a_loop_on_a_native_route() -> None:
    """The client gets messages of Bedrock's own stream, of both turns, without the call."""
    reply, upstream, _ = await exchange("/b/model/anthropic.y/invoke-with-response-stream", BODY)
    events = [event_of(message) for message in EventStreamDecoder().feed(reply.body)]
    kinds = [json.loads(event.data)["type"] for event in events if event]
    assert kinds == ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]
    assert [request.url for request in upstream.requests] == [
        "https://aws.example/model/anthropic.y/invoke-with-response-stream"
    ] * 2
    assert all("model" not in json.loads(request.body) for request in upstream.requests)
