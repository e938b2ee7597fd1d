"""Tools of ours in a chat completions request: how they are offered, and how calls and results are written.

Belongs here: bytes of requests. Never: reading an answer (`turns`). Everything of the client's stays as it was.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from aibridge_core.dialects import openai_tools
from aibridge_core.dialects.jsontext import try_read
from aibridge_core.dialects.openai_request import NO_VALUE, elements
from aibridge_core.dialects.openai_tools import not_shown, result_text, schema
from aibridge_core.dialects.splice import append_items
from aibridge_core.tools import Tool, ToolResult


class _Request(msgspec.Struct, gc=False):
    n: Any = None
    functions: Raw = NO_VALUE


_REQUEST = msgspec.json.Decoder(_Request)


def takes_tools(body: bytes) -> bool:
    """Whether tools can be added to a request.

    Of several answers (`n` above 1) each would go on with calls of its own, but a conversation has one next turn.
    With `functions`, the predecessor of `tools`, the API takes no `tools`.
    """
    request = try_read(_REQUEST, body) or _Request()
    return request.n in (None, 1) and not elements(request.functions)


def offer(body: bytes, tools: Sequence[Tool]) -> bytes:
    """The request with our tools behind the client's. Raises MalformedRequest, TooManyTools."""
    return openai_tools.offer(body, [_definition(tool) for tool in tools])


def _definition(tool: Tool) -> dict[str, Any]:
    # Not strict: the schemas of MCP servers need not keep to the part of JSON Schema that strict mode takes.
    function = {"name": tool.id, "description": tool.description, "parameters": schema(tool), "strict": False}
    return {"type": "function", "function": function}


def extend(body: bytes, message: bytes, answers: Sequence[bytes]) -> bytes:
    """The next turn's request. `message`: the model's, `answers`: those of the results, as JSON texts."""
    return append_items(body, "messages", [message, *answers])


def result_message(result: ToolResult) -> bytes:
    """A tool message; this API takes nothing but text in it."""
    if result.error:
        content = msgspec.json.encode({"error": True, "message": result.error}).decode()
    else:
        content = result_text(result, binary=not_shown)
    return msgspec.json.encode({"role": "tool", "tool_call_id": result.call.call_id, "content": content})
