"""What to type to send an AI client through the gateway; shown by `aibridge serve` and `aibridge demo`.

Belongs here: the clients' own settings, as text to copy. Never: printing.
"""

from collections.abc import Iterator, Sequence

from aibridge_adapters.config import ProviderSettings

FROM_VARIABLE = "$AIBRIDGE_TOKEN"
"""Stands for a token that the shell fills in."""

Recipe = tuple[str, Sequence[str]]
"""A client's name and the lines to copy."""


def recipes(url: str, providers: Sequence[ProviderSettings], token: str = FROM_VARIABLE) -> Iterator[Recipe]:
    """For Claude Code, Codex and curl, as far as the providers allow; `url` is the gateway's, without a path."""
    anthropic = _first(providers, speaks_messages=True)
    openai = _first(providers, speaks_messages=False)
    if anthropic:
        yield "Claude Code", _claude_code(f"{url}/{anthropic.name}", token)
    if openai:
        yield "Codex (~/.codex/config.toml, the token in AIBRIDGE_TOKEN)", _codex(f"{url}/{openai.name}/v1")
    if anthropic:
        yield "curl", _curl_messages(f"{url}/{anthropic.name}", token)
    elif openai:
        yield "curl", _curl_chat(f"{url}/{openai.name}", token)


def _first(providers: Sequence[ProviderSettings], *, speaks_messages: bool) -> ProviderSettings | None:
    return next((one for one in providers if (one.type == "anthropic") == speaks_messages), None)


def _claude_code(base_url: str, token: str) -> list[str]:
    return [f"ANTHROPIC_BASE_URL={base_url} ANTHROPIC_AUTH_TOKEN={token} claude"]


def _codex(base_url: str) -> list[str]:
    # A provider of its own name never tries a WebSocket first, and its key comes from a variable of our choice.
    return [
        'model_provider = "aibridge"',
        "[model_providers.aibridge]",
        'name = "aibridge"',
        f'base_url = "{base_url}"',
        'env_key = "AIBRIDGE_TOKEN"',
        'wire_api = "responses"',
    ]


def _curl_messages(base_url: str, token: str) -> list[str]:
    body = '{"model":"claude-haiku-4-5","max_tokens":99,"messages":[{"role":"user","content":"hi"}]}'
    return [
        f'curl {base_url}/v1/messages -H "x-api-key: {token}" \\',
        f"  -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' -d '{body}'",
    ]


def _curl_chat(base_url: str, token: str) -> list[str]:
    body = '{"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}]}'
    return [
        f'curl {base_url}/v1/chat/completions -H "Authorization: Bearer {token}" \\',
        f"  -H 'content-type: application/json' -d '{body}'",
    ]
