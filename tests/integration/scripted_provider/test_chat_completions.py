"""OpenAI's SDK talks to the scripted provider's Chat Completions API as it would to the real one."""

from typing import Any

import openai
import pytest

from aibridge_adapters.scripted_provider.wire import to_json
from integration.scripted_provider.tools import ARGUMENTS, CHAT_TOOL

pytestmark = pytest.mark.anyio


def asking(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-x", "messages": [{"role": "user", "content": prompt}], **more}


async def test_a_turn_with_a_tool_calls_and_then_says_what_the_tool_said(gpt: openai.AsyncOpenAI) -> None:
    """The first answer calls the tool with fitting arguments, the second uses its result."""
    request = asking("Read it", tools=[CHAT_TOOL])
    first = (await gpt.chat.completions.create(**request)).choices[0]
    assert first.finish_reason == "tool_calls"
    (call,) = first.message.tool_calls
    assert (call.function.name, call.function.arguments) == ("Read", to_json(ARGUMENTS).decode())

    result = {"role": "tool", "tool_call_id": call.id, "content": "forty-two"}
    request["messages"] += [first.message.model_dump(exclude_none=True), result]
    second = (await gpt.chat.completions.create(**request)).choices[0]
    assert second.finish_reason == "stop"
    assert "forty-two" in second.message.content


async def test_a_stream_spells_out_every_call_of_every_choice(gpt: openai.AsyncOpenAI) -> None:
    """Two choices with two parallel calls each."""
    calls: dict[tuple[int, int], str] = {}
    stream = await gpt.chat.completions.create(**asking("two tools", tools=[CHAT_TOOL], n=2, stream=True))
    async for chunk in stream:
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or ():
                place = (choice.index, call.index)
                calls[place] = calls.get(place, "") + (call.function.arguments or "")
    assert calls == {(choice, call): to_json(ARGUMENTS).decode() for choice in (0, 1) for call in (0, 1)}


async def test_a_stream_tells_usage_only_if_asked(gpt: openai.AsyncOpenAI) -> None:
    """With `include_usage` every chunk has the field and a last one without choices fills it."""
    silent = [chunk async for chunk in await gpt.chat.completions.create(**asking("Hi", stream=True))]
    assert all("usage" not in chunk.model_fields_set and chunk.choices for chunk in silent)

    asked = asking("Hi", stream=True, stream_options={"include_usage": True})
    told = [chunk async for chunk in await gpt.chat.completions.create(**asked)]
    assert all("usage" in chunk.model_fields_set for chunk in told)
    assert [chunk.usage is not None for chunk in told] == [False] * (len(told) - 1) + [True]
    assert told[-1].choices == []


async def test_cached_tokens_are_part_of_the_prompt(gpt: openai.AsyncOpenAI) -> None:
    """As OpenAI counts, and unlike Anthropic."""
    request = asking("Hello")
    first = (await gpt.chat.completions.create(**request)).usage
    request["messages"] += [{"role": "assistant", "content": "Hi."}, {"role": "user", "content": "And now?"}]
    second = (await gpt.chat.completions.create(**request)).usage
    assert first.prompt_tokens_details.cached_tokens == 0
    assert second.prompt_tokens_details.cached_tokens == first.prompt_tokens
    assert second.prompt_tokens > second.prompt_tokens_details.cached_tokens


async def test_a_custom_tool_gets_plain_text(gpt: openai.AsyncOpenAI) -> None:
    """A tool without a schema is called with an input, not with arguments."""
    tool = {"type": "custom", "custom": {"name": "note"}}
    completion = await gpt.chat.completions.create(**asking("Note it", tools=[tool]))
    (call,) = completion.choices[0].message.tool_calls
    assert (call.type, call.custom.name, call.custom.input) == ("custom", "note", "hello from the scripted provider")


async def test_parallel_calls_are_not_forced_on_the_client(gpt: openai.AsyncOpenAI) -> None:
    """`parallel_tool_calls: false` wins over the magic words."""
    completion = await gpt.chat.completions.create(
        **asking("three tools", tools=[CHAT_TOOL], parallel_tool_calls=False)
    )
    assert len(completion.choices[0].message.tool_calls) == 1


async def test_models_are_listed(gpt: openai.AsyncOpenAI) -> None:
    """In OpenAI's form."""
    assert [model.id async for model in gpt.models.list()] == ["gpt-scripted-1"]
    assert (await gpt.models.retrieve("anything")).id == "anything"
