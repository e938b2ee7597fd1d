"""Calls of ours are run between turns; the client sees one message without them."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.dialects.api import CallTools, Failed, Interceptor, Observed, Refused, Relay, Step
from aibridge_core.dialects.messages import MessagesDialect
from aibridge_core.records import TokenUsage, ToolUsage
from aibridge_core.tools import Tool, Toolbox, ToolCall, ToolResult
from aibridge_core.wire import AnswerHead

LIST = Tool(server="hub", server_url="http://mcp", name="list", description="Lists.", input_schema={"properties": {}})
BOX = Toolbox(tools=[LIST])
STREAM = AnswerHead(status=200, headers=((b"content-type", b"text/event-stream"),))
JSON = AnswerHead(status=200, headers=((b"content-type", b"application/json"),))
READ = '{"name": "Read",  "input_schema": {}, "cache_control": {"type":"ephemeral"}}'


def ask(**more: Any) -> bytes:
    body = {"model": "m-1", "stream": True, "messages": [{"role": "user", "content": "hi"}], **more}
    return json.dumps(body).encode()


def event(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


def message(*blocks: bytes, stop: str = "tool_use", output: int = 5, start: int = 1) -> bytes:
    usage = {"input_tokens": 10, "output_tokens": start}
    return b"".join(
        [
            event("message_start", message={"id": "msg_1", "model": "m-1", "usage": usage}),
            *blocks,
            event("message_delta", delta={"stop_reason": stop}, usage={"output_tokens": output}),
            event("message_stop"),
        ]
    )


def text(index: int, words: str) -> bytes:
    return (
        event("content_block_start", index=index, content_block={"type": "text", "text": ""})
        + event("content_block_delta", index=index, delta={"type": "text_delta", "text": words})
        + event("content_block_stop", index=index)
    )


def call(index: int, name: str, arguments: str, call_id: str = "toolu_1") -> bytes:
    block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    return (
        event("content_block_start", index=index, content_block=block)
        + event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": arguments})
        + event("content_block_stop", index=index)
    )


def turn(interceptor: Interceptor, data: bytes, head: AnswerHead = STREAM, size: int = 10**6) -> Sequence[Step]:
    interceptor.begin_turn(head)
    steps = [step for i in range(0, len(data), size) for step in interceptor.feed(data[i : i + size])]
    return [*steps, *interceptor.end_turn()]


def shown(steps: Sequence[Step]) -> bytes:
    return b"".join(step.data for step in steps if isinstance(step, Relay))


def facts(steps: Sequence[Step]) -> Sequence[Any]:
    return [step.fact for step in steps if isinstance(step, Observed)]


def answer(found: ToolCall, *content: dict[str, Any], **more: Any) -> ToolResult:
    return ToolResult(call=found, content=content or ({"type": "text", "text": "42"},), **more)


FIRST = message(text(0, "Looking."), call(1, LIST.id, '{"a": 1}'))


def test_tools_are_spliced_in_first_and_nothing_else_changes() -> None:
    """The client's own tools keep their bytes; calls come one at a time."""
    body = b'{"model":"m-1" , "tools":[ ' + READ.encode() + b' ],"messages":[],  "x": 1.0}'
    sent = MessagesDialect().intercept(body, BOX).request.body
    assert READ.encode() in sent
    assert [tool["name"] for tool in json.loads(sent)["tools"]] == [LIST.id, "Read"]
    assert json.loads(sent)["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert sent.endswith(b'"messages":[],  "x": 1.0}')


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ({"type": "any"}, {"type": "any", "disable_parallel_tool_use": True}),
        ({"type": "tool", "name": "t"}, {"type": "tool", "name": "t", "disable_parallel_tool_use": True}),
        (
            {"type": "auto", "disable_parallel_tool_use": False},
            {"type": "auto", "disable_parallel_tool_use": True},
        ),
        ({"type": "none"}, {"type": "none"}),
        ({"type": "future"}, {"type": "future"}),
        ({}, {"type": "auto", "disable_parallel_tool_use": True}),
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_tool_choice(choice: Any, sent: Any) -> None:
    """Only where the model may call tools at all, and only the one member."""
    body = MessagesDialect().intercept(ask(tool_choice=choice), BOX).request.body
    assert json.loads(body)["tool_choice"] == sent


def test_models_that_get_none_are_left_alone() -> None:
    """Not a byte is touched then."""
    import re

    body = ask(model="claude-haiku-1")
    box = Toolbox(tools=[LIST], never_for=re.compile("haiku"))
    assert MessagesDialect().intercept(body, box).request.body == body


@given(size=st.integers(1, 400))
def test_one_message_for_the_client(size: int) -> None:
    """One start, contiguous indexes, one end with the usage of all turns; for any cut of the bytes."""
    interceptor = MessagesDialect().intercept(ask(), BOX)
    first = turn(interceptor, FIRST, size=size)
    found = first[-1]
    assert isinstance(found, CallTools)
    assert [(each.tool, each.call_id, each.arguments) for each in found.calls] == [(LIST, "toolu_1", '{"a": 1}')]
    assert shown(first) == event(
        "message_start",
        message={"id": "msg_1", "model": "m-1", "usage": {"input_tokens": 10, "output_tokens": 1}},
    ) + text(0, "Looking.")
    sent = json.loads(interceptor.resume([answer(found.calls[0])]))
    assert sent["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "toolu_1", "name": LIST.id, "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": [{"type": "text", "text": "42"}],
                    "is_error": False,
                }
            ],
        },
    ]
    second = turn(interceptor, message(text(0, "It is 42."), stop="end_turn", output=7), size=size)
    assert shown(second) == text(1, "It is 42.") + event(
        "message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 12}
    ) + event("message_stop")
    assert [type(each) for each in facts(first) + list(facts(second))] == [TokenUsage, TokenUsage]
    assert second[-1].last  # type: ignore[union-attr]


def test_an_answer_without_a_call_of_ours_is_relayed_byte_for_byte() -> None:
    """A call of the client's own tool passes as ever."""
    data = message(call(0, "Read", '{"p": "x"}'))
    steps = turn(MessagesDialect().intercept(ask(), BOX), data)
    assert shown(steps) == data
    assert [each.tool for each in facts(steps) if isinstance(each, ToolUsage)] == ["Read"]


def test_truncated_arguments_end_the_message_as_the_provider_did() -> None:
    """By the token limit: the call is never run, the client gets the rest, the attempt is recorded."""
    data = message(text(0, "Looking."), call(1, LIST.id, '{"a": '), stop="max_tokens")
    steps = turn(MessagesDialect().intercept(ask(), BOX), data)
    assert not any(isinstance(step, CallTools | Failed) for step in steps)
    assert b"max_tokens" in shown(steps)
    assert LIST.id.encode() not in shown(steps)
    (tool,) = [each for each in facts(steps) if isinstance(each, ToolUsage)]
    assert (tool.tool, tool.injected, tool.arguments) == ("list", True, '{"a": ')
    assert "not a whole JSON object" in tool.invocation_error


def test_invalid_arguments_are_an_error_in_band() -> None:
    """The tool is never run; the interception fails."""
    steps = turn(MessagesDialect().intercept(ask(), BOX), message(call(0, LIST.id, '{"a": ')))
    assert any(isinstance(step, Failed) for step in steps)
    assert b"event: error" in shown(steps)
    assert b"message_stop" not in shown(steps)


def test_a_call_without_arguments_is_one_with_none() -> None:
    """Models leave them out for tools that take none."""
    steps = turn(MessagesDialect().intercept(ask(), BOX), message(call(0, LIST.id, "")))
    assert isinstance(steps[-1], CallTools)


def test_invalid_arguments_in_a_blocking_message_are_an_error_status() -> None:
    """SDKs raise at a status, not at an error in place of an answer; what was seen is recorded."""
    use = {"type": "tool_use", "id": "toolu_1", "name": LIST.id, "input": "no object"}
    usage = {"input_tokens": 3, "output_tokens": 4}
    body = json.dumps({"id": "msg_1", "content": [use], "stop_reason": "tool_use", "usage": usage}).encode()
    steps = turn(MessagesDialect().intercept(ask(stream=False), BOX), body, JSON)
    refused = steps[-1]
    assert isinstance(refused, Refused)
    assert (refused.error.status, shown(steps)) == (502, b"")
    assert "list with arguments that are not a JSON object" in refused.error.message
    assert [type(fact) for fact in facts(steps)] == [TokenUsage, ToolUsage]
    assert [step.message for step in steps if isinstance(step, Failed)] == [refused.error.message]


@pytest.mark.parametrize("reason", ["max_tokens", "refusal", "model_context_window_exceeded"])
def test_a_blocking_message_that_is_cut_short_has_no_call_of_ours(reason: str) -> None:
    """Everything else of it is the client's, byte for byte, whether the call's arguments are whole or not."""
    use = f'{{"type":"tool_use","id":"toolu_1","name":"{LIST.id}","input":{{}}}}'
    said = '{"type":"text", "text":"Look"}'
    body = '{"id":"msg_1", "content":[%s],"stop_reason":"' + reason + '"}'
    interceptor = MessagesDialect().intercept(ask(stream=False), BOX)
    steps = turn(interceptor, (body % f"{said} , {use}").encode(), JSON)
    assert shown(steps) == (body % said).encode()
    (tool,) = [fact for fact in facts(steps) if isinstance(fact, ToolUsage)]
    assert tool.invocation_error == "not run: the answer was cut short"


def test_thinking_goes_back_whole() -> None:
    """With its signature, or the provider refuses the next turn."""
    thinking = (
        event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""})
        + event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Hm"})
        + event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "m."})
        + event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2ln"})
        + event("content_block_stop", index=0)
    )
    interceptor = MessagesDialect().intercept(ask(), BOX)
    steps = turn(interceptor, message(thinking, call(1, LIST.id, "{}")))
    assert isinstance(steps[-1], CallTools)
    sent = json.loads(interceptor.resume([answer(steps[-1].calls[0])]))
    assert sent["messages"][1]["content"][0] == {"type": "thinking", "thinking": "Hmm.", "signature": "c2ln"}


@pytest.mark.parametrize(
    ("result", "content", "is_error"),
    [
        ({"content": [{"type": "image", "data": "aGk=", "mimeType": "image/png"}]}, "image", False),
        ({"content": [{"type": "audio", "data": "aGk=", "mimeType": "audio/wav"}]}, '"audio"', False),
        ({"content": [{"type": "resource", "resource": {"uri": "f://x", "text": "T"}}]}, "Resource f://x", False),
        ({"content": [{"type": "text", "text": "boom"}], "is_error": True}, "boom", True),
        ({"content": [], "structured": {"n": 1}}, '{"n":1}', False),
        ({"content": []}, "(no content)", False),
        ({"content": [{"type": "text", "text": ""}]}, "(empty)", False),
        ({"error": "timed out"}, "could not be run: timed out", True),
    ],
)
def test_results_in_the_form_the_api_takes(result: dict[str, Any], content: str, is_error: bool) -> None:
    """Images as images, the rest as text, errors marked."""
    interceptor = MessagesDialect().intercept(ask(), BOX)
    steps = turn(interceptor, FIRST)
    assert isinstance(steps[-1], CallTools)
    sent = json.loads(interceptor.resume([ToolResult(call=steps[-1].calls[0], **result)]))
    (block,) = sent["messages"][2]["content"]
    assert block["is_error"] is is_error
    shown_text = json.dumps(block["content"]) if content == "image" else block["content"][0]["text"]
    assert content in shown_text


def test_blocking_turns_hold_everything_until_the_last() -> None:
    """Its body is the client's, with the usage of all turns; history repeats the model's own bytes."""
    interceptor = MessagesDialect().intercept(ask(stream=False), BOX)
    use = b'{"type":"tool_use","id":"toolu_1","name":"' + LIST.id.encode() + b'","input":{"a":1.0}}'
    first = turn(
        interceptor,
        b'{"id":"msg_1","content":['
        + use
        + b'],"stop_reason":"tool_use","usage":{"input_tokens":3,"output_tokens":4}}',
        JSON,
        size=10,
    )
    assert shown(first) == b""
    assert isinstance(first[-1], CallTools)
    assert use in interceptor.resume([answer(first[-1].calls[0])])
    last = b'{"id":"msg_2", "content":[{"type":"text","text":"ok"}],"usage":{"input_tokens":5,"output_tokens":6}}'
    second = turn(interceptor, last, JSON, size=10)
    assert shown(second) == last.replace(b'"input_tokens":5,"output_tokens":6', b'"input_tokens":8,"output_tokens":10')


def test_a_later_turn_that_fails_is_an_error_inside_the_stream() -> None:
    """The head is out, so the status can't say it."""
    from aibridge_core.errors import UpstreamRefused

    interceptor = MessagesDialect().intercept(ask(), BOX)
    assert isinstance(turn(interceptor, FIRST)[-1], CallTools)
    interceptor.begin_turn(AnswerHead(status=500))
    interceptor.feed(b"oh no")
    interceptor.end_turn()
    assert interceptor.fail(UpstreamRefused("oh no")).startswith(b"event: error\n")


def test_pings_may_be_sent_while_tools_run() -> None:
    """Between the turns the client's stream stands between two events."""
    interceptor = MessagesDialect().intercept(ask(), BOX)
    turn(interceptor, FIRST)
    assert interceptor.keep_alive() == MessagesDialect.keep_alive
