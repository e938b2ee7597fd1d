"""What is recorded of a Responses answer; the client gets every byte of it."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.dialects.api import Failed
from aibridge_core.dialects.responses import ResponsesDialect
from aibridge_core.errors import UpstreamTimeout
from aibridge_core.records import ErrorType, TokenUsage
from unit.dialects.exchange import JSON, STREAM, Outcome, bytewise, cuts, play, sse

RESPONSES = ResponsesDialect()
REQUEST = b'{"model":"m","input":"hi","stream":true}'
USAGE = {
    "input_tokens": 33,
    "input_tokens_details": {"cached_tokens": 3},
    "output_tokens": 8,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 41,
}
REASONING = {
    "id": "rs_1",
    "type": "reasoning",
    "encrypted_content": "gAAA",
    "summary": [{"type": "summary_text", "text": "Add them."}, {"type": "summary_text", "text": "Grüße 😀"}],
}
COMMENTARY = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "phase": "commentary",
    "content": [{"type": "output_text", "text": "Let me look."}, {"type": "refusal", "refusal": "no"}],
}
CALL = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "add", "arguments": '{"a": 3.0}'}
SCRIPT = {"id": "ctc_1", "type": "custom_tool_call", "call_id": "call_2", "name": "exec", "input": "ls('é')"}
ANSWER = {
    "id": "msg_2",
    "type": "message",
    "role": "assistant",
    "phase": "final_answer",
    "content": [{"type": "output_text", "text": "Six."}],
}
ITEMS = [REASONING, COMMENTARY, CALL, SCRIPT, ANSWER]


def response(*items: Any, **more: Any) -> dict[str, Any]:
    return {"id": "resp_1", "model": "gpt-6", "error": None, "output": list(items), "usage": None, **more}


def begun() -> dict[str, Any]:
    return {"type": "response.created", "response": response(status="in_progress"), "sequence_number": 0}


def ended(kind: str, *items: Any, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "response": response(*items, status=kind, **more)}


def added(index: int, item: dict[str, Any]) -> dict[str, Any]:
    empty = {"arguments": "", "input": "", "content": [], "summary": []}
    begun = {key: empty.get(key, value) for key, value in item.items()}
    return {"type": "response.output_item.added", "output_index": index, "item": begun}


def done(index: int, item: Any) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def delta(index: int, kind: str, text: Any, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": index, "item_id": "x", "delta": text, **more}


WHOLE = [
    begun(),
    {"type": "response.in_progress", "response": response()},
    added(0, REASONING),
    delta(0, "reasoning_summary_text", "Add them.", summary_index=0),
    done(0, REASONING),
    added(1, COMMENTARY),
    delta(1, "output_text", "Let me look.", content_index=0),
    done(1, COMMENTARY),
    added(2, CALL),
    delta(2, "function_call_arguments", '{"a": 3.0}'),
    done(2, CALL),
    added(3, SCRIPT),
    delta(3, "custom_tool_call_input", "ls('é')"),
    done(3, SCRIPT),
    added(4, ANSWER),
    delta(4, "output_text", "Six.", content_index=0),
    done(4, ANSWER),
    {"type": "response.brand_new", "response": {"id": "resp_other", "usage": {"input_tokens": 1}}},
    ended("completed", *ITEMS, usage=USAGE, service_tier="priority"),
]
ONE_USAGE = TokenUsage(
    response_id="resp_1",
    input_tokens=30,
    output_tokens=8,
    cache_read_input_tokens=3,
    extra={"output_reasoning": 2, "total_tokens": 41},
    model="gpt-6",
    metadata={"service_tier": "priority"},
)


def streamed(*events: Any, broken: bool = False) -> Outcome:
    return play(RESPONSES, REQUEST, [sse(*events, named=True)], broken=broken)


def answered(answer: Any) -> Outcome:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return play(RESPONSES, b'{"model":"m","input":"hi"}', [body], head=JSON)


def check_whole(outcome: Outcome) -> None:
    assert outcome.calls == [("add", "call_1", '{"a": 3.0}'), ("exec", "call_2", "ls('é')")]
    assert [(tool.item_id, tool.metadata) for tool in outcome.tools] == [("fc_1", {}), ("ctc_1", {})]
    assert outcome.thoughts == [
        ("reasoning_summary", "Add them."),
        ("reasoning_summary", "Grüße 😀"),
        ("commentary", "Let me look."),
    ]
    assert outcome.tokens == [ONE_USAGE]
    assert not outcome.failures
    assert {fact.response_id for fact in outcome.facts} == {outcome.response_id} == {"resp_1"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("named", [True, False])
def test_a_stream_holds_calls_thoughts_and_usage(end: str, named: bool) -> None:
    """Whole or byte by byte, with or without the names of its events; nothing changes on the way."""
    data = sse(*WHOLE, named=named, end=end)
    for pieces in ([data], bytewise(data)):
        outcome = play(RESPONSES, REQUEST, pieces)
        check_whole(outcome)
        assert outcome.relayed == data


@given(cuts(sse(*WHOLE, named=True)))
def test_the_cut_of_the_bytes_makes_no_difference(pieces: list[bytes]) -> None:
    """Networks cut where they like, also inside a character."""
    outcome = play(RESPONSES, REQUEST, pieces)
    check_whole(outcome)
    assert outcome.relayed == b"".join(pieces)


def test_the_final_event_waits_for_the_records() -> None:
    """Whatever a provider adds behind it waits, too."""
    data = sse(*WHOLE, "[DONE]", named=True)
    assert play(RESPONSES, REQUEST, [data]).held == sse(WHOLE[-1], "[DONE]", named=True)


def test_a_whole_answer_holds_the_same_facts() -> None:
    """The body goes out when they are recorded."""
    answer = response(*ITEMS, status="completed", usage=USAGE, service_tier="priority")
    outcome = answered(answer)
    check_whole(outcome)
    assert outcome.held == json.dumps(answer).encode()


def test_an_incomplete_response_is_complete_as_an_answer() -> None:
    """The model stopped at a limit; the call that it was making is marked."""
    cut_call = {**CALL, "arguments": '{"a": ', "status": "incomplete"}
    outcome = streamed(begun(), added(0, CALL), ended("incomplete", cut_call, usage=USAGE))
    assert not outcome.failures
    assert outcome.calls == [("add", "call_1", '{"a": ')]
    assert outcome.tools[0].metadata == {"partial": True}
    assert [tokens.output_tokens for tokens in outcome.tokens] == [8]


def test_items_count_where_the_final_response_leaves_them_out() -> None:
    """The backend that Codex uses with a ChatGPT login does; the events told of them."""
    outcome = streamed(begun(), done(0, REASONING), done(1, CALL), ended("completed", usage=USAGE))
    assert outcome.calls == [("add", "call_1", '{"a": 3.0}')]
    assert len(outcome.thoughts) == 2
    assert len(outcome.tokens) == 1


def test_items_count_where_the_final_response_leaves_some_out() -> None:
    """Nothing that was seen is lost."""
    outcome = streamed(begun(), done(0, REASONING), done(1, CALL), ended("completed", REASONING))
    assert outcome.calls == [("add", "call_1", '{"a": 3.0}')]


def test_a_call_that_was_done_is_whole_though_the_stream_breaks() -> None:
    """It is one call, and isn't marked as partial."""
    outcome = streamed(begun(), added(0, CALL), delta(0, "function_call_arguments", "{"), done(0, CALL), broken=True)
    assert outcome.calls == [("add", "call_1", '{"a": 3.0}')]
    assert outcome.tools[0].metadata == {}


def test_a_broken_stream_keeps_what_was_done_and_what_had_begun() -> None:
    """Texts as far as they came are marked as partial. There is no usage: it would have come last."""
    outcome = streamed(
        begun(),
        done(0, REASONING),
        added(1, CALL),
        added(2, {**SCRIPT, "namespace": "functions"}),
        delta(1, "function_call_arguments", '{"a"'),
        delta(2, "custom_tool_call_input", "ls("),
        delta(1, "function_call_arguments", ": 3"),
        delta(9, "function_call_arguments", "of no item"),
        delta(1, "function_call_arguments", 7),
        broken=True,
    )
    assert outcome.calls == [("add", "call_1", '{"a": 3'), ("exec", "call_2", "ls(")]
    assert [tool.metadata for tool in outcome.tools] == [{"partial": True}, {"namespace": "functions", "partial": True}]
    assert len(outcome.thoughts) == 2
    assert not outcome.tokens


def test_a_broken_stream_keeps_the_thoughts_in_progress() -> None:
    """Each summary is a thought of its own; the text of the answer is none."""
    outcome = streamed(
        begun(),
        added(0, REASONING),
        delta(0, "reasoning_summary_text", "Add ", summary_index=0),
        delta(0, "reasoning_summary_text", "them.", summary_index=0),
        delta(0, "reasoning_summary_text", "The", summary_index=1),
        added(1, COMMENTARY),
        delta(1, "output_text", "Let me", content_index=0),
        added(2, ANSWER),
        delta(2, "output_text", "Si", content_index=0),
        broken=True,
    )
    assert outcome.thoughts == [
        ("reasoning_summary", "Add them."),
        ("reasoning_summary", "The"),
        ("commentary", "Let me"),
    ]
    assert all(fact.metadata["partial"] for fact in outcome.facts)


def test_a_call_that_came_whole_in_its_first_event_is_kept() -> None:
    """Some providers send no pieces."""
    event = {"type": "response.output_item.added", "output_index": 0, "item": CALL}
    assert streamed(begun(), event, broken=True).calls == [("add", "call_1", '{"a": 3.0}')]


def test_a_stream_that_just_ends_is_incomplete() -> None:
    """What was done is recorded."""
    outcome = streamed(begun(), done(0, CALL))
    assert [failure.error_type for failure in outcome.failures] == [ErrorType.INCOMPLETE]
    assert len(outcome.calls) == 1


@pytest.mark.parametrize(
    ("item", "tool", "arguments"),
    [
        (
            {"type": "web_search_call", "action": {"type": "search", "query": "é"}},
            "web_search_call",
            '{"type":"search","query":"é"}',
        ),
        ({"type": "local_shell_call", "action": {"command": ["ls"]}}, "local_shell_call", '{"command":["ls"]}'),
        ({"type": "shell_call", "action": {"commands": ["ls"]}}, "shell_call", '{"commands":["ls"]}'),
        ({"type": "computer_call", "action": {"type": "wait"}}, "computer_call", '{"type":"wait"}'),
        ({"type": "computer_call", "action": None, "actions": [1.0]}, "computer_call", "[1.0]"),
        ({"type": "apply_patch_call", "operation": {"diff": "+x"}}, "apply_patch_call", '{"diff":"+x"}'),
        ({"type": "code_interpreter_call", "code": "1+1", "outputs": ["2"]}, "code_interpreter_call", "1+1"),
        ({"type": "mcp_call", "name": "ask", "arguments": '{"q":1}', "output": "big"}, "ask", '{"q":1}'),
        ({"type": "file_search_call", "queries": ["a"], "results": ["big"]}, "file_search_call", '["a"]'),
        ({"type": "image_generation_call", "result": "iVBOR" * 99}, "image_generation_call", ""),
        ({"type": "image_generation_call", "revised_prompt": "a cat"}, "image_generation_call", "a cat"),
        ({"type": "tool_search_call", "arguments": {"query": "x"}}, "tool_search_call", '{"query":"x"}'),
        ({"type": "some_future_call", "input": [1e2]}, "some_future_call", "[100.0]"),
        ({"type": "function_call", "name": "f", "arguments": ""}, "f", ""),
        ({"type": "function_call", "name": 5, "call_id": 5, "id": []}, "function_call", ""),
    ],
)
def test_every_kind_of_call_is_a_tool_call(item: dict[str, Any], tool: str, arguments: str) -> None:
    """Hosted tools go by their type; what they were asked to do is kept as written, what they found is not."""
    outcome = streamed(ended("completed", {"id": "x_1", **item}))
    assert [(used.tool, used.arguments) for used in outcome.tools] == [(tool, arguments)]
    assert "big" not in repr(outcome.facts)
    assert "iVBOR" not in repr(outcome.facts)


def test_the_namespace_of_a_tool_is_kept() -> None:
    """Without it, two tools of one name could not be told apart."""
    mcp = {"type": "mcp_call", "name": "ask", "server_label": "wiki", "arguments": "{}"}
    outcome = streamed(ended("completed", {**CALL, "namespace": "github"}, mcp))
    assert [tool.metadata for tool in outcome.tools] == [{"namespace": "github"}, {"server_label": "wiki"}]


def test_items_that_are_no_facts_are_left_out() -> None:
    """The answer's text, outputs of tools, lists of tools; and items of odd shapes."""
    others = [
        ANSWER,
        {"type": "function_call_output", "call_id": "x", "output": "y"},
        {"type": "mcp_list_tools", "tools": []},
        {"type": "reasoning", "summary": None, "content": "odd"},
        {
            "type": "reasoning",
            "summary": ["odd", {"type": "summary_text", "text": 5}, {"type": "summary_text", "text": ""}],
        },
        {**COMMENTARY, "role": "user"},
        {"type": 5},
        {},
        "odd",
        None,
    ]
    assert not streamed(ended("completed", *others)).facts


def test_reasoning_that_a_model_shows_openly_is_a_thought() -> None:
    """Open models have no summary, but the text itself."""
    item = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
    assert streamed(ended("completed", item)).thoughts == [("reasoning", "Hm.")]
    part = delta(0, "reasoning_text", "H", content_index=0)
    assert streamed(begun(), added(0, item), part, broken=True).thoughts == [("reasoning", "H")]


def test_tokens_written_to_the_cache_are_no_plain_input() -> None:
    """Input, cache reads and cache writes add up to what the provider calls input."""
    details = {"cached_tokens": 20, "cache_write_tokens": 50}
    [tokens] = streamed(
        ended("completed", usage={**USAGE, "input_tokens": 100, "input_tokens_details": details})
    ).tokens
    assert (tokens.input_tokens, tokens.cache_read_input_tokens, tokens.cache_write_input_tokens) == (30, 20, 50)


def test_input_is_never_below_zero() -> None:
    """A provider that reports more cached tokens than tokens is noted."""
    [tokens] = streamed(
        ended("completed", usage={"input_tokens": 1, "input_tokens_details": {"cached_tokens": 3}})
    ).tokens
    assert (tokens.input_tokens, tokens.output_tokens, tokens.cache_read_input_tokens) == (0, 0, 3)
    assert tokens.metadata == {"input_clamped": True}
    assert tokens.extra == {}


@pytest.mark.parametrize("usage", [None, {}, [], "33", {"input_tokens": "33"}])
def test_no_usage_no_record(usage: Any) -> None:
    """Nothing is estimated."""
    assert not streamed(ended("completed", CALL, usage=usage)).tokens


def test_a_failed_response_fails_the_interception() -> None:
    """Its usage and its calls are recorded; it ends the answer."""
    error = {"code": "rate_limit_exceeded", "message": "Try again in 3 s."}
    last = ended("failed", usage=USAGE, error=error)
    outcome = streamed(begun(), done(0, CALL), last)
    assert outcome.failures == [Failed(ErrorType.RATE_LIMITED, "Try again in 3 s.")]
    assert len(outcome.tokens) == len(outcome.calls) == 1
    assert outcome.held == sse(last, named=True)


@pytest.mark.parametrize(
    "last", [{"type": "response.failed"}, {"type": "response.failed", "response": 5}, ended("failed")]
)
def test_a_failure_without_a_reason_is_one(last: Any) -> None:
    """Nothing more is known."""
    assert streamed(begun(), last).failures == [Failed(ErrorType.UNKNOWN, "the response failed")]


@pytest.mark.parametrize(
    ("event", "failure"),
    [
        ({"type": "error", "code": "server_error", "message": "oops"}, Failed(ErrorType.SERVER_ERROR, "oops")),
        (
            {"type": "error", "error": {"type": "invalid_request_error", "code": None, "message": "bad"}},
            Failed(ErrorType.BAD_REQUEST, "bad"),
        ),
        ({"type": "error", "code": "slow_down", "message": None}, Failed(ErrorType.OVERLOADED, "slow_down")),
        ({"type": "error"}, Failed(ErrorType.UNKNOWN, "unknown error")),
    ],
)
def test_an_error_event_fails_the_interception(event: Any, failure: Failed) -> None:
    """In both forms that are seen; clients stop at it, so it waits for the records."""
    for named in (True, False):
        data = sse(begun(), added(0, CALL), event, named=named)
        outcome = play(RESPONSES, REQUEST, [data])
        assert outcome.failures == [failure]
        assert outcome.held == sse(event, named=named)
        assert [tool.metadata for tool in outcome.tools] == [{"partial": True}]


def test_an_event_that_is_only_an_error_is_one() -> None:
    """A gateway in between may speak chat completions here; the SDKs raise at it, too."""
    assert streamed(begun(), '{"error":{"message":"gone","code":502}}').failures == [
        Failed(ErrorType.SERVER_ERROR, "gone")
    ]


@pytest.mark.parametrize("data", ["{", "[]", "5", '{"type":[]}', "[DONE]", '{"type":"response.completed"', "[" * 5000])
@pytest.mark.parametrize(
    "name", ["", "event: response.output_text.delta\n", "event: response.output_item.done\n", "event: new\n"]
)
def test_events_that_cannot_be_read_pass(name: str, data: str) -> None:
    """The client gets them; they don't disturb the record."""
    stream = f"{name}data: {data}\n\n: comment\n\n".encode() + sse(*WHOLE, named=True)
    outcome = play(RESPONSES, REQUEST, [stream])
    check_whole(outcome)
    assert outcome.relayed == stream


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"id":"resp_1","output":[', b"[]", b"{}", b'{"id":"x","output":{}}']
)
def test_a_whole_answer_that_is_none_is_a_failure(body: bytes) -> None:
    """It is relayed, and the record says that it could not be read."""
    outcome = answered(body)
    assert outcome.relayed == body
    assert [failure.error_type for failure in outcome.failures] == [ErrorType.UNKNOWN]
    assert not outcome.facts


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (
            response(status="failed", error={"code": "server_error", "message": "oops"}),
            Failed(ErrorType.SERVER_ERROR, "oops"),
        ),
        (response(status="failed"), Failed(ErrorType.UNKNOWN, "the response is failed")),
        (
            {"error": {"message": "no credit", "code": "insufficient_quota"}},
            Failed(ErrorType.RATE_LIMITED, "no credit"),
        ),
    ],
)
def test_a_whole_answer_that_failed_is_a_failure(answer: Any, failure: Failed) -> None:
    """Though its HTTP status is a good one."""
    assert answered(answer).failures == [failure]


NAMES = sorted(set(re.findall(r'"(\w+)":', json.dumps([WHOLE, {"code": {}, "message": {}}]))))
TYPES = sorted(
    {event["type"] for event in WHOLE} | {"response.failed", "error", "function_call", "reasoning", "message"}
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(TYPES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=20,
)
EVENTS = st.tuples(st.sampled_from(["", *TYPES]), JSON_VALUES)


@given(st.lists(EVENTS, max_size=5))
def test_nothing_that_a_provider_sends_raises(events: list[tuple[str, Any]]) -> None:
    """Streamed or not, whatever stands where."""
    data = "".join(f"event: {name}\ndata: {json.dumps(value)}\n\n" for name, value in events).encode()
    assert play(RESPONSES, REQUEST, [data]).relayed == data
    for _, value in events:
        answered(json.dumps(value).encode())


def test_between_two_events_the_gateway_may_speak() -> None:
    """A comment while waiting; an error event when the provider is lost."""
    interceptor = RESPONSES.intercept(REQUEST)
    interceptor.begin_turn(STREAM)
    interceptor.feed(sse(begun(), named=True))
    assert interceptor.keep_alive() == b": keep-alive\n\n"
    said = interceptor.fail(UpstreamTimeout("the provider was silent for 300 s"))
    name, data = said.removesuffix(b"\n\n").split(b"\n")
    assert name == b"event: error"
    assert json.loads(data.removeprefix(b"data: ")) == {
        "type": "error",
        "code": "timeout",
        "message": "the provider was silent for 300 s",
        "param": None,
        "sequence_number": 0,
        "error": {
            "message": "the provider was silent for 300 s",
            "type": "server_error",
            "param": None,
            "code": "timeout",
        },
    }
