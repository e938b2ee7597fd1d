"""Tools of ours as both OpenAI APIs take them: how they are offered, and what results look like.

Belongs here: what the two APIs have in common. Never: where one of them keeps its tools, calls or results.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from aibridge_core.dialects.openai_request import elements
from aibridge_core.dialects.splice import change_members, extended
from aibridge_core.errors import MalformedRequest, TooManyTools
from aibridge_core.tools import Tool, ToolResult

MAX_TOOLS = 128
"""Most tools that OpenAI takes in one request."""


def offer(body: bytes, definitions: Sequence[Mapping[str, Any]]) -> bytes:
    """The request with these tools behind the client's, and calls kept to one at a time.

    An answer that mixes our tools with the client's keeps the client waiting for ours. Raises MalformedRequest if
    something in the place of `tools` isn't a list, TooManyTools.
    """
    offered = [msgspec.json.encode(definition) for definition in definitions]

    def with_ours(given: bytes | None) -> bytes:
        if given not in (None, b"null") and not given.startswith(b"["):
            raise MalformedRequest("The request body has the wrong shape: `tools` is not a list.")
        _check_count(len(elements(msgspec.Raw(given or b""))), len(offered))
        return extended(given, offered)

    return change_members(body, {"tools": with_ours, "parallel_tool_calls": lambda _: b"false"})


def _check_count(theirs: int, ours: int) -> None:
    if theirs + ours > MAX_TOOLS:
        raise TooManyTools(
            f"The request would hold {theirs + ours} tools, {ours} of them injected by the gateway; the provider takes "
            f"{MAX_TOOLS}. The gateway's operator can offer fewer with AIBRIDGE_MCP_<N>_TOOL_ALLOW_REGEX and "
            "AIBRIDGE_MCP_<N>_TOOL_DENY_REGEX."
        )


def schema(tool: Tool) -> Mapping[str, Any]:
    """A tool's parameters; `properties` are there even if it has none."""
    return {"type": "object", "properties": {}, **tool.input_schema}


def result_text(result: ToolResult, *, binary: Callable[[Mapping[str, Any]], str]) -> str:
    """A result as JSON text. `binary`: what stands for the data of an image, a sound or a file."""
    value: dict[str, Any] = {"content": [_readable(block, binary) for block in result.content]}
    if result.structured is not None:
        value["structuredContent"] = result.structured
    if result.is_error:
        value["isError"] = True
    return msgspec.json.encode(value).decode()


def not_shown(block: Mapping[str, Any]) -> str:
    """A note for data that an API takes in no form."""
    return f"({block.get('mimeType') or 'binary data'}, not shown)"


def _readable(block: Mapping[str, Any], binary: Callable[[Mapping[str, Any]], str]) -> Mapping[str, Any]:
    match block:
        case {"data": str()}:
            return {**block, "data": binary(block)}
        case {"type": "resource", "resource": {"blob": str()} as resource}:
            return {**block, "resource": {**resource, "blob": binary(resource)}}
        case _:
            return block
