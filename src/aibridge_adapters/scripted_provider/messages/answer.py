"""Writes answers of the Messages API, whole or as a stream.

Belongs here: the JSON and the events of this API. Never: what is answered. Source of the forms: Anthropic's API
reference, "Messages", "Streaming messages" and "Errors".
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from aibridge_adapters.scripted_provider.conversation import answer_usage, member
from aibridge_adapters.scripted_provider.values import (
    Answer,
    HttpFailure,
    Stop,
    Text,
    Thought,
    ToolCall,
    Turn,
    Usage,
)
from aibridge_adapters.scripted_provider.wire import NewId, argument_text, cut_off, pieces, sse

Json = dict[str, Any]

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}

_STOP_REASONS = {Stop.LENGTH: "max_tokens", Stop.REFUSAL: "refusal"}

_DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}

_EMPTY: Mapping[str, Json] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}


class MessagesAnswer:
    """Implements `AnswerForm`."""

    def __init__(self, turn: Turn, answer: Answer, new_id: NewId) -> None:
        self._answer = answer
        self._new_id = new_id
        self._usage = answer.usage or answer_usage(turn.input_usage, answer.parts)
        self._head = {"id": new_id("msg_"), "type": "message", "role": "assistant", "model": turn.model}
        self._blocks = list(_blocks(turn, answer, new_id))

    def body(self) -> Json:
        """A whole message."""
        return self._message([block for block, _ in self._blocks], _stop_reason(self._answer), self._usage.output)

    def events(self) -> Sequence[bytes]:
        """`message_start`, a ping, the blocks, `message_delta`, `message_stop`."""
        end = {"stop_reason": _stop_reason(self._answer), "stop_sequence": None}
        blocks = (_block_events(index, block, spelled) for index, (block, spelled) in enumerate(self._blocks))
        return [
            _event("message_start", message=self._message([], None, 1)),
            _event("ping"),
            *chain.from_iterable(blocks),
            _event("message_delta", delta=end, usage=_counts(self._usage, self._usage.output)),
            _event("message_stop"),
        ]

    def broken(self, message: str, sent: int) -> Sequence[bytes]:
        """An `error` event."""
        error = {"type": "overloaded_error", "message": message}
        return [_event("error", error=error, request_id=self._new_id("req_"))]

    def _message(self, content: Sequence[Json], stop_reason: str | None, output: int) -> Json:
        lifetimes = {"ephemeral_5m_input_tokens": self._usage.cache_write, "ephemeral_1h_input_tokens": 0}
        usage = _counts(self._usage, output) | {"cache_creation": lifetimes, "service_tier": "standard"}
        said = {"content": content, "stop_reason": stop_reason, "stop_sequence": None}
        return self._head | said | {"usage": usage}


def failure_body(failure: HttpFailure, request_id: str, parameter: str | None = None) -> Json:
    """The error envelope; it names no parameter."""
    kind = _ERROR_TYPES.get(failure.status, "api_error" if failure.status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": failure.message}, "request_id": request_id}


def _stop_reason(answer: Answer) -> str:
    natural = "tool_use" if any(isinstance(part, ToolCall) for part in answer.parts) else "end_turn"
    return _STOP_REASONS.get(answer.stop, natural)


def _counts(usage: Usage, output: int) -> Json:
    """Cumulative: the counts of `message_delta` replace those of `message_start`."""
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": output,
    }


def _blocks(turn: Turn, answer: Answer, new_id: NewId) -> Iterator[tuple[Json, str]]:
    """The content blocks, each with the text that its deltas spell."""
    for part in answer.parts:
        match part:
            case Text(text):
                said = cut_off(text, answer, part)
                yield {"type": "text", "text": said}, said
            case Thought(text):
                shown = "" if member(turn.body, "thinking").get("display") == "omitted" else text
                yield {"type": "thinking", "thinking": shown, "signature": _signature(text)}, shown
            case ToolCall(name, arguments):
                spelled = cut_off(argument_text(part), answer, part)
                whole = arguments if isinstance(arguments, Mapping) and spelled == argument_text(part) else {}
                yield {"type": "tool_use", "id": new_id("toolu_"), "name": name, "input": whole}, spelled


def _block_events(index: int, block: Json, spelled: str) -> Iterator[bytes]:
    kind = block["type"]
    delta, field = _DELTAS[kind]
    yield _event("content_block_start", index=index, content_block=block | _EMPTY[kind])
    for piece in pieces(spelled):
        yield _event("content_block_delta", index=index, delta={"type": delta, field: piece})
    if "signature" in block:
        signature = {"type": "signature_delta", "signature": block["signature"]}
        yield _event("content_block_delta", index=index, delta=signature)
    yield _event("content_block_stop", index=index)


def _signature(text: str) -> str:
    """Clients send it back untouched; nobody but the provider reads it."""
    return base64.b64encode(b"scripted:" + text.encode()[::-1]).decode()


def _event(name: str, **data: Any) -> bytes:
    return sse({"type": name, **data}, name)
