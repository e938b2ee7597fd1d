"""Every type name that needs no more than an address and keys, and its kind. `bedrock` makes its own instances."""

from collections.abc import Callable, Mapping, Sequence

from aibridge_core.keys import KeyEvent, KeyPool
from aibridge_core.providers import anthropic, azure, copilot, openai
from aibridge_core.providers.api import Provider, ProviderKind

KINDS: Mapping[str, ProviderKind] = {
    "anthropic": anthropic.KIND,
    "openai": openai.KIND,
    # These speak OpenAI's format at an address of their own.
    "openai-compat": openai.KIND,
    "google": openai.KIND,
    "openrouter": openai.KIND,
    "vercel": openai.KIND,
    "azure": azure.KIND,
    "copilot": copilot.KIND,
}


def provider(
    *,
    name: str,
    type: str,
    base_url: str,
    keys: Sequence[str] = (),
    websockets: bool = False,
    tell: Callable[[KeyEvent], None] = lambda event: None,
) -> Provider:
    """An instance; `tell` is told what happens to its keys. Raises KeyError for a type that doesn't exist."""
    pool = KeyPool(name, keys, tell=tell) if len(keys) > 1 else None
    kind = openai.CHATGPT if (type, name) == ("openai", "chatgpt") and not keys else KINDS[type]
    return Provider(
        name=name, type=type, base_url=base_url, kind=kind, keys=tuple(keys), pool=pool, websockets=websockets
    )
