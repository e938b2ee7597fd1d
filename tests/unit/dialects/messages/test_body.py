"""What is kept of an answer of the Messages API that isn't a stream."""

from typing import Any

import pytest

from aibridge_core.dialects.api import Failed
from aibridge_core.dialects.interceptor import AnswerInterceptor
from aibridge_core.dialects.messages import MessagesDialect
from aibridge_core.records import ErrorType, ModelThought, TokenUsage, ToolUsage
from aibridge_core.wire import AnswerHead
from support.answers import JSON, Outcome, answer, byte_by_byte
from support.messages import STOP, end, error, message, start


def interceptor(*, streaming: bool = False) -> AnswerInterceptor:
    return MessagesDialect().intercept(b'{"model":"m","stream":%b}' % (b"true" if streaming else b"false"))


def answered(body: bytes, *, status: int = 200, content_type: bytes | None = b"application/json") -> Outcome:
    head = AnswerHead(status=status, headers=((b"content-type", content_type),) if content_type else ())
    seen = answer(interceptor(), [body], head=head)
    assert seen.relayed == body
    return seen


def test_an_answer_with_everything_in_it() -> None:
    """Tokens, thoughts and calls are recorded in their order; the arguments are the source text."""
    body = message(
        {"type": "thinking", "thinking": "Hm.", "signature": "Eq"},
        {"type": "redacted_thinking", "data": "Em"},
        {"type": "thinking", "thinking": "", "signature": "Eq"},
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "toolu_a", "name": "Read", "input": "INPUT"},
        {"type": "tool_use", "id": "toolu_b", "name": "Read", "input": {}},
        {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []},
        usage={"input_tokens": 3, "cache_read_input_tokens": 900, "output_tokens": 61, "service_tier": "priority"},
    ).replace(b'"INPUT"', b'{ "path":"/tmp/\\u00e9" , "n":1.0}')
    facts = [
        TokenUsage(
            response_id="msg_1",
            model="claude-x",
            input_tokens=3,
            output_tokens=61,
            cache_read_input_tokens=900,
            metadata={"service_tier": "priority"},
        ),
        ModelThought(response_id="msg_1", content="Hm.", metadata={"source": "thinking"}),
        ToolUsage(
            response_id="msg_1", tool="Read", tool_call_id="toolu_a", arguments='{ "path":"/tmp/\\u00e9" , "n":1.0}'
        ),
        ToolUsage(response_id="msg_1", tool="Read", tool_call_id="toolu_b", arguments="{}"),
        ToolUsage(
            response_id="msg_1",
            tool="web_search",
            tool_call_id="srv_1",
            arguments='{"query": "x"}',
            metadata={"kind": "server_tool_use"},
        ),
    ]
    for pieces in ([body], byte_by_byte(body)):
        one = interceptor()
        seen = answer(one, pieces, head=JSON)
        assert (seen.relayed, list(seen.facts), seen.failures) == (body, facts, [])
        assert seen.held == pieces[-1]
        assert one.response_id == "msg_1"


def test_what_is_odd_in_it_is_passed_over() -> None:
    """One block or field that isn't as it should be hides no other."""
    odd: list[Any] = [None, 7, "x", [], {}, {"type": 7}, {"type": "tool_use"}, {"type": "thinking", "thinking": None}]
    body = message(*odd, {"type": "tool_use", "name": "Read"}, {"type": "thinking", "thinking": "half \ud83d"}, id=7)
    seen = answered(body)
    assert list(seen.facts) == [
        TokenUsage(response_id="", model="claude-x", input_tokens=25, output_tokens=7),
        ToolUsage(response_id="", tool="Read"),
        ModelThought(response_id="", content="half \ufffd", metadata={"source": "thinking"}),
    ]
    assert seen.failures == []


@pytest.mark.parametrize("usage", [None, {}, 7, [1]])
def test_without_a_count_there_is_no_record(usage: Any) -> None:
    """Nothing is estimated, and the answer is no failure for it."""
    seen = answered(message({"type": "text", "text": "hi"}, usage=usage))
    assert (list(seen.facts), seen.failures) == ([], [])


def test_a_missing_count_is_marked() -> None:
    """A zero that nobody reported isn't passed off as a number of the provider's."""
    (fact,) = answered(message(usage={"input_tokens": 9})).facts
    assert fact == TokenUsage(
        response_id="msg_1", model="claude-x", input_tokens=9, output_tokens=0, metadata={"partial": True}
    )


NOT_A_MESSAGE = "the answer is not a message of the Messages API"


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b'{"type":"error","error":{"type":"api_error","message":"Oh"}}', Failed(ErrorType.SERVER_ERROR, "Oh")),
        (b'{"error":"Oh"}', Failed(ErrorType.UNKNOWN, "Oh")),
        (b"{}", Failed(ErrorType.UNKNOWN, NOT_A_MESSAGE)),
        (b'{"content": "hi"}', Failed(ErrorType.UNKNOWN, NOT_A_MESSAGE)),
        (b"[]", Failed(ErrorType.UNKNOWN, NOT_A_MESSAGE)),
        (b"", Failed(ErrorType.UNKNOWN, NOT_A_MESSAGE)),
        (b"<html>", Failed(ErrorType.UNKNOWN, NOT_A_MESSAGE)),
        (b'{"content": [', Failed(ErrorType.UNKNOWN, NOT_A_MESSAGE)),
        (b'{"content": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", Failed(ErrorType.UNKNOWN, NOT_A_MESSAGE)),
    ],
)
def test_a_good_status_with_a_bad_body(body: bytes, failure: Failed) -> None:
    """It is relayed as it is, and the interception fails."""
    seen = answered(body)
    assert (list(seen.facts), seen.failures) == ([], [failure])


@pytest.mark.parametrize(
    ("status", "content_type", "body", "failure"),
    [
        (
            429,
            b"application/json",
            b'{"type":"error","error":{"type":"rate_limit_error","message":"Slow down"}}',
            Failed(ErrorType.RATE_LIMITED, "Slow down"),
        ),
        (429, b"text/plain", b"Slow down\n", Failed(ErrorType.RATE_LIMITED, "Slow down")),
        (529, b"text/html", b"<h1>Busy</h1>", Failed(ErrorType.OVERLOADED, "<h1>Busy</h1>")),
        (500, None, b"", Failed(ErrorType.SERVER_ERROR, "HTTP status 500")),
    ],
)
def test_an_error_status(status: int, content_type: bytes | None, body: bytes, failure: Failed) -> None:
    """Its body is relayed as it is; what it says is recorded, and nothing else."""
    seen = answered(body, status=status, content_type=content_type)
    assert (list(seen.facts), seen.failures, seen.held) == ([], [failure], body)


def test_an_error_status_for_a_request_that_asked_for_a_stream() -> None:
    """No event stream begins, whatever its content type says."""
    head = AnswerHead(status=529, headers=((b"content-type", b"text/event-stream"),))
    seen = answer(interceptor(streaming=True), [error()], head=head)
    assert [failure.error_type for failure in seen.failures] == [ErrorType.OVERLOADED]


def test_a_whole_answer_to_a_request_for_a_stream() -> None:
    """Clients take it, so it is read."""
    seen = answer(interceptor(streaming=True), [message({"type": "tool_use", "id": "t", "name": "Read"})], head=JSON)
    assert [type(fact) for fact in seen.facts] == [TokenUsage, ToolUsage]


def test_a_stream_to_a_request_for_a_whole_answer() -> None:
    """Likewise."""
    head = AnswerHead(status=200, headers=((b"content-type", b"text/event-stream"),))
    seen = answer(interceptor(), [start(), end({"output_tokens": 9}), STOP], head=head)
    assert list(seen.facts) == [
        TokenUsage(response_id="msg_1", model="claude-x", input_tokens=25, output_tokens=9),
    ]


@pytest.mark.parametrize("streaming", [True, False])
def test_an_answer_that_names_no_type(streaming: bool) -> None:
    """It is read as what was asked for."""
    body = start() + STOP if streaming else message()
    seen = answer(interceptor(streaming=streaming), [body], head=AnswerHead(status=200))
    assert ([type(fact) for fact in seen.facts], seen.failures) == ([TokenUsage], [])
