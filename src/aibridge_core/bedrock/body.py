"""The body of a Messages request as Bedrock takes it: some members go, few change, all others keep their bytes.

Belongs here: tables of what a model on Bedrock takes, with a reason per row, and the edit itself. Never: URLs, headers.

Source: docs.aws.amazon.com/bedrock, "Anthropic Claude Messages API", request and response; platform.claude.com/docs,
"Extended thinking", "Adaptive thinking", "Effort".
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from attrs import frozen

from aibridge_core.bedrock.turns import without_system_turns
from aibridge_core.dialects.jsontext import try_read
from aibridge_core.dialects.splice import change_members, remove_member, remove_members
from aibridge_core.errors import MalformedRequest

VERSION: Final = b'"bedrock-2023-05-31"'


@frozen(kw_only=True)
class Beta:
    """A beta that Bedrock takes; it refuses requests with any other."""

    name: str
    models: str = ""
    """Which ones take it, by a search in their names; empty: all."""


BETAS: Final[Sequence[Beta]] = (
    Beta(name="computer-use-2025-01-24"),
    Beta(name="token-efficient-tools-2025-02-19"),
    Beta(name="interleaved-thinking-2025-05-14"),
    Beta(name="output-128k-2025-02-19"),
    Beta(name="dev-full-thinking-2025-05-14"),
    Beta(name="context-1m-2025-08-07"),
    Beta(name="context-management-2025-06-27", models="sonnet-4-5|haiku-4-5"),
    Beta(name="effort-2025-11-24", models="opus-4-5"),
    Beta(name="tool-search-tool-2025-10-19"),
    Beta(name="tool-examples-2025-10-29"),
)

REMOVED: Final[Mapping[str, str]] = {
    "model": "stands in the URL",
    "stream": "stands in the URL",
    "metadata": "not taken",
    "service_tier": "not taken: AWS has its own",
    "container": "not taken",
    "inference_geo": "not taken: the region says it",
    "tags": "not taken: an administrator's, for gateways and for Anthropic",
}
NEEDS_BETA: Final[Mapping[str, str]] = {
    "output_config": "effort-2025-11-24",
    "context_management": "context-management-2025-06-27",
}
"""Members that are refused without a beta."""

_ONLY_ADAPTIVE: Final = re.compile(r"claude-(opus-4-([7-9]|\d\d)|[a-z]+-([5-9]|\d\d))(?!\d)")
"""Models that decide themselves how long they think, and refuse a budget; newer ones are taken to be like these."""
_ADAPTIVE: Final = re.compile(r"anthropic\.claude-(opus|sonnet)-4-6")
"""Models that take both."""
_SYSTEM_TURNS: Final = re.compile(r"claude-(opus-4-([89]|\d\d)|(opus|fable)-([5-9]|\d\d))(?!\d)")
"""Models that take messages of the role `system` inside a conversation."""
_SHARE: Final[Mapping[str, float]] = {"low": 0.2, "medium": 0.5, "high": 0.8, "max": 0.95}
"""Of the answer's tokens that older models may think for, by effort. Without one: high, as on Anthropic's own API."""
_LEAST_BUDGET: Final = 1024
"""Tokens; Bedrock takes no smaller budget."""


class _Thinking(msgspec.Struct):
    type: Any = None


class _Output(msgspec.Struct):
    effort: Any = None


class _Asked(msgspec.Struct):
    max_tokens: Any = None
    thinking: msgspec.Raw = msgspec.Raw(b"null")
    output_config: msgspec.Raw = msgspec.Raw(b"null")
    anthropic_beta: Any = None
    safeguards: Any = None


_ASKED = msgspec.json.Decoder(_Asked)
_THINKING = msgspec.json.Decoder(_Thinking)
_OUTPUT = msgspec.json.Decoder(_Output)


def adapted(body: bytes, *, model: str, betas: Iterable[str]) -> bytes:
    """The body for a model of Bedrock; `betas` are those that the client asks for. Raises MalformedRequest.

    `model`: its plain name. Where it isn't known (empty), what depends on it stays as the client has it.
    """
    asked = try_read(_ASKED, body) or _Asked()
    if asked.safeguards is not None:
        raise MalformedRequest("safeguards: not available on Amazon Bedrock, and not left out in silence")
    own = asked.anthropic_beta if isinstance(asked.anthropic_beta, list) else []
    kept = kept_betas([*betas, *(beta for beta in own if isinstance(beta, str))], model)
    only_adaptive = _ONLY_ADAPTIVE.search(model) is not None
    changes: dict[str, Callable[[bytes | None], bytes]] = {"anthropic_version": lambda _: VERSION}
    if kept:
        changes["anthropic_beta"] = lambda _: msgspec.json.encode(kept)
    if thinking := _thinking(asked, model):
        changes["thinking"] = lambda _: thinking
    removed = {*REMOVED, *(name for name, beta in NEEDS_BETA.items() if beta not in kept)}
    removed.update(() if kept else ("anthropic_beta",))
    if only_adaptive and bytes(asked.output_config)[:1] == b"{":
        removed.discard("output_config")
        changes["output_config"] = lambda value: remove_member(value or b"{}", "format")
    try:
        body = change_members(remove_members(body, removed), changes)
        return body if not model or _SYSTEM_TURNS.search(model) else without_system_turns(body)
    except ValueError as error:
        raise MalformedRequest(f"the body can't be adapted to Bedrock: {error}") from None


def kept_betas(asked: Iterable[str], model: str) -> list[str]:
    """The betas that this model takes on Bedrock, each once, in their order."""
    taken = {beta.name for beta in BETAS if re.search(beta.models, model)}
    return [beta for beta in dict.fromkeys(asked) if beta in taken]


def _thinking(asked: _Asked, model: str) -> bytes:
    """What takes the place of `thinking`; empty if it may stay."""
    kind = (try_read(_THINKING, asked.thinking) or _Thinking()).type
    if _ONLY_ADAPTIVE.search(model):
        return b'{"type":"adaptive"}' if kind == "enabled" else b""
    if not model or kind != "adaptive" or _ADAPTIVE.search(model) or not isinstance(asked.max_tokens, int):
        return b""
    effort = (try_read(_OUTPUT, asked.output_config) or _Output()).effort
    share = _SHARE.get(effort, _SHARE["high"]) if isinstance(effort, str) else _SHARE["high"]
    budget = int(asked.max_tokens * share)
    return b'{"type":"disabled"}' if budget < _LEAST_BUDGET else b'{"type":"enabled","budget_tokens":%d}' % budget
