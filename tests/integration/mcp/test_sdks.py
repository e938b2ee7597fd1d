"""The official SDKs with injected tools between them and the model: they notice nothing, and the model forgets nothing.

The model asks for an injected tool, then for one of ours and one of the client's at once; the client comes back.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from aibridge_adapters.config import McpServerSettings
from aibridge_adapters.scripted_provider import Answer, RunningProvider, Text, ToolCall, in_order, scripted_provider
from support.mcp_server import tool_server
from support.running import Running, running_gateway

pytestmark = pytest.mark.anyio

SCHEMA = {"type": "object", "properties": {"file_path": {"type": "string"}}, "required": ["file_path"]}
ECHO = "bmcp_wiki_echo"
MODES = pytest.mark.parametrize("streaming", [False, True])


def echo(text: str) -> ToolCall:
    return ToolCall(ECHO, {"text": text})


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[tuple[Running, RunningProvider]]:
    """A gateway between a real MCP server and a provider that plays the script."""
    script = in_order(
        Answer(parts=[Text("Looking."), echo("first")]),
        Answer(parts=[Text("Found."), echo("second"), ToolCall("Read", {"file_path": "a"})]),
        Answer.saying("Done."),
    )
    async with tool_server() as tools, scripted_provider(script=script) as provider:
        wiki = McpServerSettings(name="wiki", url=tools.url)
        async with running_gateway(folder, provider.base_url, mcp=(wiki,)) as up:
            yield up, provider


def claude(up: Running) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=f"{up.url}/anthropic", auth_token=up.token, api_key=None)


def gpt(up: Running) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{up.url}/openai/v1", api_key=up.token)


def ids(value: Any, name: str) -> list[str]:
    """All members of this name, in order."""
    if isinstance(value, list):
        return [each for item in value for each in ids(item, name)]
    if not isinstance(value, dict):
        return []
    return [each for key, item in value.items() for each in ([item] if key == name else ids(item, name))]


async def check(up: Running, history: Sequence[Any], made: Sequence[str], answered: Sequence[str]) -> None:
    """The model finds all calls with their results, and the trail has what was run."""
    text = json.dumps(history)
    assert text.index("echo: first") < text.index("Found.") < text.index("echo: second") < text.index("a file")
    assert sorted(made) == sorted(answered)
    assert len(set(made)) == 3
    _, first = await up.ended(2)
    used = [(each["tool"], each["injected"], each["invocation_error"]) for each in first["tool_usages"]]
    assert sorted(used, key=str) == [
        ("Read", False, used[0][2]),
        ("echo", True, used[0][2]),
        ("echo", True, used[0][2]),
    ]


@MODES
async def test_messages(tmp_path: Path, streaming: bool) -> None:
    """One message with the client's call alone; two messages of the model, with their results, when it comes back."""
    async with world(tmp_path) as (up, provider), claude(up) as client:
        messages: list[Any] = [{"role": "user", "content": "Look."}]
        tool: Any = {"name": "Read", "input_schema": SCHEMA}
        asked: dict[str, Any] = {"model": "claude-x", "max_tokens": 99, "tools": [tool]}

        async def ask() -> Any:
            if not streaming:
                return await client.messages.create(messages=messages, **asked)
            async with client.messages.stream(messages=messages, **asked) as stream:
                return await stream.get_final_message()

        first = await ask()
        assert [block.type for block in first.content] == ["text"] * (1 + streaming) + ["tool_use"]
        result = {"type": "tool_result", "tool_use_id": first.content[-1].id, "content": "a file"}
        messages += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
        assert (await ask()).content[0].text == "Done."
        history = provider.requests[-1].json["messages"]
        assert [each["role"] for each in history] == ["user", "assistant", "user", "assistant", "user"]
        blocks = [block for each in history[1:] for block in each["content"]]
        made = [block["id"] for block in blocks if block["type"] == "tool_use"]
        await check(up, history, made, ids(blocks, "tool_use_id"))


@MODES
async def test_chat_completions(tmp_path: Path, streaming: bool) -> None:
    """The same in its form: calls in messages of the model, results behind each."""
    async with world(tmp_path) as (up, provider), gpt(up) as client:
        messages: list[Any] = [{"role": "user", "content": "Look."}]
        tool: Any = {"type": "function", "function": {"name": "Read", "parameters": SCHEMA}}

        async def ask() -> Any:
            if not streaming:
                answer = await client.chat.completions.create(model="gpt-x", messages=messages, tools=[tool])
                return answer.choices[0].message
            async with client.chat.completions.stream(model="gpt-x", messages=messages, tools=[tool]) as stream:
                return (await stream.get_final_completion()).choices[0].message

        first = await ask()
        assert [call.function.name for call in first.tool_calls] == ["Read"]
        result = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "a file"}
        messages += [first.model_dump(include={"role", "content", "tool_calls"}), result]
        assert (await ask()).content == "Done."
        history = provider.requests[-1].json["messages"]
        assert [each["role"] for each in history] == ["user", "assistant", "tool", "assistant", "tool", "tool"]
        made = [call["id"] for each in history for call in each.get("tool_calls") or ()]
        await check(up, history, made, ids(history, "tool_call_id"))


@MODES
async def test_responses(tmp_path: Path, streaming: bool) -> None:
    """The same in its form: the client sends its history back, and gets it completed."""
    async with world(tmp_path) as (up, provider), gpt(up) as client:
        tool: Any = {"type": "function", "name": "Read", "parameters": SCHEMA, "strict": False}
        items: list[Any] = [{"role": "user", "content": "Look."}]

        async def ask() -> Any:
            if not streaming:
                return await client.responses.create(model="gpt-x", input=items, tools=[tool], store=False)
            async with client.responses.stream(model="gpt-x", input=items, tools=[tool], store=False) as stream:
                return await stream.get_final_response()

        first = await ask()
        assert [item.type for item in first.output] == ["message"] * (1 + streaming) + ["function_call"]
        items += [item.model_dump(exclude_unset=True) for item in first.output]
        items.append({"type": "function_call_output", "call_id": first.output[-1].call_id, "output": "a file"})
        assert (await ask()).output_text == "Done."
        history = provider.requests[-1].json["input"]
        outputs = [item["call_id"] for item in history if item.get("type") == "function_call_output"]
        made = [item["call_id"] for item in history if item.get("type") == "function_call"]
        await check(up, history, made, outputs)
