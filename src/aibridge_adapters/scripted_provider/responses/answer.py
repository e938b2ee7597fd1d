"""Writes answers of the Responses API, whole or as a stream.

Belongs here: the response object and how a stream begins and ends. Never: what happens between (events), or what is
answered. Source of the forms: OpenAI's API reference, "Responses" and "Streaming events".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aibridge_adapters.scripted_provider.conversation import answer_usage
from aibridge_adapters.scripted_provider.responses.events import item_events
from aibridge_adapters.scripted_provider.responses.items import output_items
from aibridge_adapters.scripted_provider.values import Answer, Stop, Turn, Usage
from aibridge_adapters.scripted_provider.wire import EPOCH, NewId, sse

Json = dict[str, Any]

_DEFAULTS: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""What a response says back of its request, and what if the request didn't say."""

_CUT_SHORT = {Stop.LENGTH: "max_output_tokens", Stop.REFUSAL: "content_filter"}


class ResponsesAnswer:
    """Implements `AnswerForm`."""

    def __init__(self, turn: Turn, answer: Answer, new_id: NewId) -> None:
        self._turn = turn
        self._answer = answer
        self._usage = answer.usage or answer_usage(turn.input_usage, answer.parts)
        self._id = new_id("resp_")
        self._items = output_items(turn, answer, new_id)

    def body(self) -> Json:
        """A whole response."""
        reason = _CUT_SHORT.get(self._answer.stop)
        return self._response(
            "incomplete" if reason else "completed",
            output=self._items,
            incomplete_details={"reason": reason} if reason else None,
            usage=_counts(self._usage),
        )

    def events(self) -> Sequence[bytes]:
        """`response.created` to `response.completed` or `response.incomplete`."""
        return [
            sse(event | {"sequence_number": number}, event["type"]) for number, event in enumerate(self._numbered())
        ]

    def broken(self, message: str, sent: int) -> Sequence[bytes]:
        """`response.failed`."""
        failed = self._response("failed", error={"code": "server_error", "message": message})
        event = {"type": "response.failed", "response": failed, "sequence_number": sent}
        return [sse(event, "response.failed")]

    def _numbered(self) -> Iterator[Json]:
        begun, whole = self._response("in_progress"), self.body()
        yield {"type": "response.created", "response": begun}
        yield {"type": "response.in_progress", "response": begun}
        for index, item in enumerate(self._items):
            yield from item_events(index, item)
        yield {"type": f"response.{whole['status']}", "response": whole}

    def _response(self, status: str, **more: Any) -> Json:
        said = {name: self._turn.body.get(name, default) for name, default in _DEFAULTS.items()}
        return said | {
            "id": self._id,
            "object": "response",
            "created_at": EPOCH,
            "completed_at": EPOCH if status == "completed" else None,
            "status": status,
            "background": False,
            "model": self._turn.model,
            "output": [],
            "error": None,
            "incomplete_details": None,
            "usage": None,
            **more,
        }


def _counts(usage: Usage) -> Json:
    """This API counts cached tokens as part of the input, and reasoning as part of the output."""
    whole = usage.input + usage.cache_read + usage.cache_write
    return {
        "input_tokens": whole,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": whole + usage.output,
    }
