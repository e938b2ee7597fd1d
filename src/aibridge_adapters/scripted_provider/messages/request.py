"""Reads requests of the Messages API.

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
from aibridge_adapters.scripted_provider.values import Api, OfferedTool, Turn, Usage


def read(body: Mapping[str, Any]) -> Turn:
    """A request. Raises InvalidRequest."""
    required(body, "max_tokens", int)
    items = _conversation(body)
    choice = member(body, "tool_choice")
    return Turn(
        api=Api.MESSAGES,
        model=required(body, "model", str),
        streaming=body.get("stream") is True,
        prompt=last_prompt(items),
        tools=_tools(body, choice),
        must_call=choice.get("type") in ("any", "tool"),
        parallel_calls=choice.get("disable_parallel_tool_use") is not True,
        tool_results=trailing_results(items),
        rounds=rounds(items),
        wants_thoughts=member(body, "thinking").get("type") in ("enabled", "adaptive"),
        output_schema=member(member(body, "output_config"), "format").get("schema"),
        input_usage=cost(body),
        body=body,
    )


def cost(body: Mapping[str, Any]) -> Usage:
    """What the input of a request costs. Raises InvalidRequest."""
    return input_usage(tokens(body.get("system")) + tokens(body.get("tools")), _conversation(body))


def _conversation(body: Mapping[str, Any]) -> Sequence[Item]:
    messages = objects(required(body, "messages", list), "messages")
    return [item for message in messages for item in _items(message)]


def _tools(body: Mapping[str, Any], choice: Mapping[str, Any]) -> Sequence[OfferedTool]:
    if choice.get("type") == "none":
        return ()
    wanted = choice.get("name") if choice.get("type") == "tool" else None
    # A tool without a schema, e.g. of type "web_search_20250305", runs at the provider and is not for a script.
    return [
        OfferedTool(name=required(tool, "name", str), schema=tool["input_schema"])
        for tool in objects(body.get("tools"), "tools")
        if "input_schema" in tool and wanted in (None, tool.get("name"))
    ]


def _items(message: Mapping[str, Any]) -> Iterator[Item]:
    content, role = message.get("content"), message.get("role")
    if role == "assistant":
        yield Item(Kind.ANSWER, text_of(content), tokens(content))
        return
    if role not in ("user", "system"):
        raise InvalidRequest("messages", f"Unexpected role {role!r}")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else objects(content, "messages.content")
    results = [block for block in blocks if block.get("type") == "tool_result"]
    for block in results:
        yield Item(Kind.RESULT, text_of(block.get("content")), tokens(block))
    if rest := [block for block in blocks if block.get("type") != "tool_result"]:
        said = user_text(rest) if role == "user" else ""
        yield Item(Kind.PROMPT if said else Kind.OTHER, said, tokens(rest))
