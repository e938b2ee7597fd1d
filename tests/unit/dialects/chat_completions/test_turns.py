"""Calls of ours run between turns of chat completions; the client sees one answer without them."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.dialects.api import Refused
from aibridge_core.dialects.chat_completions import ChatCompletionsDialect
from aibridge_core.errors import MalformedRequest, TooManyTools, UpstreamRefused
from aibridge_core.tools import Tool, Toolbox
from aibridge_core.wire import AnswerHead
from unit.dialects.exchange import JSON, sse
from unit.dialects.turns import BOX, LIST, MAKE, Exchange, data_of

CHAT = ChatCompletionsDialect()
DONE = "[DONE]"
READ = '{"type": "function",  "function": {"name": "Read"}}'


def ask(*, usage: bool = True, **more: Any) -> bytes:
    options = {"stream_options": {"include_usage": True}} if usage else {}
    return json.dumps(
        {"model": "m-1", "stream": True, "messages": [{"role": "user", "content": "hi"}]} | options | more
    ).encode()


def chunk(delta: Any = None, *, id: str = "c-1", finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": id, "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **more}


def fragment(index: int, call_id: str | None = None, name: str | None = None, arguments: str = "") -> dict[str, Any]:
    if call_id is None:
        return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]}


def usage(prompt: int, completion: int, *, id: str = "c-1", **more: Any) -> dict[str, Any]:
    return {"id": id, "choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion, **more}}


ROLE = {"role": "assistant", "content": ""}
HIDDEN = [
    chunk(fragment(0, "call_1", LIST.id)),
    chunk(fragment(0, arguments='{"a"')),
    chunk(fragment(0, arguments=": 1}")),
    chunk(finish="tool_calls"),
]
FIRST = sse(chunk(ROLE), chunk({"content": "Looking."}), *HIDDEN, usage(10, 5), DONE)
LAST = sse(
    chunk(ROLE, id="c-2"),
    chunk({"content": "It is 42."}, id="c-2"),
    chunk(finish="stop", id="c-2"),
    usage(20, 7, id="c-2"),
    DONE,
)


def test_tools_are_spliced_in_last_and_nothing_else_changes() -> None:
    """The client's own tools keep their bytes; calls come one at a time."""
    body = (
        b'{"model":"m-1" , "tools":[ ' + READ.encode() + b' ],"messages":[],  "x": 1.0, "parallel_tool_calls" : true}'
    )
    sent = CHAT.intercept(body, BOX).request.body
    tools = [tool["function"]["name"] for tool in json.loads(sent)["tools"]]
    assert tools == ["Read", LIST.id, MAKE.id]
    start, end = body.split(READ.encode())
    assert sent.startswith(start + READ.encode())
    assert sent.endswith(end.partition(b"]")[2].replace(b"true", b"false"))


def test_what_a_model_is_told_of_a_tool() -> None:
    """Its schema is an object's, not strict, since servers write any JSON Schema."""
    (tool, _) = json.loads(CHAT.intercept(ask(), BOX).request.body)["tools"]
    schema = {"type": "object", "properties": {}, "required": ["a"]}
    function = {"name": LIST.id, "description": "Lists.", "parameters": schema, "strict": False}
    assert tool == {"type": "function", "function": function}


@pytest.mark.parametrize("more", [{"n": 2}, {"functions": [{"name": "f"}]}])
def test_requests_that_take_no_tools_are_left_alone(more: dict[str, Any]) -> None:
    """Several answers have no common next turn, and `functions` exclude `tools`."""
    assert CHAT.intercept(ask(**more), BOX).request.body == ask(**more)


def test_the_pattern_of_models_without_tools_is_for_messages_only() -> None:
    """Clients of this API don't use small models for chores of their own."""
    box = Toolbox(tools=[LIST], never_for=re.compile("mini"))
    assert LIST.id.encode() in CHAT.intercept(ask(model="m-mini"), box).request.body


def test_usage_is_still_asked_for() -> None:
    """Tools or not, every turn's tokens are recorded."""
    sent = json.loads(CHAT.intercept(ask(usage=False), BOX).request.body)
    assert sent["stream_options"] == {"include_usage": True}


def test_more_tools_than_the_provider_takes() -> None:
    """The message says what the operator can do."""
    many = Toolbox(tools=[Tool(server="s", server_url="", name=f"t{n}", input_schema={}) for n in range(100)])
    theirs = [{"type": "function", "function": {"name": f"f{n}"}} for n in range(28)]
    assert len(json.loads(CHAT.intercept(ask(tools=theirs), many).request.body)["tools"]) == 128
    with pytest.raises(TooManyTools, match=r"129 tools, 100 of them.*TOOL_ALLOW_REGEX"):
        CHAT.intercept(ask(tools=[*theirs, theirs[0]]), many)


def test_tools_of_a_wrong_type_are_refused() -> None:
    """Nothing can be added to them."""
    with pytest.raises(MalformedRequest, match="`tools` is not a list"):
        CHAT.intercept(ask(tools={"name": "Read"}), BOX)


@given(size=st.integers(1, 400))
def test_one_answer_for_the_client(size: int) -> None:
    """One id, one role, one finish, one usage of all turns, one end; for any cut of the bytes."""
    exchange = Exchange(CHAT, ask(), size=size).turn(FIRST)
    assert [(call.tool, call.call_id, call.arguments) for call in exchange.calls] == [(LIST, "call_1", '{"a": 1}')]
    assert exchange.shown == sse(chunk(ROLE), chunk({"content": "Looking."}))
    assert exchange.answer()["messages"][1:] == [
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": LIST.id, "arguments": '{"a": 1}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": '{"content":[{"type":"text","text":"42"}]}'},
    ]
    exchange.turn(LAST)
    assert data_of(exchange.shown) == [
        chunk(ROLE),
        chunk({"content": "Looking."}),
        chunk({"content": "It is 42."}),
        chunk(finish="stop"),
        usage(30, 12),
        None,
    ]
    assert exchange.steps[-1].last  # type: ignore[union-attr]
    assert exchange.tokens == [(10, 5), (20, 7)]
    assert exchange.tools == []  # the relay records them with their results


def test_the_client_did_not_ask_for_usage() -> None:
    """Then it sees none, of no turn."""
    exchange = Exchange(CHAT, ask(usage=False)).turn(FIRST)
    exchange.answer()
    exchange.turn(LAST)
    assert b"usage" not in exchange.shown
    assert exchange.tokens == [(10, 5), (20, 7)]


def test_an_answer_without_a_call_of_ours_is_relayed_byte_for_byte() -> None:
    """A call of the client's own tool passes as ever, whatever its index."""
    data = sse(chunk(ROLE), chunk(fragment(3, "call_c", "Read", "{}")), chunk(finish="tool_calls"), usage(1, 2), DONE)
    exchange = Exchange(CHAT, ask()).turn(data)
    assert exchange.shown == data
    assert [(tool.tool, tool.injected) for tool in exchange.tools] == [("Read", False)]


def test_a_role_beside_a_hidden_call_is_still_shown() -> None:
    """OpenAI begins a message that is nothing but a call with role and call in one chunk."""
    exchange = Exchange(CHAT, ask()).turn(
        sse(chunk(ROLE | fragment(1, "call_1", LIST.id)), chunk(finish="tool_calls"), DONE)
    )
    assert data_of(exchange.shown) == [chunk(ROLE)]
    assert [call.arguments for call in exchange.calls] == [""]


def test_text_beside_a_hidden_call_is_shown() -> None:
    """Also where it shares a chunk with the end of the turn."""
    last = chunk({"content": "B", **fragment(0, "call_1", LIST.id, "{}")}, finish="tool_calls")
    exchange = Exchange(CHAT, ask()).turn(sse(chunk({"content": "A", "reasoning_content": "hm"}), last, DONE))
    assert data_of(exchange.shown) == [chunk({"content": "A", "reasoning_content": "hm"}), chunk({"content": "B"})]
    said = exchange.answer()["messages"][1]
    assert (said["content"], said["reasoning_content"]) == ("AB", "hm")


def test_a_stream_without_its_end_mark() -> None:
    """Some providers leave `[DONE]` out; the finish reason is enough."""
    cut = sse(*HIDDEN)
    exchange = Exchange(CHAT, ask()).turn(cut)
    assert [call.call_id for call in exchange.calls] == ["call_1"]
    assert exchange.shown == b""
    assert Exchange(CHAT, ask()).turn(cut[:-2]).calls  # nor a blank line behind the last event


def test_usage_that_counts_up_in_every_chunk() -> None:
    """It goes on counting in the next turn."""
    count = {"prompt_tokens": 6, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}
    exchange = Exchange(CHAT, ask(usage=False)).turn(sse(*HIDDEN[:-1], chunk(finish="tool_calls", usage=count), DONE))
    exchange.answer()
    exchange.turn(sse(chunk({"content": "x"}, usage=count), chunk(finish="stop", usage=count), DONE))
    both = {"prompt_tokens": 12, "completion_tokens": 6, "prompt_tokens_details": {"cached_tokens": 4}}
    assert [each["usage"] for each in data_of(exchange.shown)[:-1]] == [both, both]
    assert exchange.tokens == [(4, 3), (4, 3)]


def test_several_calls_of_ours() -> None:
    """Providers may ignore that calls were to come one at a time."""
    both = [chunk(fragment(0, "call_1", LIST.id, "{}")), chunk(fragment(1, "call_2", MAKE.id, "{}"))]
    exchange = Exchange(CHAT, ask()).turn(sse(*both, chunk(finish="tool_calls"), DONE))
    assert [call.tool for call in exchange.calls] == [LIST, MAKE]
    messages = exchange.answer()["messages"]
    assert [message.get("tool_call_id") for message in messages[2:]] == ["call_1", "call_2"]


def test_truncated_arguments_end_the_answer_as_the_provider_did() -> None:
    """By the token limit: the call is never run, the client gets the rest, the attempt is recorded."""
    cut = [chunk({"content": "A"}), chunk(fragment(0, "call_1", LIST.id, '{"a": ')), chunk(finish="length"), DONE]
    exchange = Exchange(CHAT, ask()).turn(sse(*cut))
    assert (exchange.calls, exchange.failures) == ((), [])
    assert exchange.shown == sse(cut[0], cut[2], cut[3])
    (tool,) = exchange.tools
    assert (tool.tool, tool.injected, tool.server_url, tool.arguments) == ("list", True, "http://mcp", '{"a": ')
    assert "not a whole JSON object" in tool.invocation_error


@pytest.mark.parametrize("end", [[DONE], []])
def test_invalid_arguments_are_an_error_in_band(end: list[str]) -> None:
    """The tool is never run; the interception fails."""
    exchange = Exchange(CHAT, ask()).turn(sse(*HIDDEN[:2], HIDDEN[3], *end))
    assert not exchange.calls
    assert "list with arguments that are not a JSON object" in exchange.failures[0].message
    error, done = data_of(exchange.shown)
    assert "not a JSON object" in error["error"]["message"]
    assert done is None


def test_what_only_a_provider_knows_of_a_call_goes_back_to_it() -> None:
    """Gemini refuses a call that comes back without its signature."""
    google = {"google": {"thought_signature": "c2ln"}}
    first = fragment(0, "call_1", LIST.id, "{}")
    first["tool_calls"][0]["extra_content"] = google
    details = [{"reasoning_details": [{"index": 0, "type": "t", "text": text}]} for text in ("a", "b")]
    exchange = Exchange(CHAT, ask()).turn(sse(*map(chunk, details), chunk(first), chunk(finish="tool_calls"), DONE))
    said = exchange.answer()["messages"][1]
    assert said["tool_calls"][0]["extra_content"] == google
    assert said["reasoning_details"] == [{"index": 0, "type": "t", "text": "ab"}]
    assert said["content"] is None


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ({"is_error": True, "structured": {"n": 1}}, {"structuredContent": {"n": 1}, "isError": True}),
        ({"error": "timed out"}, {"error": True, "message": "timed out"}),
    ],
)
def test_results_as_json_text(result: dict[str, Any], content: dict[str, Any]) -> None:
    """The tool's own words, or why there are none."""
    exchange = Exchange(CHAT, ask()).turn(FIRST)
    told = json.loads(exchange.answer({"type": "text", "text": "x"}, **result)["messages"][2]["content"])
    assert content.items() <= told.items()


def test_pictures_are_named_but_not_sent() -> None:
    """A tool message holds text only; base64 in it would be a million useless tokens."""
    exchange = Exchange(CHAT, ask()).turn(FIRST)
    image = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
    file = {"type": "resource", "resource": {"uri": "f://x", "blob": "aGk="}}
    told = json.loads(exchange.answer(image, file)["messages"][2]["content"])["content"]
    assert told[0]["data"] == "(image/png, not shown)"
    assert told[1]["resource"] == {"uri": "f://x", "blob": "(binary data, not shown)"}


WHOLE = {"role": "assistant", "content": None, "tool_calls": fragment(0, "call_1", LIST.id, '{"a":1}')["tool_calls"]}


def blocking(message: dict[str, Any], finish: str, **more: Any) -> bytes:
    return json.dumps(
        {"id": "c-1", "choices": [{"index": 0, "message": message, "finish_reason": finish}], **more}
    ).encode()


def test_blocking_turns_hold_everything_until_the_last() -> None:
    """Its body is the client's, with the usage of all turns; history repeats the model's own bytes."""
    exchange = Exchange(CHAT, ask(stream=False), size=10)
    exchange.turn(blocking(WHOLE, "tool_calls", usage={"prompt_tokens": 3, "completion_tokens": 4}), JSON)
    assert exchange.shown == b""
    assert exchange.answer()["messages"][1] == WHOLE
    assert json.dumps(WHOLE).encode() in exchange.sent[-1]
    last = b'{"id":"c-2", "choices":[{"message":{"content":"ok"}}],"usage":{"prompt_tokens":5,"completion_tokens":6}}'
    exchange.turn(last, JSON)
    assert exchange.shown == last.replace(b'_tokens":5,', b'_tokens":8,').replace(b'_tokens":6}', b'_tokens":10}')
    assert exchange.tokens == [(3, 4), (5, 6)]


def test_a_blocking_answer_that_is_cut_short_has_no_call_of_ours() -> None:
    """Everything else of it is the client's, byte for byte."""
    message = {"content": "A", "tool_calls": fragment(0, "call_1", LIST.id, '{"a')["tool_calls"]}
    exchange = Exchange(CHAT, ask(stream=False)).turn(blocking(message, "length"), JSON)
    assert exchange.shown == blocking({"content": "A"}, "length")


def test_an_error_of_the_provider_is_relayed_as_it_is() -> None:
    """Its words are better than ours."""
    body = b'{"error":{"message":"slow down","code":429}}'
    exchange = Exchange(CHAT, ask(stream=False)).turn(body, JSON)
    assert exchange.shown == body
    assert exchange.failures[0].message == "slow down"


def test_a_broken_turn_records_the_call_that_had_begun() -> None:
    """As an attempt that was never run."""
    exchange = Exchange(CHAT, ask()).turn(sse(*HIDDEN[:2]), broken=True)
    (tool,) = exchange.tools
    assert (tool.injected, tool.invocation_error) == (True, "not run: the answer broke off")
    assert exchange.shown == b""


def test_a_later_turn_that_fails_is_an_error_inside_the_stream() -> None:
    """The head is out, so the status can't say it."""
    exchange = Exchange(CHAT, ask()).turn(FIRST)
    exchange.answer()
    exchange.turn(b"oh no", AnswerHead(status=500))
    assert data_of(exchange.interceptor.fail(UpstreamRefused("oh no")))[-1] is None


@pytest.mark.parametrize("usage", [{}, {"usage": {"prompt_tokens": 3, "completion_tokens": 4}}])
def test_invalid_arguments_in_a_blocking_answer_are_an_error_status(usage: dict[str, Any]) -> None:
    """SDKs raise at a status, not at an error in place of an answer; what was seen is recorded."""
    message = {"content": "A", "tool_calls": fragment(0, "call_1", LIST.id, '{"a')["tool_calls"]}
    exchange = Exchange(CHAT, ask(stream=False)).turn(blocking(message, "tool_calls", **usage), JSON)
    assert exchange.shown == b""
    refused = exchange.steps[-1]
    assert isinstance(refused, Refused)
    assert (refused.error.status, refused.error.message) == (502, exchange.failures[0].message)
    assert [tool.injected for tool in exchange.tools] == [True]
    assert len(exchange.tokens) == len(usage)
