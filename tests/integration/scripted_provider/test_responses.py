"""OpenAI's SDK talks to the scripted provider's Responses API as it would to the real one, and so does Codex."""

from typing import Any

import openai
import pytest

from aibridge_adapters.scripted_provider import RunningProvider
from aibridge_adapters.scripted_provider.wire import to_json
from integration.scripted_provider.tools import ARGUMENTS, RESPONSES_TOOL

pytestmark = pytest.mark.anyio


def asking(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-x", "input": [{"role": "user", "content": prompt}], **more}


async def test_a_turn_with_a_tool_reasons_calls_and_then_says_what_the_tool_said(gpt: openai.AsyncOpenAI) -> None:
    """The first answer reasons, comments and calls; the second uses the tool's result."""
    request = asking(
        "Read it",
        tools=[RESPONSES_TOOL],
        reasoning={"summary": "auto"},
        store=False,
        include=["reasoning.encrypted_content"],
    )
    async with gpt.responses.stream(**request) as stream:
        first = await stream.get_final_response()

    assert [item.type for item in first.output] == ["reasoning", "message", "function_call"]
    reasoning, comment, call = first.output
    assert reasoning.summary[0].text and reasoning.encrypted_content
    assert comment.phase == "commentary"
    assert (call.name, call.arguments) == ("Read", to_json(ARGUMENTS).decode())
    assert first.store is False

    request["input"] += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output]
    request["input"] += [{"type": "function_call_output", "call_id": call.call_id, "output": "forty-two"}]
    second = await gpt.responses.create(**request)
    assert "forty-two" in second.output_text
    assert second.output[-1].phase == "final_answer"
    assert second.usage.input_tokens_details.cached_tokens > 0


async def test_events_are_numbered_and_framed(gpt: openai.AsyncOpenAI) -> None:
    """Sequence numbers without a gap, from `created` to `completed`; every item is added and done."""
    stream = await gpt.responses.create(**asking("Read it, think", tools=[RESPONSES_TOOL], stream=True))
    events = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"] and kinds[-1] == "response.completed"
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert [item.type for item in done] == ["reasoning", "message", "function_call"]
    assert events[-1].response.output == done


async def test_codex_gets_calls_of_its_own_tools(gpt: openai.AsyncOpenAI) -> None:
    """Tools in the input, in a namespace, custom ones with plain text."""
    offered = {
        "type": "additional_tools",
        "role": "developer",
        "tools": [{"type": "namespace", "name": "functions", "tools": [{"type": "custom", "name": "exec"}]}],
    }
    prompt = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go"}]}
    response = await gpt.responses.create(model="gpt-x", input=[offered, prompt], stream=False)  # type: ignore[list-item]
    call = response.output[-1]
    assert (call.type, call.namespace, call.name) == ("custom_tool_call", "functions", "exec")
    assert call.input == 'text("hello from the scripted provider");'

    output = {
        "type": "custom_tool_call_output",
        "call_id": call.call_id,
        "output": [{"type": "input_text", "text": "forty-two"}],
    }
    items = [offered, prompt, call.model_dump(exclude_none=True), output]
    response = await gpt.responses.create(model="gpt-x", input=items)  # type: ignore[arg-type]
    assert "forty-two" in response.output_text


async def test_running_out_of_tokens_is_incomplete(gpt: openai.AsyncOpenAI) -> None:
    """The call's arguments end in the middle and the response says why."""
    response = await gpt.responses.create(**asking("run out of tokens", tools=[RESPONSES_TOOL]))
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    whole = to_json(ARGUMENTS).decode()
    assert response.output[-1].arguments == whole[: len(whole) // 2]


async def test_a_plain_text_is_a_prompt(gpt: openai.AsyncOpenAI, provider: RunningProvider) -> None:
    """The shortest request of this API."""
    response = await gpt.responses.create(model="gpt-x", input='say "forty-two"')
    assert response.output_text == "forty-two"
    assert provider.requests[-1].json["input"] == 'say "forty-two"'
