"""How an output item comes into being in a stream: added, filled piece by piece, done.

Belongs here: one table of item types and the events of each. Never: sequence numbers, the response around the items.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aibridge_adapters.scripted_provider.wire import pieces

Json = dict[str, Any]
Events = Iterator[Json]


def item_events(index: int, item: Json) -> Events:
    """All events of an item, without sequence numbers."""
    begun, fill = _GROWTH[item["type"]]
    where = {"item_id": item["id"], "output_index": index}
    status = {"status": "in_progress"} if "status" in item else {}
    yield {"type": "response.output_item.added", "output_index": index, "item": item | begun | status}
    yield from fill(item, where)
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _reasoning(item: Json, where: Json) -> Events:
    for index, part in enumerate(item["summary"]):
        here = where | {"summary_index": index}
        yield {"type": "response.reasoning_summary_part.added", **here, "part": part | {"text": ""}}
        for piece in pieces(part["text"]):
            yield {"type": "response.reasoning_summary_text.delta", **here, "delta": piece}
        yield {"type": "response.reasoning_summary_text.done", **here, "text": part["text"]}
        yield {"type": "response.reasoning_summary_part.done", **here, "part": part}


def _message(item: Json, where: Json) -> Events:
    for index, part in enumerate(item["content"]):
        here = where | {"content_index": index}
        yield {"type": "response.content_part.added", **here, "part": part | {"text": ""}}
        for piece in pieces(part["text"]):
            yield {"type": "response.output_text.delta", **here, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.done", **here, "text": part["text"], "logprobs": []}
        yield {"type": "response.content_part.done", **here, "part": part}


def _function_call(item: Json, where: Json) -> Events:
    for piece in pieces(item["arguments"]):
        yield {"type": "response.function_call_arguments.delta", **where, "delta": piece}
    done = {"arguments": item["arguments"], "name": item["name"]}
    yield {"type": "response.function_call_arguments.done", **where, **done}


def _custom_tool_call(item: Json, where: Json) -> Events:
    for piece in pieces(item["input"]):
        yield {"type": "response.custom_tool_call_input.delta", **where, "delta": piece}
    yield {"type": "response.custom_tool_call_input.done", **where, "input": item["input"]}


_GROWTH: Mapping[str, tuple[Json, Callable[[Json, Json], Events]]] = {
    "reasoning": ({"summary": []}, _reasoning),
    "message": ({"content": []}, _message),
    "function_call": ({"arguments": ""}, _function_call),
    "custom_tool_call": ({"input": ""}, _custom_tool_call),
}
"""For each type of item: what it lacks when it is added, and the events that fill it."""
