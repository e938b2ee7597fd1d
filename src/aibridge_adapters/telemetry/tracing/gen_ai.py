"""What the semantic conventions for generative AI want to know, from the gateway's own records.

Belongs here: attributes made of frozen values. Never: spans.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from aibridge_adapters.telemetry.tracing import names
from aibridge_core.records import Fact, InterceptionStart, ModelThought, PromptUsage, TokenUsage, ToolUsage

Attributes = dict[str, Any]


def asked(start: InterceptionStart, url: str, *, type: str) -> Attributes:
    """Of a request to a model of this type of provider at this URL."""
    host, port = _address(url)
    attributes: Attributes = {
        names.OPERATION: names.CHAT,
        names.GEN_AI_PROVIDER: names.PROVIDER_NAMES.get(type, type),
        names.REQUEST_MODEL: start.model,
        names.REQUEST_STREAM: start.streaming,
        names.SERVER_ADDRESS: host,
        names.SERVER_PORT: port,
        names.HTTP_METHOD: "POST",
    }
    if start.client_session_id:
        attributes[names.CONVERSATION] = start.client_session_id
    return attributes


@lru_cache(maxsize=100)
def _address(url: str) -> tuple[str, int]:
    """Host and port; there are few URLs of providers."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)


def used(usage: TokenUsage) -> Attributes:
    """What the provider says the answer cost. Our counts leave cached tokens out, those of the conventions don't."""
    cached = usage.cache_read_input_tokens + usage.cache_write_input_tokens
    attributes: Attributes = {
        names.INPUT_TOKENS: usage.input_tokens + cached,
        names.OUTPUT_TOKENS: usage.output_tokens,
        names.CACHE_READ_TOKENS: usage.cache_read_input_tokens,
        names.CACHE_WRITE_TOKENS: usage.cache_write_input_tokens,
    }
    for kind in names.REASONING_COUNTS:
        if kind in usage.extra:
            attributes[names.REASONING_TOKENS] = usage.extra[kind]
    texts = {names.RESPONSE_ID: usage.response_id, names.RESPONSE_MODEL: usage.model}
    attributes.update({name: text for name, text in texts.items() if text})
    return attributes


def content(facts: Sequence[Fact]) -> Attributes:
    """What was said, as far as the gateway keeps it: the last prompt, reasoning, tool calls. Not the answer's text."""
    prompts = [fact.prompt for fact in facts if isinstance(fact, PromptUsage)]
    parts = [part for fact in facts if (part := _part(fact))]
    attributes: Attributes = {}
    if prompts:
        said = [{"type": "text", "content": prompt} for prompt in prompts]
        attributes[names.INPUT_MESSAGES] = _json([{"role": "user", "parts": said}])
    if parts:
        attributes[names.OUTPUT_MESSAGES] = _json([{"role": "assistant", "parts": parts}])
    return attributes


def _part(fact: Fact) -> Mapping[str, Any] | None:
    if isinstance(fact, ModelThought):
        return {"type": "reasoning", "content": fact.content}
    if isinstance(fact, ToolUsage):
        return {"type": "tool_call", "id": fact.tool_call_id, "name": fact.tool, "arguments": fact.arguments}
    return None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
