"""What a tool answered, as plain JSON objects and within bounds.

Belongs here: cutting and leaving out, with a note that tells the model so. Never: the form an AI API gives to results.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import frozen
from mcp import types

_encode = msgspec.json.encode
Block = dict[str, Any]


@frozen(kw_only=True)
class Content:
    """A result's content."""

    blocks: Sequence[Block]
    structured: Any = None
    size: int
    """Of what the server sent, content and structured content as JSON text, in bytes."""


def content_of(result: types.CallToolResult, *, limit: int) -> Content:
    """Blocks in their order until `limit` bytes are reached; text is cut there, anything else left out with a note."""
    blocks = [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in result.content]
    structured = result.structured_content
    structured_size = 0 if structured is None else len(_encode(structured))
    size = len(_encode(blocks)) + structured_size
    if size <= limit:
        return Content(blocks=blocks, structured=structured, size=size)
    kept, left = [], limit
    for block in blocks:
        fitting, used = _fit(block, left)
        kept.append(fitting)
        left -= used
    if structured_size > left:
        structured = None
        if not blocks:
            kept.append(_note(f"structured content of {_amount(structured_size)} left out: {_over(limit)}"))
    return Content(blocks=kept, structured=structured, size=size)


def _fit(block: Block, left: int) -> tuple[Block, int]:
    """The block, or what of it fits into `left` bytes, and how many bytes it uses."""
    match block:
        case {"type": "text", "text": str(text)}:
            text, used = _cut(text, left)
            return {**block, "text": text}, used
        case {"type": "resource", "resource": {"text": str(text)} as resource}:
            text, used = _cut(text, left)
            return {**block, "resource": {**resource, "text": text}}, used
    size = len(_encode(block))
    if size <= left:
        return block, size
    resource = block.get("resource") or {}
    what = " ".join(filter(None, (block["type"], block.get("mimeType") or resource.get("mimeType"))))
    return _note(f"{what} of {_amount(size)} left out: {_over(left)}"), 0


def _cut(text: str, left: int) -> tuple[str, int]:
    data = text.encode("utf-8", "replace")
    if len(data) <= left:
        return text, len(data)
    kept = data[:left].decode("utf-8", "ignore")
    return f"{kept}\n[cut by the gateway after {_amount(left)} of {_amount(len(data))}]", left


def _note(text: str) -> Block:
    return {"type": "text", "text": f"[{text}]"}


def _over(limit: int) -> str:
    return f"the gateway passes on at most {_amount(limit)} more"


def _amount(size: int) -> str:
    return f"{size} bytes" if size < 10_000 else f"{size / 1000:.0f} kB" if size < 10**6 else f"{size / 10**6:.1f} MB"
