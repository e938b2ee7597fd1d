"""What content is, and how a fact looks without it."""

import pytest

from aibridge_core.content import ContentState, content_of, with_content
from aibridge_core.records import Fact, ModelThought, PromptUsage, TokenUsage, ToolUsage
from aibridge_core.testing.samples import FACTS


@pytest.mark.parametrize(
    ("fact", "content"),
    [
        (PromptUsage(response_id="r", prompt="hello"), "hello"),
        (ToolUsage(response_id="r", tool="Read", arguments='{"path": "a"}'), '{"path": "a"}'),
        (ModelThought(response_id="r", content="hm"), "hm"),
        (TokenUsage(response_id="r", input_tokens=1, output_tokens=2), ""),
    ],
)
def test_what_people_wrote_and_models_thought(fact: Fact, content: str) -> None:
    """Prompts, tool arguments and thoughts; token counts have none."""
    assert content_of(fact) == content


def test_only_the_content_is_replaced() -> None:
    """Names, ids and the rest of the metadata stay; the mark says why the content is not there."""
    call = ToolUsage(
        response_id="r", tool="Read", tool_call_id="toolu_1", arguments="{}", injected=True, metadata={"namespace": "n"}
    )
    assert with_content(call, "", ContentState.PURGED) == ToolUsage(
        response_id="r",
        tool="Read",
        tool_call_id="toolu_1",
        arguments="",
        injected=True,
        metadata={"namespace": "n", "content": "purged"},
    )


@pytest.mark.parametrize(
    "fact", [FACTS[1], PromptUsage(response_id="r", prompt=""), ModelThought(response_id="", content="")]
)
def test_what_has_no_content_stays_as_it_is(fact: Fact) -> None:
    """Nothing was taken from it, and no mark says so."""
    assert with_content(fact, "", ContentState.NONE) is fact
