"""Writes answers of the Chat Completions API, whole or as a stream.

Belongs here: the JSON and the chunks of this API. Never: what is answered. Source of the forms: OpenAI's API
reference, "Chat completions". Reasoning has no place in that API; compatible servers say it as `reasoning_content`,
and so do we.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from aibridge_adapters.scripted_provider.conversation import answer_usage, member
from aibridge_adapters.scripted_provider.openai_errors import failure_body
from aibridge_adapters.scripted_provider.values import Answer, HttpFailure, Stop, Text, Thought, ToolCall, Turn, Usage
from aibridge_adapters.scripted_provider.wire import EPOCH, NewId, argument_text, cut_off, pieces, sse, takes_text

Json = dict[str, Any]

DONE = sse(b"[DONE]")

_FINISH_REASONS = {Stop.LENGTH: "length", Stop.REFUSAL: "content_filter"}


class ChatCompletionsAnswer:
    """Implements `AnswerForm`."""

    def __init__(self, turn: Turn, answer: Answer, new_id: NewId) -> None:
        self._turn = turn
        self._answer = answer
        self._id = new_id("chatcmpl-")
        wanted = turn.body.get("n")
        number = wanted if isinstance(wanted, int) and wanted > 0 else 1
        self._messages = [_message(turn, answer, new_id) for _ in range(number)]

    def body(self) -> Json:
        """A whole completion, with as many choices as were asked for."""
        reason = _finish_reason(self._answer)
        choices = [
            {"index": index, "message": message, "logprobs": None, "finish_reason": reason}
            for index, message in enumerate(self._messages)
        ]
        return self._head("chat.completion") | {"choices": choices, "usage": _usage(self._turn, self._answer)}

    def events(self) -> Sequence[bytes]:
        """The chunks, a last one with the usage if it is asked for, and `[DONE]`."""
        head = self._head("chat.completion.chunk")
        counted = member(self._turn.body, "stream_options").get("include_usage") is True
        unknown: Json = {"usage": None} if counted else {}
        chunks = [
            {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
            for index, message in enumerate(self._messages)
            for delta, reason in [*((delta, None) for delta in _deltas(message)), ({}, _finish_reason(self._answer))]
        ]
        events = [sse(head | {"choices": [chunk]} | unknown) for chunk in chunks]
        if counted:
            events.append(sse(head | {"choices": [], "usage": _usage(self._turn, self._answer)}))
        return [*events, DONE]

    def broken(self, message: str, sent: int) -> Sequence[bytes]:
        """An error object in place of a chunk."""
        return [sse(failure_body(HttpFailure(status=500, message=message), "")), DONE]

    def _head(self, kind: str) -> Json:
        return {
            "id": self._id,
            "object": kind,
            "created": EPOCH,
            "model": self._turn.model,
            "service_tier": "default",
            "system_fingerprint": "fp_scripted",
        }


def _finish_reason(answer: Answer) -> str:
    natural = "tool_calls" if any(isinstance(part, ToolCall) for part in answer.parts) else "stop"
    return _FINISH_REASONS.get(answer.stop, natural)


def _message(turn: Turn, answer: Answer, new_id: NewId) -> Json:
    thoughts = "".join(part.text for part in answer.parts if isinstance(part, Thought))
    calls = [_call(turn, answer, part, new_id) for part in answer.parts if isinstance(part, ToolCall)]
    message: Json = {"role": "assistant", "content": _text(answer), "refusal": None, "annotations": []}
    return message | ({"reasoning_content": thoughts} if thoughts else {}) | ({"tool_calls": calls} if calls else {})


def _text(answer: Answer) -> str | None:
    texts = [cut_off(part.text, answer, part) for part in answer.parts if isinstance(part, Text)]
    return "\n".join(texts) if texts else None


def _call(turn: Turn, answer: Answer, call: ToolCall, new_id: NewId) -> Json:
    kind, field = ("custom", "input") if takes_text(turn, call) else ("function", "arguments")
    source = cut_off(argument_text(call), answer, call)
    return {"id": new_id("call_"), "type": kind, kind: {"name": call.name, field: source}}


def _deltas(message: Json) -> Iterator[Json]:
    yield {"role": "assistant", "content": "", "refusal": None}
    yield from ({"reasoning_content": piece} for piece in pieces(message.get("reasoning_content", "")))
    yield from ({"content": piece} for piece in pieces(message["content"] or ""))
    for index, call in enumerate(message.get("tool_calls", ())):
        yield from ({"tool_calls": [{"index": index, **fragment}]} for fragment in _fragments(call))


def _fragments(call: Json) -> Iterator[Json]:
    """A call in the pieces of a stream: first its names with an empty source, then the source."""
    kind = call["type"]
    field = "input" if kind == "custom" else "arguments"
    yield call | {kind: call[kind] | {field: ""}}
    yield from ({kind: {field: piece}} for piece in pieces(call[kind][field]))


def _usage(turn: Turn, answer: Answer) -> Json:
    """This API counts cached tokens as part of the prompt, and reasoning as part of the completion."""
    usage: Usage = answer.usage or answer_usage(turn.input_usage, answer.parts)
    prompt = usage.input + usage.cache_read + usage.cache_write
    return {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output,
        "total_tokens": prompt + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": 0},
    }
