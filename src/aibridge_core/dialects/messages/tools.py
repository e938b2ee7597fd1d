"""Tools of ours in a request of the Messages API: how they are offered, and how calls and results are written.

Belongs here: bytes of requests. Never: reading an answer (`turns`). Everything of the client's stays as it was.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aibridge_core.dialects.jsontext import try_read_any
from aibridge_core.dialects.splice import append_items, change_members, extended, set_member
from aibridge_core.tools import Tool, ToolResult

_ONE_AT_A_TIME = ("auto", "any", "tool")
"""Kinds of `tool_choice` under which a model may call several tools at once."""
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
"""What the API takes as an image (platform.claude.com/docs, "Vision")."""


def offer(body: bytes, tools: Sequence[Tool]) -> bytes:
    """The request with our tools in front of the client's, so that a cache mark on the client's last tool stays valid.

    Calls are kept to one at a time: a message that mixes ours with the client's keeps the client waiting for ours.
    Raises ValueError if the request has something in the place of `tools` that isn't a list.
    """
    offered = [
        msgspec.json.encode({"name": tool.id, "description": tool.description, "input_schema": _schema(tool)})
        for tool in tools
    ]
    return change_members(
        body, {"tools": lambda tools: extended(tools, offered, first=True), "tool_choice": _one_at_a_time}
    )


def _schema(tool: Tool) -> Mapping[str, Any]:
    return {"type": "object", **tool.input_schema}


def _one_at_a_time(source: bytes | None) -> bytes:
    choice = try_read_any(source) if source else None
    kind = choice.get("type") if isinstance(choice, Mapping) else None
    if source is None or choice is None or (isinstance(choice, Mapping) and kind is None):
        return b'{"type":"auto","disable_parallel_tool_use":true}'
    if kind not in _ONE_AT_A_TIME or choice.get("disable_parallel_tool_use") is True:
        return source
    return set_member(source, ["disable_parallel_tool_use"], b"true")


def extend(body: bytes, said: Sequence[bytes], answers: Sequence[bytes]) -> bytes:
    """The next turn's request. `said`: the content blocks of the model's message; `answers`: those of the results."""
    assistant = b'{"role":"assistant","content":[' + b",".join(said) + b"]}"
    user = b'{"role":"user","content":[' + b",".join(answers) + b"]}"
    return append_items(body, "messages", [assistant, user])


def result_block(result: ToolResult) -> bytes:
    """The content block that answers a call, as JSON text."""
    if result.error:
        content: list[dict[str, Any]] = [_text(f"The tool could not be run: {result.error}")]
    else:
        content = [_block(each) for each in result.content] or [_without_content(result)]
    return msgspec.json.encode(
        {
            "type": "tool_result",
            "tool_use_id": result.call.call_id,
            "content": content,
            "is_error": bool(result.error or result.is_error),
        }
    )


def _without_content(result: ToolResult) -> dict[str, Any]:
    """Servers may send structured content alone."""
    return _text(msgspec.json.encode(result.structured).decode() if result.structured is not None else "(no content)")


def _block(content: Mapping[str, Any]) -> dict[str, Any]:
    """An MCP content block in the form this API takes."""
    match content:
        case {"type": "text", "text": str(text)}:
            return _text(text)
        case {"type": "image", "data": str(data), "mimeType": str(kind)} if kind in _IMAGES:
            return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}
        case {"type": "resource", "resource": {"text": str(text), **about}}:
            return _text(f"Resource {about.get('uri', '')} ({about.get('mimeType', 'text/plain')}):\n{text}")
        case _:
            return _text(msgspec.json.encode(content).decode())


def _text(text: str) -> dict[str, Any]:
    # The API refuses empty text blocks.
    return {"type": "text", "text": text or "(empty)"}
