"""The types of provider that can be configured, and the names that none may have.

Belongs here: tables with a reason per row. Never: how a type's requests are built (`aibridge_core.providers`).
"""

import re
from urllib.parse import urlsplit

from attrs import frozen

from aibridge_adapters.config import ProviderSettings
from aibridge_adapters.config_sources import kinds
from aibridge_adapters.config_sources.fields import BEDROCK_FIELDS, ProviderField
from aibridge_core.providers.bedrock import INVOKE_URL
from aibridge_core.providers.copilot import BASE_URL as COPILOT_URL

ANTHROPIC_URL = "https://api.anthropic.com/"
OPENAI_URL = "https://api.openai.com/v1/"
CHATGPT_URL = "https://chatgpt.com/backend-api/codex"
MOST_KEYS = 5
"""Per provider."""
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@frozen(kw_only=True)
class ProviderType:
    """One row."""

    name: str
    base_url: str = ""
    """Default; empty if one has to be given."""
    left_out: str = ""
    """Why providers of this type are not served in this version; empty if they are."""
    meaning: str


PROVIDER_TYPES = {
    row.name: row
    for row in (
        ProviderType(
            name="anthropic", base_url=ANTHROPIC_URL, meaning="Anthropic, or whatever speaks its Messages API"
        ),
        ProviderType(name="openai", base_url=OPENAI_URL, meaning="OpenAI; its base URL ends with the API version"),
        ProviderType(name="openai-compat", meaning="whatever speaks OpenAI's API: vLLM, Ollama, LiteLLM ..."),
        ProviderType(name="openrouter", meaning="OpenRouter, by its OpenAI API"),
        ProviderType(name="google", meaning="Gemini, by its OpenAI API"),
        ProviderType(name="vercel", meaning="Vercel's AI Gateway, by its OpenAI API"),
        ProviderType(
            name="azure",
            meaning="Azure OpenAI by its v1 API: `https://RESOURCE.openai.azure.com/openai/v1/`",
        ),
        ProviderType(
            name="copilot",
            base_url=COPILOT_URL,
            meaning="GitHub Copilot's own service, with each user's own token; other plans have other hosts",
        ),
        ProviderType(
            name="bedrock",
            base_url=INVOKE_URL.replace("{region}", "REGION"),
            meaning="Anthropic's models on Amazon Bedrock, also for clients in Bedrock mode",
        ),
    )
}

RESERVED_NAMES = {
    # AI routes also stand at /api/v2/aibridge/<name>/..., beside the REST routes of this name.
    "interceptions": "a REST route",
    "sessions": "a REST route",
    "models": "a REST route",
    "clients": "a REST route",
    "providers": "a REST route",
    "users": "a REST route",
    "openapi.json": "the description of the REST routes",
    # They stand at /<name>/... as well.
    "api": "the REST API's prefix",
    "admin": "kept for web pages",
    "healthz": "the health check",
    "readyz": "the readiness check",
}


FIELDS = {
    row.name: row
    for row in (
        ProviderField(name="type", kind=None, meaning="One of the types below. Required."),
        ProviderField(
            name="name",
            kind=None,
            meaning="First segment of its routes: lower-case letters, digits, hyphens; unique. Default: the type.",
        ),
        ProviderField(
            name="base_url",
            kind=kinds.BASE_URL,
            meaning="Where the provider is. `anthropic` and `openai` know their own; other types need it.",
        ),
        ProviderField(
            name="key",
            kind=kinds.secret(least=1),
            meaning="The central upstream key. Without one every user brings their own.",
        ),
        ProviderField(
            name="keys",
            kind=None,
            meaning=f"Up to {MOST_KEYS} keys: comma-separated, in the file an array. One that is refused or at its "
            "limit rests, and another is used.",
        ),
        ProviderField(name="key_file", kind=None, meaning="A file that holds the central key."),
        ProviderField(
            name="keys_file", kind=None, meaning="A file that holds several, one on each line; `#` begins a comment."
        ),
        ProviderField(
            name="drop_headers",
            kind=kinds.HEADER_NAMES,
            meaning="Request headers that it is not sent, because it refuses them: names with commas between them.",
        ),
        ProviderField(
            name="drop_betas",
            kind=kinds.WORDS,
            meaning="Values of `anthropic-beta` that it is not sent, likewise; other values of the header go on.",
        ),
        ProviderField(
            name="dump_dir",
            kind=kinds.FOLDER,
            meaning="Where its exchanges are dumped, in place of `dump_dir`'s folder.",
        ),
        ProviderField(
            name="enabled",
            kind=kinds.SWITCH,
            meaning="Default `true`. A disabled provider answers 503 on all its routes.",
        ),
        ProviderField(
            name="allow_byok",
            kind=kinds.SWITCH,
            meaning="Default `true`. Whether users may bring their own credential for it, if `allow_byok` lets them at "
            "all.",
        ),
        *BEDROCK_FIELDS.values(),
        ProviderField(
            name="websockets",
            kind=kinds.SWITCH,
            meaning="Whether WebSockets of Responses clients are tunnelled to it; if not, they are answered 426 and "
            "clients use HTTP. Default: on for `api.openai.com` and `chatgpt.com`, else off.",
        ),
    )
}
CREDENTIAL_FIELDS = ("key", "keys", "key_file", "keys_file")
DORMANT_FIELD = re.compile(r"api_dump_dir")
"""Known of other deployments, without effect in this version."""


def default_base_url(type_name: str, name: str) -> str:
    """Empty if there is none. Codex with a ChatGPT login talks to another host than the API does."""
    if type_name == "openai" and name == "chatgpt":
        return CHATGPT_URL
    return PROVIDER_TYPES[type_name].base_url


WEBSOCKET_HOSTS = {
    "api.openai.com": "its Responses API has a WebSocket mode",
    "chatgpt.com": "Codex with a ChatGPT login uses it",
}
"""Where WebSockets are on unless somebody turns them off: clients lose time with a provider that doesn't know them."""


def has_websockets(base_url: str) -> bool:
    """Whether a provider is known to take WebSockets."""
    return urlsplit(base_url).hostname in WEBSOCKET_HOSTS


def default_providers() -> tuple[ProviderSettings, ...]:
    """What is served when nobody configured a provider."""
    return tuple(
        ProviderSettings(type=name, name=name, base_url=url, websockets=has_websockets(url))
        for name, url in ((name, PROVIDER_TYPES[name].base_url) for name in ("anthropic", "openai"))
    )


PLAIN_KEYS = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY"}
"""The variables of the official SDKs. They count for the default providers only: a key that lies around in a shell must
not become the central key of a gateway that somebody configured. The SDKs' `..._BASE_URL` are never read: on a machine
whose agents use the gateway they point at the gateway itself."""
