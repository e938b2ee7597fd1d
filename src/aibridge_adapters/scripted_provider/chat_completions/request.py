"""Reads requests of the Chat Completions API.

Belongs here: what a script needs to know of a request. Never: answers.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aibridge_adapters.scripted_provider.conversation import (
    InvalidRequest,
    Item,
    Kind,
    input_usage,
    last_prompt,
    member,
    objects,
    required,
    rounds,
    text_of,
    tokens,
    trailing_results,
    user_text,
)
from aibridge_adapters.scripted_provider.values import Api, OfferedTool, Turn

_KINDS = {"tool": Kind.RESULT, "function": Kind.RESULT, "assistant": Kind.ANSWER, "user": Kind.PROMPT}
_SILENT = ("system", "developer")


def read(body: Mapping[str, Any]) -> Turn:
    """A request. Raises InvalidRequest."""
    items = list(_items(objects(required(body, "messages", list), "messages")))
    choice = body.get("tool_choice")
    return Turn(
        api=Api.CHAT_COMPLETIONS,
        model=required(body, "model", str),
        streaming=body.get("stream") is True,
        prompt=last_prompt(items),
        tools=_tools(body, choice),
        must_call=choice == "required" or isinstance(choice, Mapping),
        parallel_calls=body.get("parallel_tool_calls") is not False,
        tool_results=trailing_results(items),
        rounds=rounds(items),
        output_schema=member(member(body, "response_format"), "json_schema").get("schema"),
        input_usage=input_usage(tokens(body.get("tools")), items),
        body=body,
    )


def _tools(body: Mapping[str, Any], choice: Any) -> Sequence[OfferedTool]:
    if choice == "none":
        return ()
    tools = [_tool(tool) for tool in objects(body.get("tools"), "tools") if tool.get("type") in ("function", "custom")]
    if not isinstance(choice, Mapping):
        return tools
    wanted = member(choice, "function").get("name") or member(choice, "custom").get("name")
    return [tool for tool in tools if wanted in (None, tool.name)]


def _tool(tool: Mapping[str, Any]) -> OfferedTool:
    if tool["type"] == "custom":
        return OfferedTool(name=required(member(tool, "custom"), "name", str), schema=None)
    function = member(tool, "function")
    return OfferedTool(name=required(function, "name", str), schema=member(function, "parameters"))


def _items(messages: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
    for message in messages:
        role = message.get("role")
        if role not in (*_KINDS, *_SILENT):
            raise InvalidRequest("messages", f"Unexpected role {role!r}")
        content = message.get("content")
        kind = _KINDS.get(role, Kind.OTHER)
        text = user_text(content) if kind is Kind.PROMPT else text_of(content)
        yield Item(kind if text or kind is not Kind.PROMPT else Kind.OTHER, text, tokens(message))
