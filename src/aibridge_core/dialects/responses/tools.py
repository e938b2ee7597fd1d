"""Tools of ours in a Responses request: how they are offered, and how calls and results are written.

Belongs here: bytes of requests. Never: reading an answer (`turns`). Everything of the client's stays as it was.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from aibridge_core.dialects import openai_tools
from aibridge_core.dialects.jsontext import starts, try_read
from aibridge_core.dialects.openai_request import NO_VALUE
from aibridge_core.dialects.openai_tools import not_shown, result_text, schema
from aibridge_core.dialects.splice import append_items, find_member, set_member
from aibridge_core.tools import Tool, ToolResult

_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
"""What the API takes as an image (OpenAI's guide "Images and vision")."""


class _Request(msgspec.Struct, gc=False):
    store: Any = None
    conversation: Raw = NO_VALUE


class _Item(msgspec.Struct, gc=False):
    type: Any = None
    encrypted_content: Any = None


_REQUEST = msgspec.json.Decoder(_Request)
_ITEM = msgspec.json.Decoder(_Item)


def offer(body: bytes, tools: Sequence[Tool]) -> bytes:
    """The request with our tools behind the client's. Raises MalformedRequest, TooManyTools."""
    return openai_tools.offer(body, [_definition(tool) for tool in tools])


def _definition(tool: Tool) -> dict[str, Any]:
    # Not strict: the schemas of MCP servers need not keep to the part of JSON Schema that strict mode takes.
    function = {"name": tool.id, "description": tool.description, "parameters": schema(tool), "strict": False}
    return {"type": "function", **function}


def is_stored(body: bytes) -> bool:
    """Whether the provider keeps the response; that is the API's default."""
    return (try_read(_REQUEST, body) or _Request()).store is not False


def extend(body: bytes, output: Sequence[bytes], answers: Sequence[bytes]) -> bytes:
    """The next turn's request. `output`: the items of the model's answer, `answers`: the results, as JSON texts."""
    request = try_read(_REQUEST, body) or _Request()
    if starts(request.conversation, b'"') or starts(request.conversation, b"{"):
        # The provider has put the last turn's input and output into the conversation itself.
        return set_member(body, ["input"], b"[" + b",".join(answers) + b"]")
    repeated = [item for item in output if request.store is not False or can_be_repeated(item)]
    return append_items(_with_input_list(body), "input", [*repeated, *answers])


def can_be_repeated(source: bytes) -> bool:
    """Without storage the provider knows a reasoning item by its encrypted content alone, and refuses others."""
    item = try_read(_ITEM, source) or _Item()
    return item.type != "reasoning" or bool(item.encrypted_content)


def _with_input_list(body: bytes) -> bytes:
    """An input that is just a text, as the user message that it stands for."""
    member = find_member(body, "input")
    if member is None or body[member.start : member.start + 1] != b'"':
        return body
    text = body[member.start : member.end]
    return set_member(body, ["input"], b'[{"role":"user","content":' + text + b"}]")


def result_item(result: ToolResult) -> bytes:
    """The item that answers a call, as JSON text."""
    return msgspec.json.encode(
        {"type": "function_call_output", "call_id": result.call.call_id, "output": _output(result)}
    )


def _output(result: ToolResult) -> str | list[dict[str, Any]]:
    """JSON text; images beside it, since a model can't see them in there."""
    if result.error:
        return f"the tool could not be run: {msgspec.json.encode(result.error).decode()}"
    images = [image for block in result.content if (image := _image(block))]
    text = result_text(result, binary=lambda block: "(see the image below)" if _image(block) else not_shown(block))
    return [{"type": "input_text", "text": text}, *images] if images else text


def _image(block: Mapping[str, Any]) -> dict[str, Any] | None:
    match block:
        case {"type": "image", "data": str(data), "mimeType": str(kind)} if kind in _IMAGES:
            return {"type": "input_image", "image_url": f"data:{kind};base64,{data}"}
        case _:
            return None
