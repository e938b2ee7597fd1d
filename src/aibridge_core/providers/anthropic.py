"""Anthropic, and whatever speaks its Messages API at another address."""

from aibridge_core.providers.api import CredentialPlace, ProviderKind
from aibridge_core.providers.routes import Mode, Route

BASE_URL = "https://api.anthropic.com/"

KIND = ProviderKind(
    routes=(
        Route("/v1/messages", Mode.BRIDGED, "messages"),
        Route("/v1/messages/count_tokens", Mode.PASSTHROUGH),
        Route("/v1/models", Mode.PASSTHROUGH),
        Route("/v1/models/", Mode.PASSTHROUGH),
        Route("/api/event_logging/", Mode.PASSTHROUGH),
    ),
    dialect="messages",
    failing=frozenset((429, 503, 504, 529)),  # 529: overloaded
    places=(CredentialPlace(b"x-api-key"), CredentialPlace(b"authorization", "Bearer")),
)
