"""The official SDKs, pointed at the gateway by base URL: they notice nothing, the trail notices everything."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from aibridge_adapters.scripted_provider import scripted_provider
from support.running import Running, running_gateway

pytestmark = pytest.mark.anyio

SCHEMA = {"type": "object", "properties": {"file_path": {"type": "string"}}, "required": ["file_path"]}
READ: Any = {"name": "Read", "description": "Reads a file.", "input_schema": SCHEMA}
READ_CHAT: Any = {"type": "function", "function": {"name": "Read", "parameters": SCHEMA}}
READ_RESPONSES: Any = {"type": "function", "name": "Read", "parameters": SCHEMA, "strict": False}


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[Running]:
    async with scripted_provider() as provider, running_gateway(folder, provider.base_url) as up:
        yield up


def claude(up: Running, **more: Any) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=f"{up.url}/anthropic", auth_token=up.token, api_key=None, **more)


def gpt(up: Running, **more: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{up.url}/openai/v1", api_key=up.token, **more)


def usage(kept: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Input, output, cache read, cache write of the one token record."""
    (tokens,) = kept["token_usages"]
    return (
        tokens["input_tokens"],
        tokens["output_tokens"],
        tokens["cache_read_input_tokens"],
        tokens["cache_write_input_tokens"],
    )


async def test_messages_blocking(tmp_path: Path) -> None:
    """An answer, and the same numbers in the trail."""
    async with world(tmp_path) as up, claude(up) as client:
        answer = await client.messages.create(
            model="claude-x", max_tokens=99, messages=[{"role": "user", "content": "Say hello. no tools"}]
        )
        (kept,) = await up.ended()
        assert kept["status"] == "completed"
        assert kept["user_prompts"][0]["prompt"] == "Say hello. no tools"
        assert usage(kept) == (
            answer.usage.input_tokens,
            answer.usage.output_tokens,
            answer.usage.cache_read_input_tokens or 0,
            answer.usage.cache_creation_input_tokens or 0,
        )
        assert kept["token_usages"][0]["provider_response_id"] == answer.id


async def test_messages_streaming_with_a_tool(tmp_path: Path) -> None:
    """Two requests of one thread: the call, then its result; thinking is kept."""
    async with world(tmp_path) as up, claude(up) as client:
        messages: list[Any] = [{"role": "user", "content": "Please think, then read the file."}]
        async with client.messages.stream(model="claude-x", max_tokens=99, messages=messages, tools=[READ]) as stream:
            first = await stream.get_final_message()
        (call,) = [block for block in first.content if block.type == "tool_use"]
        messages += [
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "42 lines"}]},
        ]
        async with client.messages.stream(model="claude-x", max_tokens=99, messages=messages, tools=[READ]) as stream:
            second = await stream.get_final_message()
        assert second.stop_reason == "end_turn"
        later, earlier = await up.ended(2)
        (tool,) = earlier["tool_usages"]
        assert (tool["tool"], tool["tool_call_id"], tool["injected"]) == ("Read", call.id, False)
        assert earlier["model_thoughts"][0]["metadata"] == {"source": "thinking"}
        assert later["thread_root_id"] == earlier["id"]
        assert later["session_id"] == earlier["session_id"] == earlier["id"]
        assert later["user_prompts"] == []


async def test_messages_side_routes(tmp_path: Path) -> None:
    """Counting tokens and listing models pass through and leave no interception."""
    async with world(tmp_path) as up, claude(up) as client:
        counted = await client.messages.count_tokens(model="m", messages=[{"role": "user", "content": "hi"}])
        assert counted.input_tokens > 0
        assert [model.id async for model in await client.models.list()]
        assert await up.interceptions() == []


@pytest.mark.parametrize("streaming", [False, True])
async def test_chat_completions(tmp_path: Path, streaming: bool) -> None:
    """A tool call and its result; a streaming client that asks for no usage sees none, the trail has it."""
    async with world(tmp_path) as up, gpt(up) as client:
        messages: list[Any] = [{"role": "user", "content": "Read the file."}]
        if streaming:
            chunks = [
                chunk
                async for chunk in await client.chat.completions.create(
                    model="gpt-x", messages=messages, tools=[READ_CHAT], stream=True
                )
            ]
            assert all(chunk.choices and chunk.usage is None for chunk in chunks)
            call_id = next(c.id for chunk in chunks for c in chunk.choices[0].delta.tool_calls or [] if c.id)
        else:
            answer = await client.chat.completions.create(model="gpt-x", messages=messages, tools=[READ_CHAT])
            calls = answer.choices[0].message.tool_calls
            assert calls
            call_id = calls[0].id
        (kept,) = await up.ended()
        (tool,) = kept["tool_usages"]
        assert (tool["tool"], tool["tool_call_id"]) == ("Read", call_id)
        assert usage(kept)[1] > 0


@pytest.mark.parametrize("streaming", [False, True])
async def test_responses(tmp_path: Path, streaming: bool) -> None:
    """A function call, linked to the request that brings its output."""
    async with world(tmp_path) as up, gpt(up) as client:
        asked: dict[str, Any] = {"model": "gpt-x", "tools": [READ_RESPONSES]}
        if streaming:
            async with client.responses.stream(input="Read the file.", **asked) as stream:
                first = await stream.get_final_response()
        else:
            first = await client.responses.create(input="Read the file.", **asked)
        (call,) = [item for item in first.output if item.type == "function_call"]
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "42 lines"}
        second = await client.responses.create(input=[output], previous_response_id=first.id, **asked)
        assert second.output_text
        later, earlier = await up.ended(2)
        assert earlier["tool_usages"][0]["tool_call_id"] == call.call_id
        assert later["thread_root_id"] == earlier["id"]
        assert first.usage is not None
        assert usage(earlier)[1] == first.usage.output_tokens


async def test_the_sdks_own_errors_work(tmp_path: Path) -> None:
    """Provider errors and the gateway's own arrive as the exceptions that each SDK has for them."""
    async with world(tmp_path) as up:
        async with claude(up, max_retries=0) as client:
            with pytest.raises(anthropic.RateLimitError):
                await client.messages.create(
                    model="m", max_tokens=9, messages=[{"role": "user", "content": "error 429"}]
                )
        async with anthropic.AsyncAnthropic(base_url=f"{up.url}/anthropic", auth_token="wrong", api_key=None) as client:
            with pytest.raises(anthropic.AuthenticationError, match="aibridge tokens create"):
                await client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
        async with gpt(up, max_retries=0) as openai_client:
            with pytest.raises(openai.InternalServerError):
                await openai_client.responses.create(model="m", input="error 500")
            with pytest.raises(openai.NotFoundError, match="Configured providers: anthropic, openai"):
                await openai_client.files.list()
        assert [each["status"] for each in await up.ended(2)] == ["failed", "failed"]


async def listen(api: str, a: anthropic.AsyncAnthropic, o: openai.AsyncOpenAI) -> None:
    """Ask for a stream that breaks off, and read it to its end."""
    prompt: Any = [{"role": "user", "content": "cut. no tools"}]
    if api == "messages":
        async with a.messages.stream(model="m", max_tokens=99, messages=prompt) as stream:
            await stream.get_final_message()
    elif api == "chat":
        async for _ in await o.chat.completions.create(model="m", messages=prompt, stream=True):
            pass
    else:
        async for _ in await o.responses.create(model="m", input="cut. no tools", stream=True):
            pass


@pytest.mark.parametrize("api", ["messages", "chat", "responses"])
async def test_a_stream_that_breaks_off_raises_what_it_raises_without_a_gateway(tmp_path: Path, api: str) -> None:
    """Half a stream never looks like a whole one, and whoever tries again after a broken connection does so here."""
    async with scripted_provider() as provider, running_gateway(tmp_path, provider.base_url) as up:
        async with claude(up, max_retries=0) as a, gpt(up, max_retries=0) as o:
            with pytest.raises(Exception) as through:  # which one is what is looked at
                await listen(api, a, o)
            with pytest.raises(Exception) as direct:
                await listen(api, a.copy(base_url=provider.base_url), o.copy(base_url=provider.openai_base_url))
        assert (type(through.value), str(through.value)) == (type(direct.value), str(direct.value))
        (kept,) = await up.ended()
        assert (kept["status"], kept["error_type"]) == ("failed", "connection_error")
