"""What the output items of a Responses answer say: tool calls, reasoning, commentary.

Belongs here: which items are facts, and where each keeps its content. Never: events. Results of hosted tools are not
kept: a picture would fill the trail. Source: OpenAI's API reference, "The response object", `output`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from aibridge_core.dialects.jsontext import source_text, text_or, try_read
from aibridge_core.dialects.openai_request import NO_VALUE, string
from aibridge_core.records import Fact, ModelThought, ToolUsage


class Item(msgspec.Struct, gc=False):
    """An output item. Every type is open: one odd field mustn't hide the others."""

    type: Any = None
    id: Any = None
    call_id: Any = None
    name: Any = None
    namespace: Any = None
    server_label: Any = None
    status: Any = None
    role: Any = None
    phase: Any = None
    summary: Any = None
    content: Any = None
    arguments: Raw = NO_VALUE
    input: Raw = NO_VALUE
    action: Raw = NO_VALUE
    actions: Raw = NO_VALUE
    operation: Raw = NO_VALUE
    code: Raw = NO_VALUE
    queries: Raw = NO_VALUE
    revised_prompt: Raw = NO_VALUE


# Where a call says what it is to do; the first that is there counts.
_ARGUMENTS = (
    "arguments",  # function_call, mcp_call, tool_search_call
    "input",  # custom_tool_call
    "action",  # web_search_call, computer_call, local_shell_call, shell_call
    "actions",  # computer_call with several steps
    "operation",  # apply_patch_call
    "code",  # code_interpreter_call
    "queries",  # file_search_call
    "revised_prompt",  # image_generation_call
)
# Kept beside a call: which of several tools of the same name it was.
_METADATA = ("namespace", "server_label")

# Parts of items that are thoughts: item type, list, part type, source. Summaries are what the API shows of hidden
# reasoning; open models show the reasoning itself.
_THOUGHTS = (
    ("reasoning", "summary", "summary_text", "reasoning_summary"),
    ("reasoning", "content", "reasoning_text", "reasoning"),
    ("message", "content", "output_text", "commentary"),
)

_ITEM = msgspec.json.Decoder(Item)


def read_item(raw: Raw) -> Item | None:
    """An item; None if it is no object."""
    return try_read(_ITEM, raw)


def is_call(item: Item) -> bool:
    """Whether an item is a tool call, also of a kind that didn't exist when this was written."""
    return text_or(item.type).endswith("_call")


def is_commentary(item: Item) -> bool:
    """Whether an item is a message in which the model says what it is about to do, not its answer."""
    return (item.type, item.phase, item.role) == ("message", "commentary", "assistant")


def carries_facts(item: Item) -> bool:
    """Whether an item can hold any fact."""
    return is_call(item) or item.type == "reasoning" or is_commentary(item)


def item_facts(item: Item, response_id: str) -> Sequence[Fact]:
    """The facts of an item that is complete, or says that it never will be."""
    if is_call(item):
        return (call(item, response_id, arguments_of(item), partial=item.status == "incomplete"),)
    return tuple(_thoughts(item, response_id)) if carries_facts(item) else ()


def call(item: Item, response_id: str, arguments: str, *, partial: bool) -> ToolUsage:
    """A tool call. Hosted tools have no name of their own but that of their item type."""
    metadata: dict[str, Any] = {name: text for name in _METADATA if (text := text_or(getattr(item, name)))}
    return ToolUsage(
        response_id=response_id,
        tool=text_or(item.name) or text_or(item.type),
        tool_call_id=text_or(item.call_id),
        item_id=text_or(item.id),
        arguments=arguments,
        metadata=metadata | ({"partial": True} if partial else {}),
    )


def arguments_of(item: Item) -> str:
    """What a call is to do: a text as it is, anything else as its JSON source."""
    for name in _ARGUMENTS:
        raw: Raw = getattr(item, name)
        source = source_text(raw)
        if source not in ("", "null"):
            text = string(raw)
            return source if text is None else text
    return ""


def _thoughts(item: Item, response_id: str) -> Iterator[ModelThought]:
    for of_type, place, part_type, source in _THOUGHTS:
        parts = getattr(item, place) if item.type == of_type else None
        for part in parts if isinstance(parts, list) else ():
            text = _text_of(part, part_type)
            if text:
                yield ModelThought(response_id=response_id, content=text, metadata={"source": source})


def _text_of(part: Any, part_type: str) -> str:
    fits = isinstance(part, Mapping) and part.get("type") == part_type
    return text_or(part.get("text")) if fits else ""
