"""What the gateway needs to know of a Responses request.

Belongs here: where this API keeps model, prompt and tool results. Never: the answer, or an edit.
Source: OpenAI's API reference, "Create a model response".
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from aibridge_core.dialects.api import RequestView
from aibridge_core.dialects.jsontext import text_or, try_read
from aibridge_core.dialects.openai_request import INSTRUCTORS, NO_VALUE, decode_request, elements, string
from aibridge_core.errors import NotSupported


class _Request(msgspec.Struct, gc=False):
    model: str
    stream: bool | None = None
    input: str | list[Raw] | None = None
    background: bool | None = None
    prompt_cache_key: Raw = NO_VALUE


class _Item(msgspec.Struct, gc=False):
    type: Any = None
    role: Any = None
    content: Raw = NO_VALUE
    call_id: Any = None


class _Part(msgspec.Struct, gc=False):
    type: Any = None
    text: Raw = NO_VALUE


_REQUEST = msgspec.json.Decoder(_Request)
_ITEM = msgspec.json.Decoder(_Item)
_PART = msgspec.json.Decoder(_Part)


def read_request(body: bytes) -> RequestView:
    """Read a request. Raises MalformedRequest, NotSupported."""
    request = decode_request(_REQUEST, body)
    if request.background:
        raise NotSupported(
            "Background requests are not supported: their answer would be fetched later, past the audit trail. "
            'Leave "background" out, or set it to false and stream the answer.'
        )
    text, items = (request.input, ()) if isinstance(request.input, str) else (None, request.input or ())
    last = _last_turn(items)
    prompt = _prompt(last) if text is None else text
    return RequestView(
        body=body,
        model=request.model,
        streaming=bool(request.stream),
        prompt=prompt or None,
        correlating_tool_call_id=_answered_call(last) or None,
        session_hint=string(request.prompt_cache_key) or None,
    )


def _last_turn(items: Sequence[Raw]) -> _Item:
    """The last item of the conversation.

    Instructions that a client adds behind it are no turn of their own, and neither are the tools that Codex sends as
    an item when a model takes them so.
    """
    for raw in reversed(items):
        item = try_read(_ITEM, raw) or _Item()
        if item.role not in INSTRUCTORS and item.type != "additional_tools":
            return item
    return _Item()


def _prompt(item: _Item) -> str | None:
    """The text of a user's message: a string, or all its input texts, one after the other."""
    if item.role != "user":
        return None
    if (text := string(item.content)) is not None:
        return text
    parts = (try_read(_PART, raw) for raw in elements(item.content))
    texts = (string(part.text) for part in parts if part and part.type == "input_text")
    return "\n".join(text for text in texts if text is not None)


def _answered_call(item: _Item) -> str:
    """The call whose output the item is: `function_call_output`, `custom_tool_call_output`, and what else there is."""
    return text_or(item.call_id) if text_or(item.type).endswith("_output") else ""
