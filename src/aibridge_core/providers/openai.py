"""OpenAI, and whatever speaks its APIs at another address."""

from attrs import evolve

from aibridge_core.providers.api import CredentialPlace, ProviderKind
from aibridge_core.providers.routes import Mode, Route

BASE_URL = "https://api.openai.com/v1/"

KIND = ProviderKind(
    prefix="/v1",
    routes=(
        Route("/chat/completions", Mode.BRIDGED, "chat_completions"),
        Route("/responses", Mode.BRIDGED, "responses"),
        Route("/responses/", Mode.PASSTHROUGH),
        Route("/conversations", Mode.PASSTHROUGH),
        Route("/conversations/", Mode.PASSTHROUGH),
        Route("/models", Mode.PASSTHROUGH),
        Route("/models/", Mode.PASSTHROUGH),
    ),
    dialect="chat_completions",
    places=(CredentialPlace(b"authorization", "Bearer"),),
)

CHATGPT = evolve(KIND, has_central_keys=False)
"""The same routes, paid for by the subscription that each user is logged in with."""
