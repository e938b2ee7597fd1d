"""Every type name that can be configured, and its kind."""

from collections.abc import Mapping, Sequence

from aibridge_core.providers import anthropic, openai
from aibridge_core.providers.api import Provider, ProviderKind

KINDS: Mapping[str, ProviderKind] = {
    "anthropic": anthropic.KIND,
    "openai": openai.KIND,
    # These speak OpenAI's format at an address of their own.
    "openai-compat": openai.KIND,
    "google": openai.KIND,
    "openrouter": openai.KIND,
    "vercel": openai.KIND,
}


def provider(*, name: str, type: str, base_url: str, keys: Sequence[str] = ()) -> Provider:
    """An instance. Raises KeyError for a type that doesn't exist."""
    return Provider(name=name, type=type, base_url=base_url, kind=KINDS[type], keys=tuple(keys))
