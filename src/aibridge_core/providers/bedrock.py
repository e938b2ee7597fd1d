"""Anthropic's models on Amazon Bedrock: by InvokeModel, or by Mantle, which speaks the Messages API itself.

A request may carry a Bedrock API key; without one it is signed with the gateway's own credential.
"""

from collections.abc import Callable, Sequence

from attrs import evolve, frozen

from aibridge_core.bedrock.count_tokens import CountTokens, model_of
from aibridge_core.bedrock.invoke_model import InvokeModel
from aibridge_core.bedrock.models import Models
from aibridge_core.keys import KeyEvent, KeyPool
from aibridge_core.providers import anthropic
from aibridge_core.providers.api import (
    VERBATIM,
    CredentialPlace,
    Mode,
    Provider,
    ProviderKind,
    Route,
    Translation,
    Untranslated,
)
from aibridge_core.signing import Signer

INVOKE_URL = "https://bedrock-runtime.{region}.amazonaws.com"
MANTLE_URL = "https://bedrock-mantle.{region}.api.aws/anthropic"
INVOKE_SERVICE = "bedrock"
MANTLE_SERVICE = "bedrock-mantle"
"""As signatures name them."""

_PLACES = (CredentialPlace(b"authorization", "Bearer"),)

INVOKE = ProviderKind(
    routes=(
        Route("/v1/messages", Mode.BRIDGED, "messages"),
        Route("/v1/messages/count_tokens", Mode.PASSTHROUGH, translated=True),
        Route("/model/*/invoke", Mode.BRIDGED, "invoke_model"),
        Route("/model/*/invoke-with-response-stream", Mode.BRIDGED, "invoke_model"),
        Route("/model/*/count-tokens", Mode.PASSTHROUGH),
    ),
    dialect="messages",
    failing=anthropic.KIND.failing,
    places=_PLACES,
)
MANTLE = evolve(anthropic.KIND, places=_PLACES)


def provider(
    *,
    name: str,
    type: str,
    base_url: str,
    models: Models | None = None,
    keys: Sequence[str] = (),
    signer: Signer | None = None,
    tell: Callable[[KeyEvent], None] = lambda event: None,
) -> Provider:
    """An instance. Without `models` it is asked by Mantle. Requests carry a key if there is one, else a signature."""
    return Provider(
        name=name,
        type=type,
        base_url=base_url,
        kind=INVOKE if models else MANTLE,
        keys=tuple(keys),
        pool=KeyPool(name, keys, tell=tell) if len(keys) > 1 else None,
        signer=signer,
        translator=InvokeModelTranslator(base_url=base_url, models=models) if models else Untranslated(),
    )


@frozen(kw_only=True)
class InvokeModelTranslator:
    """Implements `aibridge_core.providers.api.Translator`."""

    base_url: str
    models: Models

    def translation(self, route: Route, model: str) -> Translation:
        """Clients in Bedrock mode say themselves what they want. Raises NotSupported."""
        if route.dialect != "messages":
            return VERBATIM
        return InvokeModel(base_url=self.base_url, model=self.models.of(model))

    def aside(self, route: Route, body: bytes) -> Translation:
        """Tokens are counted for the model that would be asked. Raises MalformedRequest, NotSupported."""
        return CountTokens(base_url=self.base_url, model=self.models.of(model_of(body)))
