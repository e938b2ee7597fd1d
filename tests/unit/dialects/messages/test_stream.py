"""What is kept of a streamed answer of the Messages API."""

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.dialects.api import Failed
from aibridge_core.dialects.interceptor import AnswerInterceptor
from aibridge_core.dialects.messages import MessagesDialect
from aibridge_core.records import ErrorType, ModelThought, TokenUsage, ToolUsage
from support.answers import LINE_ENDS, Outcome, answer, byte_by_byte, cuts, with_line_ends
from support.messages import (
    PING,
    STOP,
    arguments,
    block,
    delta,
    end,
    error,
    event,
    start,
    stop,
    text,
    thinking,
    tool,
)

PARTIAL = {"partial": True}


def interceptor() -> AnswerInterceptor:
    return MessagesDialect().intercept(b'{"model":"m","stream":true}')


def streamed(*events: bytes, broken: bool = False) -> Outcome:
    stream = b"".join(events)
    seen = answer(interceptor(), [stream], broken=broken)
    assert seen.relayed == stream
    return seen


def calls(seen: Outcome) -> list[ToolUsage]:
    return [fact for fact in seen.facts if isinstance(fact, ToolUsage)]


def thoughts(seen: Outcome) -> list[ModelThought]:
    return [fact for fact in seen.facts if isinstance(fact, ModelThought)]


def usage(seen: Outcome) -> TokenUsage:
    (found,) = [fact for fact in seen.facts if isinstance(fact, TokenUsage)]
    return found


CONVERSATION = b"".join(
    [
        start(
            {"input_tokens": 3, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 20, "output_tokens": 2}
        ),
        PING,
        block(0, "thinking", thinking="", signature=""),
        thinking(0, "Which file? "),
        thinking(0, "The naïve one 😀."),
        delta(0, "signature_delta", signature="EqQB=="),
        stop(0),
        b": a comment of somebody in between\n\n",
        block(1, "text", text=""),
        text(1, "Let me look."),
        text(1, "\n\ndata: no event, only a text"),
        stop(1),
        tool(2, "Read", "toolu_a"),
        arguments(2, "", '{"path": "/tmp/', 'é"', "}"),
        stop(2),
        tool(3, "Read", "toolu_b"),
        arguments(3, ""),
        stop(3),
        event("future_event", anything={"index": 2, "delta": {"type": "input_json_delta", "partial_json": "no"}}),
        end({"output_tokens": 61}, "tool_use"),
        STOP,
    ]
)
FACTS = [
    TokenUsage(
        response_id="msg_1",
        model="claude-x",
        input_tokens=3,
        output_tokens=61,
        cache_read_input_tokens=900,
        cache_write_input_tokens=20,
    ),
    ModelThought(response_id="msg_1", content="Which file? The naïve one 😀.", metadata={"source": "thinking"}),
    ToolUsage(response_id="msg_1", tool="Read", tool_call_id="toolu_a", arguments='{"path": "/tmp/é"}'),
    ToolUsage(response_id="msg_1", tool="Read", tool_call_id="toolu_b", arguments="{}"),
]


def check_conversation(pieces: Sequence[bytes]) -> None:
    seen = answer(interceptor(), pieces)
    assert seen.relayed == b"".join(pieces)
    assert list(seen.facts) == FACTS
    assert seen.failures == []
    last_event_is_over = re.search(rb'"message_stop"}(?>\r\n|\n|\r)[\r\n]', seen.at_once)
    assert not last_event_is_over


@pytest.mark.parametrize("line_ends", LINE_ENDS)
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_a_conversation_whole_and_byte_by_byte(line_ends: str, before: bytes) -> None:
    """Tokens, thoughts and parallel calls of one tool are seen; the bytes pass; the last event waits."""
    stream = before + with_line_ends(CONVERSATION, line_ends)
    check_conversation([stream])
    check_conversation(byte_by_byte(stream))


@given(st.data(), st.sampled_from(list(LINE_ENDS)))
def test_a_conversation_in_any_cut(data: st.DataObject, line_ends: str) -> None:
    """Where the bytes are cut makes no difference."""
    check_conversation(data.draw(cuts(with_line_ends(CONVERSATION, line_ends))))


def test_only_the_last_event_is_held() -> None:
    """Of an answer that comes in one piece, all but `message_stop` goes out before the records are durable."""
    seen = streamed(CONVERSATION, b"\n")
    assert seen.held == STOP + b"\n"


def test_the_response_id_is_known_from_the_first_event() -> None:
    """The prompt is recorded with it even if the answer breaks off."""
    one = interceptor()
    answer(one, [start()], broken=True)
    assert one.response_id == "msg_1"


class TestTokens:
    @pytest.mark.parametrize(
        ("first", "later", "expected"),
        [
            pytest.param({"input_tokens": 25, "output_tokens": 1}, [{"output_tokens": 15}], (25, 15, 0, 0), id="usual"),
            pytest.param(
                {"input_tokens": 25, "output_tokens": 1},
                [{"output_tokens": 5}, {"output_tokens": 15}],
                (25, 15, 0, 0),
                id="counted up",
            ),
            pytest.param(
                {"input_tokens": 25, "output_tokens": 8, "cache_read_input_tokens": 3},
                [{"input_tokens": 30, "output_tokens": 9, "cache_read_input_tokens": 4}],
                (30, 9, 4, 0),
                id="all fields again",
            ),
            pytest.param(
                {"input_tokens": 0, "output_tokens": 0},
                [{"input_tokens": 11, "cache_creation_input_tokens": 2, "output_tokens": 9}],
                (11, 9, 0, 2),
                id="all of it at the end",
            ),
            pytest.param(
                {"input_tokens": 25, "output_tokens": 8}, [{"output_tokens": 0}], (25, 0, 0, 0), id="zero is zero"
            ),
            pytest.param(
                {"input_tokens": 0, "output_tokens": 0}, [{"output_tokens": 0}], (0, 0, 0, 0), id="nothing but zeros"
            ),
            pytest.param(
                {"input_tokens": 25, "output_tokens": 1, "cache_read_input_tokens": None},
                [{"input_tokens": None, "output_tokens": 15}],
                (25, 15, 0, 0),
                id="null says nothing",
            ),
            pytest.param(
                {"input_tokens": 25, "output_tokens": 8},
                [{"input_tokens": -1, "output_tokens": "9"}, {"input_tokens": 2.5, "output_tokens": True}],
                (25, 8, 0, 0),
                id="what is no count says nothing",
            ),
            pytest.param(None, [{"input_tokens": 4, "output_tokens": 2}], (4, 2, 0, 0), id="none at first"),
            pytest.param({"input_tokens": 25, "output_tokens": 8}, [None], (25, 8, 0, 0), id="none at the end"),
            pytest.param({"input_tokens": 25, "output_tokens": 8}, [], (25, 8, 0, 0), id="no end"),
        ],
    )
    def test_later_counts_replace_earlier_ones(
        self, first: Any, later: Sequence[Any], expected: tuple[int, int, int, int]
    ) -> None:
        """There is one record, field by field the last count that came; nothing is added up."""
        seen = usage(streamed(start(first), *(end(counts) for counts in later), STOP))
        counted = (
            seen.input_tokens,
            seen.output_tokens,
            seen.cache_read_input_tokens,
            seen.cache_write_input_tokens,
        )
        assert counted == expected
        assert seen.metadata == {}

    @pytest.mark.parametrize("counts", [None, {}, [], "12", 12, {"input_tokens": None}, {"service_tier": "batch"}])
    def test_without_a_count_there_is_no_record(self, counts: Any) -> None:
        """Nothing is estimated."""
        assert streamed(start(counts), end(counts), STOP).facts == []

    @pytest.mark.parametrize("counts", [{"input_tokens": 25}, {"output_tokens": 3}])
    def test_a_missing_count_is_marked(self, counts: dict[str, int]) -> None:
        """A zero that nobody reported isn't passed off as a number of the provider's."""
        assert usage(streamed(start(counts), STOP)).metadata == PARTIAL

    def test_details(self) -> None:
        """How long caches live, what server tools did, how much was thinking, what else sets the price."""
        first = {
            "input_tokens": 25,
            "output_tokens": 1,
            "cache_creation": {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 0, "later": None},
            "service_tier": "standard",
            "inference_geo": "us",
            "speed": None,
        }
        last = {
            "output_tokens": 15,
            "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
            "output_tokens_details": {"thinking_tokens": 9},
            "cache_creation": [1],
        }
        seen = usage(streamed(start(first), end(last), STOP))
        assert seen.extra == {
            "cache_ephemeral_5m_input": 7,
            "cache_ephemeral_1h_input": 0,
            "web_search_requests": 2,
            "web_fetch_requests": 0,
            "output_thinking": 9,
        }
        assert seen.metadata == {"service_tier": "standard", "inference_geo": "us"}

    def test_the_model_is_the_one_that_answered(self) -> None:
        """It may differ from the one that was asked for."""
        assert usage(streamed(start(model="claude-x-20260101"), STOP)).model == "claude-x-20260101"


class TestTools:
    def test_interleaved_calls_keep_their_arguments(self) -> None:
        """Pieces belong to the block whose index they name."""
        events = [
            tool(0, "A", "toolu_a"),
            tool(1, "B", "toolu_b"),
            arguments(1, '{"b'),
            arguments(0, '{"a'),
            arguments(1, '": 1}'),
            arguments(0, '": 2}'),
        ]
        seen = calls(streamed(start(), *events, stop(1), stop(0), STOP))
        assert [(call.tool_call_id, call.arguments) for call in seen] == [
            ("toolu_a", '{"a": 2}'),
            ("toolu_b", '{"b": 1}'),
        ]

    def test_a_block_that_has_ended_takes_nothing_more(self) -> None:
        """A late piece belongs to no call."""
        (call,) = calls(streamed(start(), tool(0), arguments(0, "{}"), stop(0), arguments(0, "{}"), STOP))
        assert call.arguments == "{}"

    def test_an_input_without_pieces_is_taken_as_it_is_written(self) -> None:
        """Some providers send the whole input at once; its source text is kept, spaces, escapes and all."""
        source = b'{"b" :1.0, "a": "\\u00e9", "big": 123456789012345678901}'
        whole = tool(0).replace(b'"input": {}', b'"input": ' + source)
        for tail in ([stop(0), STOP], []):
            (call,) = calls(streamed(start(), whole, *tail))
            assert (call.arguments, call.metadata) == (source.decode(), {})

    @pytest.mark.parametrize("closing", [[stop(0)], []], ids=["with its block's end", "without"])
    def test_arguments_that_max_tokens_cut_off(self, closing: list[bytes]) -> None:
        """What came is kept as text, and marked."""
        answer_ = [start(), tool(0), arguments(0, '{"path": "/tmp/bl'), *closing, end({"output_tokens": 32}), STOP]
        seen = streamed(*answer_)
        (call,) = calls(seen)
        assert (call.arguments, call.metadata) == ('{"path": "/tmp/bl', PARTIAL)
        assert (usage(seen).metadata, seen.failures) == ({}, [])

    def test_a_call_of_which_only_the_beginning_came(self) -> None:
        """The `{}` that begins every streamed call is a place to put arguments, not arguments."""
        (call,) = calls(streamed(start(), tool(0), broken=True))
        assert (call.tool_call_id, call.arguments, call.metadata) == ("toolu_1", "", PARTIAL)

    def test_a_call_without_arguments(self) -> None:
        """Its `{}` stands, even if the block's own end is missing from a whole message."""
        for closing in ([stop(0)], []):
            (call,) = calls(streamed(start(), tool(0), arguments(0, ""), *closing, STOP))
            assert (call.arguments, call.metadata) == ("{}", {})

    @pytest.mark.parametrize("kind", ["server_tool_use", "mcp_tool_use", "future_tool_use"])
    def test_calls_that_the_provider_runs(self, kind: str) -> None:
        """They are recorded with their kind."""
        (call,) = calls(streamed(start(), tool(0, "web_search", "srv_1", kind), arguments(0, '{"q":1}'), stop(0), STOP))
        expected = ToolUsage(
            response_id="msg_1", tool="web_search", tool_call_id="srv_1", arguments='{"q":1}', metadata={"kind": kind}
        )
        assert call == expected

    def test_the_server_of_an_mcp_call(self) -> None:
        """Two servers may have tools of one name."""
        (call,) = calls(streamed(start(), tool(0, kind="mcp_tool_use", server_name="github"), stop(0), STOP))
        assert call.metadata == {"kind": "mcp_tool_use", "server_name": "github"}

    def test_results_of_server_tools_are_no_calls(self) -> None:
        """Nor is anything else that isn't named a use of a tool."""
        result = block(0, "web_search_tool_result", tool_use_id="srv_1", content=[{"type": "x"}])
        assert calls(streamed(start(), result, stop(0), block(1, "tool_used", name="x"), stop(1), STOP)) == []

    def test_half_a_surrogate_pair_in_arguments(self) -> None:
        """As an escape within the arguments it stays source text; as a letter of a piece it can't be kept."""
        (call,) = calls(streamed(start(), tool(0), arguments(0, '{"a": "\\ud83d', '", "b": "\ud83d"}'), stop(0), STOP))
        assert (call.arguments, call.metadata) == ('{"a": "\\ud83d", "b": "\ufffd"}', {})


class TestThoughts:
    def test_each_block_is_a_thought(self) -> None:
        """Text that a block begins with belongs to it."""
        events = [block(0, "thinking", thinking="So: "), thinking(0, "a"), stop(0)]
        events += [block(1, "thinking", thinking=""), thinking(1, "b"), stop(1)]
        assert [thought.content for thought in thoughts(streamed(start(), *events, STOP))] == ["So: a", "b"]

    def test_thoughts_about_the_protocol(self) -> None:
        """A thought that looks like an event's type is a thought."""
        odd = ["text_delta", '"type":"text_delta"', "\n\nevent: message_stop\ndata: {}\n\n"]
        events = [block(0, "thinking", thinking=""), *(thinking(0, piece) for piece in odd), stop(0)]
        assert [thought.content for thought in thoughts(streamed(start(), *events, STOP))] == ["".join(odd)]

    def test_what_is_not_shown_is_not_recorded(self) -> None:
        """Redacted thinking, signatures, and blocks whose text was left out."""
        events = [block(0, "redacted_thinking", data="EmwK=="), stop(0)]
        events += [
            block(1, "thinking", thinking="", signature=""),
            delta(1, "signature_delta", signature="Eq"),
            stop(1),
        ]
        assert thoughts(streamed(start(), *events, STOP)) == []

    def test_a_thought_that_broke_off_is_marked(self) -> None:
        """What came of it is kept."""
        seen = streamed(start(), block(0, "thinking", thinking=""), thinking(0, "I was abou"), broken=True)
        assert thoughts(seen) == [
            ModelThought(response_id="msg_1", content="I was abou", metadata={"source": "thinking", "partial": True})
        ]


class TestEnds:
    def test_an_answer_that_breaks_off_before_its_count(self) -> None:
        """The count so far is kept, as partial."""
        seen = streamed(start(), block(0, "text"), text(0, "a"), broken=True)
        assert (usage(seen).output_tokens, usage(seen).metadata) == (1, PARTIAL)
        assert seen.failures == []

    def test_an_answer_that_breaks_off_after_its_count(self) -> None:
        """The final count comes with the reason for stopping; all that is missing then is the goodbye."""
        assert usage(streamed(start(), end({"output_tokens": 9}), broken=True)).metadata == {}
        assert usage(streamed(start(), end({"output_tokens": 9}, None), broken=True)).metadata == PARTIAL

    def test_a_stream_that_ends_too_early(self) -> None:
        """It is a failure, even though the connection ended in good order."""
        seen = streamed(start(), block(0, "text"), text(0, "a"), stop(0))
        assert usage(seen).metadata == PARTIAL
        assert [failure.error_type for failure in seen.failures] == [ErrorType.INCOMPLETE]

    def test_an_error_in_the_stream(self) -> None:
        """It ends the answer, so it waits for the records; what was seen is kept."""
        seen = streamed(start(), block(0, "text"), text(0, "a"), error())
        assert seen.failures == [Failed(ErrorType.OVERLOADED, "Overloaded")]
        assert usage(seen).metadata == PARTIAL
        assert seen.held == error()

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            ("invalid_request_error", ErrorType.BAD_REQUEST),
            ("authentication_error", ErrorType.UNAUTHORIZED),
            ("billing_error", ErrorType.BAD_REQUEST),
            ("permission_error", ErrorType.UNAUTHORIZED),
            ("not_found_error", ErrorType.BAD_REQUEST),
            ("request_too_large", ErrorType.BAD_REQUEST),
            ("rate_limit_error", ErrorType.RATE_LIMITED),
            ("timeout_error", ErrorType.TIMEOUT),
            ("api_error", ErrorType.SERVER_ERROR),
            ("overloaded_error", ErrorType.OVERLOADED),
            ("future_error", ErrorType.UNKNOWN),
        ],
    )
    def test_error_types(self, kind: str, expected: ErrorType) -> None:
        """The API's names become the names of the audit trail."""
        assert streamed(error(kind, "why")).failures == [Failed(expected, "why")]

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"it burns", "it burns"),
            (b"", "an error without a message"),
            (b'{"error": "it burns"}', "it burns"),
            (b'{"error": [1]}', '{"error": [1]}'),
            (b'{"type": "error", "error": {}}', '{"type": "error", "error": {}}'),
        ],
    )
    def test_errors_in_other_shapes(self, data: bytes, message: str) -> None:
        """Whatever stands in an error event, it is an error."""
        assert streamed(b"event: error\ndata: " + data + b"\n\n").failures == [Failed(ErrorType.UNKNOWN, message)]

    def test_nothing_at_all(self) -> None:
        """A stream without an event is a failure without facts."""
        seen = streamed()
        assert (list(seen.facts), [failure.error_type for failure in seen.failures]) == ([], [ErrorType.INCOMPLETE])


class TestOddEvents:
    def test_events_without_names(self) -> None:
        """Compatible providers that leave out the `event:` lines are understood by the `type` in the data."""
        seen = streamed(re.sub(rb"event: .*\n", b"", CONVERSATION))
        assert list(seen.facts) == FACTS
        assert seen.held == b'data: {"type": "message_stop"}\n\n'

    @pytest.mark.parametrize(
        "odd",
        [
            b"event: message_start\ndata: {}\n\n",
            event("message_start", message=None),
            event("message_start", message={"id": 7, "model": None, "usage": "x", "content": 3}),
            event("content_block_start", content_block={"type": "tool_use", "name": "NoIndex", "id": "t"}),
            event("content_block_start", index="0", content_block={"type": "tool_use", "name": "TextIndex"}),
            event("content_block_start", index=0, content_block=None),
            block(9, "tool_use", name=None, id=None),
            block(9, "tool_use", id="toolu_nameless", input={}),
            event("content_block_start", index=0, content_block={"type": ["tool_use"], "name": {}}),
            event("content_block_delta", delta={"type": "input_json_delta", "partial_json": "x"}),
            event("content_block_delta", index=0, delta=None),
            delta(0, "input_json_delta", partial_json=None),
            delta(0, "input_json_delta", partial_json={"a": 1}),
            delta(0, "input_json_delta"),
            delta(0, "thinking_delta", thinking="not in a call"),
            delta(0, "future_delta", partial_json="x", thinking="x"),
            delta(77, "input_json_delta", partial_json="of no block"),
            event("content_block_stop"),
            event("content_block_stop", index=None),
            stop(77),
            event("message_delta"),
            event("message_delta", delta=7, usage=[]),
            event("message_delta", delta={"stop_reason": {}}, usage={"output_tokens": "many"}),
            b"event: message_delta\ndata: nonsense\n\n",
            b"event: content_block_delta\ndata: " + b"[" * 100_000 + b"\n\n",
            b"event: content_block_delta\n\n",
            b"data: nonsense\n\n",
            b"data: 7\n\n",
            b'data: {"type": 7}\n\n',
            PING,
        ],
    )
    def test_are_passed_over(self, odd: bytes) -> None:
        """They are relayed like all others, and what comes before and after them is read as if they weren't there."""
        seen = streamed(
            start(), tool(0), arguments(0, '{"a":'), odd, arguments(0, "1}"), stop(0), end({"output_tokens": 9}), STOP
        )
        assert [(call.tool, call.arguments) for call in calls(seen)] == [("Read", '{"a":1}')]
        assert (usage(seen).input_tokens, usage(seen).output_tokens, seen.failures) == (25, 9, [])

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(
                    ["message_start", "content_block_start", "content_block_delta", "message_delta", "error"]
                ),
                st.recursive(
                    st.none() | st.integers() | st.text(max_size=3) | st.sampled_from(["tool_use", "input_json_delta"]),
                    lambda inner: (
                        st.lists(inner, max_size=2)
                        | st.dictionaries(
                            st.sampled_from(
                                ["message", "usage", "content_block", "delta", "index", "type", "name", "error"]
                            ),
                            inner,
                        )
                    ),
                    max_leaves=8,
                ),
            ),
            max_size=6,
        )
    )
    def test_never_raise(self, events: list[tuple[str, Any]]) -> None:
        """Whatever a provider sends, its bytes pass."""
        streamed(*(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode() for name, data in events))
