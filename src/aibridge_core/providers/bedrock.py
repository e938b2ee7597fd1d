"""Anthropic's models on Amazon Bedrock: by InvokeModel, or by Mantle, which speaks the Messages API itself.

A request may carry a Bedrock API key; without one it is signed with the gateway's own credential.
"""

from collections.abc import Callable, Sequence

from attrs import evolve, frozen

from aibridge_core.actors import Credential, CredentialKind
from aibridge_core.bedrock.count_tokens import CountTokens, model_of
from aibridge_core.bedrock.invoke_model import InvokeModel
from aibridge_core.bedrock.models import Asked, Models, plain_name
from aibridge_core.bedrock.profiles import UNKNOWN_PROFILES, ControlPlane, InferenceProfiles
from aibridge_core.errors import NotSupported, RouteNotFound
from aibridge_core.keys import KeyEvent, KeyPool
from aibridge_core.ports import Upstream
from aibridge_core.providers import anthropic
from aibridge_core.providers.api import CredentialPlace, Provider, ProviderKind, signed
from aibridge_core.providers.routes import Mode, Route
from aibridge_core.providers.translating import Translation, Untranslated, Verbatim
from aibridge_core.signing import Signer

INVOKE_URL = "https://bedrock-runtime.{region}.amazonaws.com"
MANTLE_URL = "https://bedrock-mantle.{region}.api.aws/anthropic"
INVOKE_SERVICE = "bedrock"
MANTLE_SERVICE = "bedrock-mantle"
"""As signatures name them."""

_PLACES = (CredentialPlace(b"authorization", "Bearer"),)

COUNT_TOKENS = Route("/v1/messages/count_tokens", Mode.PASSTHROUGH, translated=True)
INVOKE = ProviderKind(
    routes=(
        Route("/v1/messages", Mode.BRIDGED, "messages"),
        COUNT_TOKENS,
        Route("/model/*/invoke", Mode.BRIDGED, "invoke_model"),
        Route("/model/*/invoke-with-response-stream", Mode.BRIDGED, "invoke_model"),
        Route("/model/*/count-tokens", Mode.PASSTHROUGH, "invoke_model"),
        # Claude Code in Bedrock mode asks which profiles there are. Other methods would change the organisation's.
        Route("/inference-profiles", Mode.PASSTHROUGH, "invoke_model", translated=True, method="GET"),
        Route("/inference-profiles/*", Mode.PASSTHROUGH, "invoke_model", translated=True, method="GET"),
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
    control_url: str = "",
    profiles: InferenceProfiles = UNKNOWN_PROFILES,
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
        translator=(
            BedrockTranslator(base_url=base_url, models=models, control_url=control_url, profiles=profiles)
            if models
            else Untranslated()
        ),
    )


def is_bedrock(provider: Provider) -> bool:
    """Whether it is asked at Amazon Bedrock, whatever type it is configured as."""
    return provider.kind in (INVOKE, MANTLE)


def central_credential(keys: Sequence[str], signer: Signer | None) -> Credential | None:
    """What the gateway asks Bedrock with on its own behalf; None if there is neither a key nor a signer."""
    if keys:
        place = _PLACES[0]
        value = place.value(keys[0])
        return Credential(kind=CredentialKind.CENTRALIZED, header=place.header, value=value, secret=keys[0])
    return signed(signer) if signer else None


@frozen(kw_only=True)
class BedrockTranslator:
    """Implements `aibridge_core.providers.translating.Translator` by Bedrock's own API."""

    base_url: str
    models: Models
    control_url: str = ""
    """Of the control plane; empty: there is none that may be asked."""
    profiles: InferenceProfiles = UNKNOWN_PROFILES

    async def translation(self, route: Route, model: str, upstream: Upstream) -> Translation:
        """Clients in Bedrock mode say themselves what they want. Raises NotSupported."""
        if route.dialect != "messages":
            asked = await self._asked(model, upstream)
            return Verbatim(model=asked.recorded, profile=asked.profile)
        return InvokeModel(base_url=self.base_url, asked=await self._asked(self.models.of(model), upstream))

    async def aside(self, route: Route, body: bytes, upstream: Upstream) -> Translation:
        """Tokens are counted for the model that would be asked.

        Raises MalformedRequest, NotSupported, RouteNotFound.
        """
        if route is not COUNT_TOKENS:
            return self._on_control_plane()
        asked = await self._asked(self.models.of(model_of(body)), upstream)
        if not asked.name:
            raise NotSupported(
                "Amazon Bedrock counts tokens of foundation models, and which one is behind the inference profile "
                "isn't known. Ask your administrator to allow bedrock:GetInferenceProfile"
            )
        return CountTokens(base_url=self.base_url, model=asked.name)

    def _on_control_plane(self) -> Translation:
        if not self.control_url:
            raise RouteNotFound("no control plane of Amazon Bedrock is configured (BEDROCK_CONTROL_URL)")
        return ControlPlane(base_url=self.base_url, control_url=self.control_url)

    async def _asked(self, model: str, upstream: Upstream) -> Asked:
        return Asked(id=model, name=plain_name(model) or await self.profiles.model_behind(model, upstream))
