"""Why an answer ended is told in its API's own words, once, whether it was streamed or not."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from aibridge_core.dialects.api import Dialect
from aibridge_core.dialects.chat_completions import ChatCompletionsDialect
from aibridge_core.dialects.messages import MessagesDialect
from aibridge_core.dialects.responses import ResponsesDialect
from unit.dialects.exchange import JSON, Outcome, bytewise, play, sse

Values = Sequence[dict[str, Any] | str]
MESSAGES, CHAT, RESPONSES = MessagesDialect(), ChatCompletionsDialect(), ResponsesDialect()
CHATTING = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
REQUESTS: Mapping[str, Mapping[str, Any]] = {
    MESSAGES.name: CHATTING,
    CHAT.name: {**CHATTING, "stream_options": {"include_usage": True}},
    RESPONSES.name: {"model": "m", "input": "hi"},
}
CUT_SHORT = {"id": "r", "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": []}


def begun(**more: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {"id": "m", "model": "m", "content": [], **more}}


def choice(index: int, reason: str | None) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": index, "delta": {"content": "x"}, "finish_reason": reason}]}


def stopped(**delta: Any) -> Values:
    return [begun(stop_reason=None), {"type": "message_delta", "delta": delta}, {"type": "message_stop"}]


def ask(dialect: Dialect, *, stream: bool) -> bytes:
    return json.dumps({**REQUESTS[dialect.name], "stream": stream}).encode()


def streamed(dialect: Dialect, events: Values, *, broken: bool = False) -> Outcome:
    return play(dialect, ask(dialect, stream=True), bytewise(sse(*events)), broken=broken)


@pytest.mark.parametrize(
    ("dialect", "events", "reasons"),
    [
        (MESSAGES, stopped(stop_reason="max_tokens"), ["max_tokens"]),
        (MESSAGES, stopped(stop_reason=None), []),
        (CHAT, [choice(1, "length"), choice(0, None), choice(0, "stop"), "[DONE]"], ["stop", "length"]),
        (CHAT, [choice(0, None), "[DONE]"], []),
        (RESPONSES, [{"type": "response.completed", "response": {"id": "r", "status": "completed"}}], ["completed"]),
        (RESPONSES, [{"type": "response.incomplete", "response": CUT_SHORT}], ["max_output_tokens"]),
        (RESPONSES, [{"type": "response.failed", "response": {"id": "r", "status": "failed"}}], ["failed"]),
    ],
)
def test_streams(dialect: Dialect, events: Values, reasons: Sequence[str]) -> None:
    """Each choice has its own reason, in the order of choices; what wasn't said isn't made up."""
    assert streamed(dialect, events).finished == reasons


@pytest.mark.parametrize(
    ("dialect", "answer", "reasons"),
    [
        (MESSAGES, {"id": "m", "content": [], "stop_reason": "end_turn"}, ["end_turn"]),
        (CHAT, {"id": "c", "choices": [{"message": {}, "finish_reason": "tool_calls"}]}, ["tool_calls"]),
        (CHAT, {"id": "c", "choices": [{"index": 0, "finish_reason": 5}]}, ["unknown"]),
        (RESPONSES, {"id": "r", "status": "completed", "output": []}, ["completed"]),
        (RESPONSES, CUT_SHORT, ["max_output_tokens"]),
        (RESPONSES, {**CUT_SHORT, "incomplete_details": "odd"}, ["incomplete"]),
    ],
)
def test_bodies(dialect: Dialect, answer: Mapping[str, Any], reasons: Sequence[str]) -> None:
    """A whole answer says it at its top."""
    body = json.dumps(answer).encode()
    assert play(dialect, ask(dialect, stream=False), bytewise(body), head=JSON).finished == reasons


def test_a_stream_that_breaks_off_after_its_reason() -> None:
    """What was said counts, and it is said once though the answer is looked at again."""
    assert streamed(MESSAGES, stopped(stop_reason="end_turn")[:2], broken=True).finished == ["end_turn"]
    assert streamed(CHAT, [choice(0, "stop")], broken=True).finished == ["stop"]
