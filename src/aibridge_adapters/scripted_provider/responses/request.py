"""Reads requests of the Responses API.

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

Json = Mapping[str, Any]

_ROLES = {"user": Kind.PROMPT, "assistant": Kind.ANSWER, "system": Kind.OTHER, "developer": Kind.OTHER}


def read(body: Json) -> Turn:
    """A request. Raises InvalidRequest."""
    given = required(body, "input", (str, list))
    entries = [{"role": "user", "content": given}] if isinstance(given, str) else objects(given, "input")
    items = [_item(entry) for entry in entries]
    choice = body.get("tool_choice")
    return Turn(
        api=Api.RESPONSES,
        model=required(body, "model", str),
        streaming=body.get("stream") is True,
        prompt=last_prompt(items),
        tools=_tools(body, entries, choice),
        must_call=choice == "required" or isinstance(choice, Mapping),
        parallel_calls=body.get("parallel_tool_calls") is not False,
        tool_results=trailing_results(items),
        rounds=rounds(items),
        wants_thoughts=member(body, "reasoning").get("summary") is not None,
        output_schema=member(member(body, "text"), "format").get("schema"),
        input_usage=input_usage(tokens(body.get("instructions")) + tokens(body.get("tools")), items),
        body=body,
    )


def _tools(body: Json, entries: Sequence[Json], choice: Any) -> Sequence[OfferedTool]:
    if choice == "none":
        return ()
    offers = [*objects(body.get("tools"), "tools")]
    # Codex offers its tools to newer models inside the input.
    for entry in entries:
        if entry.get("type") == "additional_tools":
            offers += objects(entry.get("tools"), "input.tools")
    tools = [tool for offer in offers for tool in _offered(offer)]
    wanted = choice.get("name") if isinstance(choice, Mapping) else None
    return [tool for tool in tools if wanted in (None, tool.name)]


def _offered(offer: Json, namespace: str = "") -> Iterator[OfferedTool]:
    match offer.get("type"):
        case "function":
            yield OfferedTool(
                name=required(offer, "name", str), namespace=namespace, schema=member(offer, "parameters")
            )
        case "custom":
            yield OfferedTool(name=required(offer, "name", str), namespace=namespace, schema=None)
        case "namespace":
            name = required(offer, "name", str)
            for tool in objects(offer.get("tools"), "tools"):
                yield from _offered(tool, name)


def _item(entry: Json) -> Item:
    kind, weight = str(entry.get("type", "message")), tokens(entry)
    if kind.endswith("_output"):
        return Item(Kind.RESULT, text_of(entry.get("output")), weight)
    if kind.endswith("_call") or kind == "reasoning":
        return Item(Kind.ANSWER, "", weight)
    if kind != "message":
        return Item(Kind.OTHER, "", weight)
    role = entry.get("role")
    if role not in _ROLES:
        raise InvalidRequest("input", f"Unexpected role {role!r}")
    content = entry.get("content")
    said = user_text(content) if role == "user" else text_of(content)
    return Item(_ROLES[role] if said else Kind.OTHER, said, weight)
