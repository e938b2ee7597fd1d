"""A Messages body becomes what Bedrock takes, and keeps every other byte."""

import json
from typing import Any

import pytest

from aibridge_core.bedrock.body import adapted, kept_betas
from aibridge_core.errors import MalformedRequest

OLD = "beddel"
OPUS_45 = "eu.anthropic.claude-opus-4-5-v1:0"
OPUS_46 = "anthropic.claude-opus-4-6-v1"
OPUS_47 = "us.anthropic.claude-opus-4-7"
SONNET_45 = "anthropic.claude-sonnet-4-5-20250929-v1:0"


def body(model: str = OLD, betas: tuple[str, ...] = (), **members: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        adapted(json.dumps({"model": "m", **members}).encode(), model=model, betas=betas)
    )
    return found


def test_untouched_members_keep_their_bytes() -> None:
    """Spaces, escapes, repeated names, numbers and order survive; only what Bedrock refuses is cut out."""
    source = (
        b'{ "model":"claude-x",\n "messages" : [ {"role":"user","content":"\\u00e9 \xc3\xa9"} ],"max_tokens": 1e3 ,'
        b'"metadata":{"user_id":"u"}, "new_field": 1.0, "new_field": 2 , "stream": true }'
    )
    assert adapted(source, model=OLD, betas=()) == (
        b'{"anthropic_version":"bedrock-2023-05-31", "messages" : [ {"role":"user","content":"\\u00e9 \xc3\xa9"} ],'
        b'"max_tokens": 1e3 ,"new_field": 1.0, "new_field": 2 }'
    )


@pytest.mark.parametrize(
    ("model", "thinking", "max_tokens", "effort", "expected"),
    [
        (OLD, {"type": "adaptive"}, 32_000, None, {"type": "enabled", "budget_tokens": 25_600}),
        (OLD, {"type": "adaptive"}, 32_000, "high", {"type": "enabled", "budget_tokens": 25_600}),
        (OLD, {"type": "adaptive"}, 32_000, "medium", {"type": "enabled", "budget_tokens": 16_000}),
        (OLD, {"type": "adaptive"}, 32_000, "low", {"type": "enabled", "budget_tokens": 6_400}),
        (OLD, {"type": "adaptive"}, 32_000, "max", {"type": "enabled", "budget_tokens": 30_400}),
        (OLD, {"type": "adaptive"}, 1_000, "max", {"type": "disabled"}),
        (OLD, {"type": "enabled", "budget_tokens": 5}, 1_000, None, {"type": "enabled", "budget_tokens": 5}),
        (OPUS_46, {"type": "adaptive"}, 32_000, "low", {"type": "adaptive"}),
        (
            OPUS_46,
            {"type": "enabled", "budget_tokens": 2_000},
            9_000,
            None,
            {"type": "enabled", "budget_tokens": 2_000},
        ),
        (OPUS_47, {"type": "enabled", "budget_tokens": 2_000}, 9_000, None, {"type": "adaptive"}),
        (OPUS_47, {"type": "adaptive", "display": "omitted"}, 9_000, None, {"type": "adaptive", "display": "omitted"}),
    ],
)
def test_thinking(model: str, thinking: Any, max_tokens: int, effort: str | None, expected: Any) -> None:
    """Models that know no adaptive thinking get a budget; newer ones get no budget."""
    output = {"output_config": {"effort": effort}} if effort else {}
    assert body(model, max_tokens=max_tokens, thinking=thinking, **output)["thinking"] == expected


def test_members_that_need_a_beta_go_without_it() -> None:
    """`output_config` and `context_management` stay only where their betas do."""
    members = {"output_config": {"effort": "low"}, "context_management": {"edits": []}}
    betas = ("effort-2025-11-24", "context-management-2025-06-27")
    assert body(OLD, betas, **members) == {"anthropic_version": "bedrock-2023-05-31"}
    assert body(OPUS_45, betas, **members).keys() == {"anthropic_version", "anthropic_beta", "output_config"}
    assert body(SONNET_45, betas, **members).keys() == {"anthropic_version", "anthropic_beta", "context_management"}
    adaptive = body(OPUS_47, betas, output_config={"effort": "low", "format": {"type": "json_schema"}})
    assert adaptive["output_config"] == {"effort": "low"}


def test_betas_are_filtered_and_kept_once_in_order() -> None:
    """What Bedrock doesn't know is left out, wherever the client said it."""
    asked = ("context-1m-2025-08-07", "oauth-2025-04-20", "context-1m-2025-08-07")
    assert kept_betas(asked, OLD) == ["context-1m-2025-08-07"]
    merged = body(OLD, asked, anthropic_beta=["interleaved-thinking-2025-05-14", "x"])
    assert merged["anthropic_beta"] == ["context-1m-2025-08-07", "interleaved-thinking-2025-05-14"]
    assert "anthropic_beta" not in body(OLD, (), anthropic_beta=["x"])


def test_a_body_that_is_no_object_is_refused() -> None:
    """The client hears it in words."""
    with pytest.raises(MalformedRequest, match="adapted to Bedrock"):
        adapted(b"[1]", model=OLD, betas=())


def test_tags_are_left_out_and_safeguards_are_not() -> None:
    """What is an administrator's bookkeeping goes; a policy that can't be kept is refused by its name."""
    assert body(OLD, tags={"team": "a"}).keys() == {"anthropic_version"}
    assert "safeguards" in body(OLD, safeguards=None)
    with pytest.raises(MalformedRequest, match="safeguards"):
        body(OLD, safeguards=["x"])


def test_system_messages_inside_the_conversation_are_the_users() -> None:
    """Where they are and in the same words; whatever only looks like one keeps its bytes."""
    source = (
        b'{"messages":[ {"role":"user","content":"role \\"system\\""} ,{"content":[ {"type":"text","text":"x"} ], '
        b'"role" : "system"},{"role":"assistant","content":[{"type":"tool_use","name":"system","input":{"role":"system"'
        b'}}]}, {"role":"system","content":"y"}],"system":"s"}'
    )
    expected = source.replace(b'"role" : "system"', b'"role" : "user"').replace(
        b'{"role":"system","content":"y"}', b'{"role":"user","content":"y"}'
    )
    changed = adapted(source, model=OPUS_47, betas=())
    assert changed == expected.replace(b"{", b'{"anthropic_version":"bedrock-2023-05-31",', 1)


@pytest.mark.parametrize("model", ["us.anthropic.claude-opus-4-8", "anthropic.claude-opus-5-v1:0", ""])
def test_models_that_know_system_messages_get_them(model: str) -> None:
    """So do those behind a profile that nobody knows: the client chose for itself."""
    turns = [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}]
    assert body(model, messages=turns)["messages"] == turns
    assert body("anthropic.claude-sonnet-5", messages=turns)["messages"][1]["role"] == "user"


@pytest.mark.parametrize("messages", [7, None, "system", ["system"], [["role", "system"]], [{"role": ["system"]}]])
def test_messages_that_are_none_are_bedrocks_to_refuse(messages: Any) -> None:
    """They go on as they are."""
    assert body(OLD, messages=messages, system="system")["messages"] == messages
