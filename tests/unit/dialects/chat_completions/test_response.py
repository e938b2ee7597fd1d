"""What is recorded of a chat completions answer, and what the client gets of it."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.dialects.api import Failed
from aibridge_core.dialects.chat_completions import ChatCompletionsDialect
from aibridge_core.errors import UpstreamBroken
from aibridge_core.records import ErrorType, TokenUsage
from unit.dialects.exchange import JSON, STREAM, Outcome, bytewise, cuts, play, sse

CHAT = ChatCompletionsDialect()
ASKED = b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}'
NOT_ASKED = b'{"model":"m","stream":true}'
USAGE = {
    "prompt_tokens": 40,
    "completion_tokens": 9,
    "total_tokens": 49,
    "prompt_tokens_details": {"cached_tokens": 30},
}
DONE = "[DONE]"


def chunk(delta: Any = None, *, index: Any = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta or {}, "logprobs": None, "finish_reason": finish}
    return {"id": "chatcmpl-1", "model": "gpt-5-2026", "choices": [choice], "usage": None, **more}


def part(index: int | None, arguments: str | None = None, *, id: str | None = None, name: str | None = None) -> Any:
    """A fragment of a tool call."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    call = {"index": index, "id": id, "function": function}
    return {key: value for key, value in call.items() if value is not None}


def calls(*parts: Any, **more: Any) -> dict[str, Any]:
    return chunk({"tool_calls": list(parts)}, **more)


def usage(counts: Any = USAGE) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "model": "gpt-5-2026", "choices": [], "usage": counts}


def streamed(*events: Any, request: bytes = ASKED, broken: bool = False) -> Outcome:
    return play(CHAT, request, [sse(*events)], broken=broken)


def answered(answer: Any) -> Outcome:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return play(CHAT, b'{"model":"m"}', [body], head=JSON)


PARALLEL = [
    calls(part(0, "", id="call_a", name="alpha")),
    calls(part(0, '{"x"')),
    calls(part(0, "{}", id="call_c", name="gamma"), index=1),
    calls(part(1, "", id="call_b", name="beta")),
    calls(part(0, ": 1.0}"), part(1, '{"y": "Grüße 😀", "z":[')),
    calls(part(1, "2]}")),
    chunk(finish="tool_calls"),
    chunk(index=1, finish="tool_calls"),
    usage(),
    DONE,
]
THREE_CALLS = [
    ("alpha", "call_a", '{"x": 1.0}'),
    ("beta", "call_b", '{"y": "Grüße 😀", "z":[2]}'),
    ("gamma", "call_c", "{}"),
]
ONE_USAGE = TokenUsage(
    response_id="chatcmpl-1", input_tokens=10, output_tokens=9, cache_read_input_tokens=30, model="gpt-5-2026"
)


def check_parallel(outcome: Outcome) -> None:
    assert sorted(outcome.calls) == THREE_CALLS
    assert outcome.tokens == [ONE_USAGE]
    assert not outcome.failures
    assert outcome.response_id == "chatcmpl-1"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_parallel_calls_of_two_choices_are_put_together(end: str) -> None:
    """Whole, or byte by byte: three calls with their arguments as written, one usage, nothing changed on the way."""
    data = sse(*PARALLEL, end=end)
    for pieces in ([data], bytewise(data)):
        outcome = play(CHAT, ASKED, pieces)
        check_parallel(outcome)
        assert outcome.relayed == data


@given(cuts(sse(*PARALLEL)))
def test_the_cut_of_the_bytes_makes_no_difference(pieces: list[bytes]) -> None:
    """Networks cut where they like, also inside a character."""
    outcome = play(CHAT, ASKED, pieces)
    check_parallel(outcome)
    assert outcome.relayed == b"".join(pieces)


def test_the_end_of_the_stream_waits_for_the_records() -> None:
    """Only `[DONE]` does; all before it goes out at once."""
    assert streamed(*PARALLEL).held == sse(DONE)


COMMENTED = b": comment\n\n" + sse(chunk({"content": "hi"}), chunk(finish="stop"))
ENDING = b": another\n\n" + sse(DONE)


@given(cuts(COMMENTED + sse(usage()) + ENDING))
def test_a_usage_chunk_that_the_gateway_asked_for_is_hidden(pieces: list[bytes]) -> None:
    """Exactly that chunk is missing, however the bytes were cut, and its usage is recorded."""
    outcome = play(CHAT, NOT_ASKED, pieces)
    assert outcome.relayed == COMMENTED + ENDING
    assert outcome.tokens == [ONE_USAGE]


CRLF = (COMMENTED + sse(usage()) + ENDING).replace(b"\n", b"\r\n")


@given(cuts(CRLF))
def test_it_is_hidden_from_streams_with_other_line_ends_too(pieces: list[bytes]) -> None:
    """A CRLF that was cut in two may leave or lose one LF between events, which means nothing there."""
    relayed = play(CHAT, NOT_ASKED, pieces).relayed
    assert re.sub(rb"(\r\n|\r|\n){2,}", b"\n\n", relayed) == COMMENTED + ENDING


def test_a_client_that_asked_for_the_usage_chunk_gets_it() -> None:
    """It comes as it was sent."""
    data = COMMENTED + sse(usage()) + ENDING
    assert play(CHAT, ASKED, [data]).relayed == data


@pytest.mark.parametrize(
    "kept",
    [
        {"choices": [], "prompt_filter_results": []},
        {"choices": [], "usage": None},
        chunk({"content": "x"}, usage=USAGE),
        {"usage": USAGE},
        {"choices": None, "usage": USAGE},
    ],
)
def test_no_other_chunk_is_hidden(kept: Any) -> None:
    """Azure begins with a chunk without choices; others put usage beside text."""
    data = sse(kept, chunk(finish="stop"), DONE)
    assert play(CHAT, NOT_ASKED, [data]).relayed == data


def test_a_hidden_chunk_that_the_stream_ends_in_stays_hidden() -> None:
    """Also without the blank line that should follow it."""
    shown = sse(chunk(finish="stop"))
    assert play(CHAT, NOT_ASKED, [shown + sse(usage())[:-2]]).relayed == shown


@pytest.mark.parametrize(
    ("fragments", "expected"),
    [
        pytest.param(
            [[part(2, "", id="call_1", name="f")], [part(2, "{}")]], [("f", "call_1", "{}")], id="index above zero"
        ),
        pytest.param(
            [[part(0, "[", id="call_1", name="f")], [part(0, "1]", id="call_1", name="f")]],
            [("f", "call_1", "[1]")],
            id="id and name in every fragment",
        ),
        pytest.param(
            [[part(0, "[", id="call_1", name="f")], [part(0, "1]", id="")], [part(0, "", id="call_9")]],
            [("f", "call_1", "[1]")],
            id="another id in every fragment",
        ),
        pytest.param(
            [[part(0, "{}", id="call_1", name="f")], [part(0, "[]", id="call_2", name="f")]],
            [("f", "call_1", "{}"), ("f", "call_2", "[]")],
            id="parallel calls under one index",
        ),
        pytest.param(
            [[part(None, "{}", id="call_1", name="f"), part(None, "[", id="call_2", name="g")], [part(None, "]")]],
            [("f", "call_1", "{}"), ("g", "call_2", "[]")],
            id="no index",
        ),
        pytest.param(
            [
                [part(None, "[", id="call_1", name="f")],
                [part(None, "{", id="call_2", name="g")],
                [part(None, "1]", id="call_1"), part(None, "}", id="call_2")],
            ],
            [("f", "call_1", "[1]"), ("g", "call_2", "{}")],
            id="no index, but ids",
        ),
        pytest.param(
            [[{"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "sh", "input": "ls"}}]],
            [("sh", "call_1", "ls")],
            id="custom tool",
        ),
        pytest.param(
            [[{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": {"a": [1]}}}]],
            [("f", "call_1", '{"a":[1]}')],
            id="arguments as an object",
        ),
        pytest.param(
            [[{"index": [], "id": 7, "function": "f"}, None, 3, part(0, "", id="call_1", name="f")]],
            [("f", "call_1", "")],
            id="odd types",
        ),
        pytest.param(
            [[part(0, "{", name="f")], [part(0, "}", id="call_1", name="f")]], [("f", "call_1", "{}")], id="late id"
        ),
    ],
)
def test_calls_are_recognised_as_providers_send_them(fragments: list[Any], expected: list[Any]) -> None:
    """OpenAI-compatible providers differ in how they number and name the fragments of a call."""
    outcome = streamed(*(calls(*parts) for parts in fragments), chunk(finish="tool_calls"), DONE)
    assert outcome.calls == expected


def test_the_legacy_function_call_is_a_call_without_id() -> None:
    """As it was before tools."""
    first, second = ({"function_call": {"name": "f", "arguments": "{"}}, {"function_call": {"arguments": "}"}})
    assert streamed(chunk(first), chunk(second), chunk(finish="function_call"), DONE).calls == [("f", "", "{}")]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "reasoning_text"])
def test_reasoning_that_a_provider_shows_is_a_thought(name: str) -> None:
    """The API has no name for it, so providers chose their own."""
    outcome = streamed(chunk({name: "Let me "}), chunk({name: "see.", "content": None}), chunk({"content": "4"}), DONE)
    assert outcome.thoughts == [("reasoning", "Let me see.")]


def test_reasoning_under_two_names_is_one_thought() -> None:
    """Some providers repeat it for older clients."""
    assert streamed(chunk({"reasoning": "Hm", "reasoning_content": "Hm"}), DONE).thoughts == [("reasoning", "Hm")]


def test_the_last_usage_counts() -> None:
    """Providers that count up in every chunk are not summed; null says nothing."""
    low, high = {"prompt_tokens": 5, "completion_tokens": 1}, {"prompt_tokens": 5, "completion_tokens": 2}
    outcome = streamed(chunk(usage=low), chunk(finish="stop", usage=high), chunk(usage=None), DONE)
    assert [(fact.input_tokens, fact.output_tokens) for fact in outcome.tokens] == [(5, 2)]


def test_reported_details_are_kept_and_missing_ones_are_absent() -> None:
    """A reported zero is a zero."""
    counts = {
        "prompt_tokens": 100,
        "completion_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 7,
            "audio_tokens": 3,
            "accepted_prediction_tokens": 2,
            "rejected_prediction_tokens": 1,
            "text_tokens": 5,
        },
    }
    [tokens] = streamed(chunk(finish="stop", service_tier="flex"), usage(counts), DONE).tokens
    assert (tokens.input_tokens, tokens.cache_read_input_tokens, tokens.cache_write_input_tokens) == (10, 60, 30)
    assert tokens.output_tokens == 0
    assert tokens.extra == {
        "prompt_audio": 0,
        "completion_reasoning": 7,
        "completion_audio": 3,
        "completion_accepted_prediction": 2,
        "completion_rejected_prediction": 1,
    }
    assert tokens.metadata == {"service_tier": "flex"}


def test_input_is_never_below_zero() -> None:
    """A provider that reports more cached tokens than tokens is noted."""
    counts = {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 15}}
    [tokens] = streamed(chunk(finish="stop"), usage(counts), DONE).tokens
    assert (tokens.input_tokens, tokens.cache_read_input_tokens) == (0, 15)
    assert tokens.metadata == {"input_clamped": True}


@pytest.mark.parametrize("cached", [{"prompt_cache_hit_tokens": 30}, {"cached_tokens": 30}])
def test_cached_tokens_are_found_where_providers_put_them(cached: dict[str, int]) -> None:
    """DeepSeek and Moonshot have places of their own."""
    [tokens] = streamed(
        chunk(finish="stop"), usage({"prompt_tokens": 40, "completion_tokens": 9, **cached}), DONE
    ).tokens
    assert (tokens.input_tokens, tokens.cache_read_input_tokens) == (10, 30)


@pytest.mark.parametrize(
    "counts",
    [{}, [], "12", {"prompt_tokens": "12"}, {"prompt_tokens": -1, "completion_tokens": True}, {"total_tokens": 5}],
)
def test_usage_that_says_nothing_makes_no_record(counts: Any) -> None:
    """Nothing is estimated."""
    assert not streamed(chunk(finish="stop"), usage(counts), DONE).tokens


def test_a_stream_without_done_is_whole_when_every_choice_has_finished() -> None:
    """Some providers just close."""
    outcome = streamed(chunk(finish="stop"), chunk({"content": "x"}, index=1), chunk(index=1, finish="stop"), usage())
    assert not outcome.failures
    assert outcome.tokens == [ONE_USAGE]


@pytest.mark.parametrize("events", [[chunk({"content": "x"})], [chunk(finish="stop"), chunk(index=1)], []])
def test_a_stream_that_just_ends_is_incomplete(events: list[Any]) -> None:
    """Neither `[DONE]` nor the end of every choice was seen."""
    assert [failure.error_type for failure in streamed(*events).failures] == [ErrorType.INCOMPLETE]


def test_what_was_seen_of_a_broken_stream_is_marked_as_partial() -> None:
    """The arguments as far as they came; calls of a choice that had finished are whole."""
    outcome = streamed(
        calls(part(0, "{}", id="call_1", name="f")),
        chunk(finish="tool_calls"),
        calls(part(0, '{"path": "/tm', id="call_2", name="g"), index=1),
        chunk({"reasoning": "Now"}, index=1, usage={"prompt_tokens": 5, "completion_tokens": 1}),
        broken=True,
    )
    assert outcome.calls == [("f", "call_1", "{}"), ("g", "call_2", '{"path": "/tm')]
    assert [tool.metadata for tool in outcome.tools] == [{}, {"partial": True}]
    assert [tokens.metadata for tokens in outcome.tokens] == [{"partial": True}]
    assert outcome.thoughts == [("reasoning", "Now")]


def test_usage_that_came_before_the_break_is_final() -> None:
    """Everything had come but `[DONE]`."""
    [tokens] = streamed(chunk(finish="stop"), usage(), broken=True).tokens
    assert tokens == ONE_USAGE


@pytest.mark.parametrize(
    ("error", "error_type"),
    [
        ({"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}, ErrorType.RATE_LIMITED),
        ({"message": "oops", "type": "server_error", "code": None}, ErrorType.SERVER_ERROR),
        ({"message": "key", "type": "invalid_request_error", "code": "invalid_api_key"}, ErrorType.UNAUTHORIZED),
        ({"message": "no", "type": "invalid_request_error", "code": 7}, ErrorType.BAD_REQUEST),
        ({"message": "upstream", "code": 502}, ErrorType.SERVER_ERROR),
        ({"message": "busy", "code": 503}, ErrorType.OVERLOADED),
        ({"message": "?", "type": ["odd"]}, ErrorType.UNKNOWN),
        ("just a text", ErrorType.UNKNOWN),
        (["odd"], ErrorType.UNKNOWN),
    ],
)
def test_an_error_inside_the_stream_fails_the_interception(error: Any, error_type: ErrorType) -> None:
    """What came before it is recorded; the clients stop at it, so it waits for the records."""
    first, last = calls(part(0, "{", id="call_1", name="f")), {"error": error}
    outcome = streamed(first, last, DONE)
    assert [failure.error_type for failure in outcome.failures] == [error_type]
    assert outcome.held == sse(last, DONE)
    assert outcome.calls == [("f", "call_1", "{")]


@pytest.mark.parametrize("error", [None, {}, ""])
def test_an_empty_error_is_none(error: Any) -> None:
    """Some providers have the key in every chunk."""
    assert not streamed(chunk(finish="stop", error=error), DONE).failures


ODD = [
    {"id": 5, "model": [], "choices": {}, "usage": USAGE},
    {"choices": [None, 3, {"delta": 4, "index": "x"}, {"delta": {"tool_calls": {}}, "message": []}], "usage": USAGE},
    {"choices": [{"delta": {"tool_calls": [part(0, "{}", id="a", name="f")]}, "message": "odd"}], "usage": USAGE},
]


@pytest.mark.parametrize("odd", ODD)
def test_one_odd_field_hides_no_other(odd: Any) -> None:
    """Usage and calls are read beside fields of types that nobody expects."""
    outcome = streamed(odd, chunk(finish="stop"), DONE)
    assert [fact.output_tokens for fact in outcome.tokens] == [9]
    assert len(outcome.calls) == json.dumps(odd).count('"name"')


@pytest.mark.parametrize("data", ["{", "[]", "5", "null", '{"choices":[{"delta":{"x":1e999}}]}', "[" * 5000, "\\ud83d"])
def test_chunks_that_cannot_be_read_pass(data: str) -> None:
    """The client gets them; they don't disturb the record."""
    outcome = streamed(data, chunk(finish="stop"), usage(), DONE)
    assert outcome.relayed == sse(data, chunk(finish="stop"), usage(), DONE)
    assert outcome.tokens == [ONE_USAGE]


def test_half_an_emoji_in_the_arguments_is_recorded_as_such() -> None:
    """A provider that cuts its texts by UTF-16 units sends half a surrogate pair."""
    data = sse(calls(part(0, "CUT", id="call_1", name="f")), DONE).replace(b"CUT", b"a\\ud83d")
    assert play(CHAT, ASKED, [data]).calls == [("f", "call_1", "a�")]


ANSWER = {
    "id": "chatcmpl-1",
    "model": "gpt-5-2026",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": None,
                "reasoning_content": "Both.",
                "tool_calls": [
                    part(None, '{"x": 1.0}', id="call_a", name="alpha"),
                    part(None, "[", id="call_a", name="alpha"),
                ],
            },
            "finish_reason": "tool_calls",
        },
        {"index": 1, "message": {"function_call": {"name": "old", "arguments": ""}}, "finish_reason": "function_call"},
    ],
    "usage": USAGE,
}


NAMES = sorted(set(re.findall(r'"(\w+)":', json.dumps([PARALLEL, ANSWER, {"error": {}}]))))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.lists(JSON_VALUES, max_size=5))
def test_nothing_that_a_provider_sends_raises(values: list[Any]) -> None:
    """Streamed or not, whatever stands where."""
    events = [json.dumps(value) for value in values]
    assert streamed(*events).relayed == sse(*events)
    for event in events:
        answered(event.encode())


def test_a_whole_answer_holds_the_same_facts() -> None:
    """Every entry of its list is a call of its own, whatever its id; the body goes out when they are recorded."""
    outcome = answered(ANSWER)
    assert outcome.calls == [("alpha", "call_a", '{"x": 1.0}'), ("alpha", "call_a", "["), ("old", "", "")]
    assert outcome.tokens == [ONE_USAGE]
    assert outcome.thoughts == [("reasoning", "Both.")]
    assert not outcome.failures
    assert outcome.held == json.dumps(ANSWER).encode()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"id":"x","choices":[', b"[]", b"{}", b'{"choices":null}', b'{"choices":5}']
)
def test_a_whole_answer_that_is_none_is_a_failure(body: bytes) -> None:
    """It is relayed, and the record says that it could not be read."""
    outcome = answered(body)
    assert outcome.relayed == body
    assert [failure.error_type for failure in outcome.failures] == [ErrorType.UNKNOWN]
    assert not outcome.facts


def test_an_error_with_a_good_status_is_a_failure() -> None:
    """Some providers answer so."""
    assert answered({"error": {"message": "no credit", "type": "insufficient_quota"}}).failures == [
        Failed(ErrorType.RATE_LIMITED, "no credit")
    ]


def test_between_two_events_the_gateway_may_speak() -> None:
    """A comment while waiting; an error and the end of the stream when the provider is lost."""
    interceptor = CHAT.intercept(ASKED)
    interceptor.begin_turn(STREAM)
    interceptor.feed(sse(chunk({"content": "x"})))
    assert interceptor.keep_alive() == b": keep-alive\n\n"
    said = interceptor.fail(UpstreamBroken("the provider's connection broke off"))
    assert said.endswith(b"\n\ndata: [DONE]\n\n")
    assert json.loads(said.removeprefix(b"data: ").split(b"\n\n")[0])["error"]["type"] == "server_error"
