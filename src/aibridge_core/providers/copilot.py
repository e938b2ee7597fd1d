"""GitHub Copilot's own service: three APIs below one address, always paid for by the user's own token.

Business and enterprise plans have hosts of their own: they are instances with another base URL.
"""

from aibridge_core.providers.api import CredentialPlace, ProviderKind
from aibridge_core.providers.routes import Mode, Route

BASE_URL = "https://api.individual.githubcopilot.com"

KIND = ProviderKind(
    routes=(
        Route("/chat/completions", Mode.BRIDGED, "chat_completions"),
        Route("/responses", Mode.BRIDGED, "responses"),
        Route("/v1/messages", Mode.BRIDGED, "messages"),
        Route("/", Mode.PASSTHROUGH),  # models, agents, MCP, pings ...: clients break without what they ask for
    ),
    dialect="chat_completions",
    places=(CredentialPlace(b"authorization", "Bearer"),),
    has_central_keys=False,
)
