"""Anthropic's SDK talks to the scripted provider as it would to the real API."""

from typing import Any

import anthropic
import pytest

from aibridge_adapters.scripted_provider import RunningProvider
from integration.scripted_provider.tools import ARGUMENTS, MESSAGES_TOOL

pytestmark = pytest.mark.anyio


def asking(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "claude-x", "max_tokens": 99, "messages": [{"role": "user", "content": prompt}], **more}


async def test_a_prompt_is_answered_with_text(claude: anthropic.AsyncAnthropic) -> None:
    """Without tools the answer says what was said."""
    message = await claude.messages.create(**asking("Good morning"))
    assert message.model == "claude-x"
    assert message.stop_reason == "end_turn"
    assert [block.type for block in message.content] == ["text"]
    assert "Good morning" in message.content[0].text


async def test_a_turn_with_a_tool_thinks_calls_and_then_says_what_the_tool_said(
    claude: anthropic.AsyncAnthropic,
) -> None:
    """The first answer thinks and calls the tool with fitting arguments, the second uses its result."""
    request = asking("Read it", tools=[MESSAGES_TOOL], thinking={"type": "enabled", "budget_tokens": 1024})
    async with claude.messages.stream(**request) as stream:
        first = await stream.get_final_message()

    assert [block.type for block in first.content] == ["thinking", "text", "tool_use"]
    thought, _, call = first.content
    assert thought.thinking and thought.signature
    assert (call.name, call.input) == ("Read", ARGUMENTS)
    assert first.stop_reason == "tool_use"

    result = {"type": "tool_result", "tool_use_id": call.id, "content": "forty-two"}
    request["messages"] += [
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
        {"role": "user", "content": [result]},
    ]
    async with claude.messages.stream(**request) as stream:
        second = await stream.get_final_message()

    assert second.stop_reason == "end_turn"
    assert "forty-two" in second.content[-1].text


async def test_a_stream_says_the_same_as_a_whole_answer(claude: anthropic.AsyncAnthropic) -> None:
    """Only ids differ."""
    request = asking("Read it, think", tools=[MESSAGES_TOOL])
    whole = await claude.messages.create(**request)
    async with claude.messages.stream(**request) as stream:
        streamed = await stream.get_final_message()
    without_ids = {"id": True, "content": {"__all__": {"id", "caller"}}}
    # The SDK keeps only the counts that a stream's last event repeats.
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    assert streamed.model_dump(exclude=without_ids, exclude_none=True) == whole.model_dump(
        exclude=without_ids, exclude_none=True
    )


async def test_events_come_in_the_order_of_the_api(provider: RunningProvider, claude: anthropic.AsyncAnthropic) -> None:
    """One start, a ping, blocks with contiguous indexes, one delta with the final usage, one stop."""
    stream = await claude.messages.create(**asking("Read it", tools=[MESSAGES_TOOL], stream=True))
    events = [event async for event in stream]
    kinds = [event.type for event in events]
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"]
    assert [event.index for event in events if event.type == "content_block_start"] == [0, 1]
    assert events[0].message.usage.output_tokens == 1
    assert events[-2].usage.output_tokens > 1


async def test_the_second_request_of_a_conversation_reads_the_cache(claude: anthropic.AsyncAnthropic) -> None:
    """What came before the model's answer is read, the answer itself is written, the rest is plain input."""
    first = await claude.messages.create(**asking("Hello", system="You are terse."))
    assert first.usage.cache_read_input_tokens == 0
    assert first.usage.cache_creation_input_tokens > 0

    request = asking("Hello", system="You are terse.")
    request["messages"] += [{"role": "assistant", "content": "Hi."}, {"role": "user", "content": "And now?"}]
    second = await claude.messages.create(**request)
    before = first.usage.cache_creation_input_tokens + first.usage.input_tokens
    assert second.usage.cache_read_input_tokens == before


@pytest.mark.parametrize(
    ("choice", "calls"), [({"type": "none"}, 0), ({"type": "any"}, 1), ({"type": "tool", "name": "Other"}, 1)]
)
async def test_tool_choice_is_obeyed(claude: anthropic.AsyncAnthropic, choice: Any, calls: int) -> None:
    """`none` forbids, `any` insists even against the magic words, `tool` names the one."""
    tools = [MESSAGES_TOOL, MESSAGES_TOOL | {"name": "Other"}]
    message = await claude.messages.create(**asking("no tools", tools=tools, tool_choice=choice))
    called = [block.name for block in message.content if block.type == "tool_use"]
    assert len(called) == calls
    assert called in ([], ["Read"], [choice.get("name")])


async def test_what_an_agent_adds_to_the_user_message_is_no_prompt(claude: anthropic.AsyncAnthropic) -> None:
    """Reminders of the agent can't trigger magic words; neither do later system messages."""
    content = [
        {"type": "text", "text": "<system-reminder>error 500</system-reminder>"},
        {"type": "text", "text": "Hello there"},
    ]
    messages = [{"role": "user", "content": content}, {"role": "system", "content": "error 500"}]
    message = await claude.messages.create(model="m", max_tokens=9, messages=messages)  # type: ignore[arg-type]
    assert "Hello there" in message.content[0].text


async def test_a_wanted_form_of_output_is_met(claude: anthropic.AsyncAnthropic) -> None:
    """Claude Code asks for a session title like this."""
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    message = await claude.messages.create(
        **asking("Hello", extra_body={"output_config": {"format": {"type": "json_schema", "schema": schema}}})
    )
    assert message.content[0].text == '{"title":"scripted title"}'


async def test_tokens_are_counted_and_models_listed(claude: anthropic.AsyncAnthropic) -> None:
    """A count is what the same request is charged for."""
    request = asking("Hello", system="You are terse.")
    usage = (await claude.messages.create(**request)).usage
    del request["max_tokens"]
    counted = (await claude.messages.count_tokens(**request)).input_tokens
    assert counted == usage.input_tokens + usage.cache_creation_input_tokens
    assert [model.id async for model in claude.models.list()] == ["claude-scripted-1"]
