"""The gateway inside an application of your own, which already knows its people.

The host is a Starlette application (FastAPI is one too). It mounts the gateway at /ai and brings its own
authentication, so AI clients use the host's tokens and no user is created in the gateway. Run it:

    python examples/mount_in_starlette.py
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from aibridge_adapters.compose import gateway
from aibridge_adapters.config import ProviderSettings, Settings
from aibridge_adapters.scripted_provider import scripted_provider
from aibridge_core.actors import Actor, Role
from aibridge_core.errors import Unauthenticated

# What the host knows of its people; yours asks a database or an identity provider.
PEOPLE = {
    "host-token-of-ann": Actor(id="1001", username="ann", name="Ann"),
    "host-token-of-eve": Actor(id="1002", username="eve", name="Eve", role=Role.AUDITOR),
}


class HostAuthenticator:
    """Implements `aibridge_core.ports.Authenticator`: from the token that an AI client sends to a person."""

    async def authenticate(self, token: str) -> Actor:
        """Whoever it is; anything else must raise Unauthenticated, and the client gets a clear 401."""
        if token not in PEOPLE:
            raise Unauthenticated("This is not a token of our host application.")
        return PEOPLE[token]


def host_application(settings: Settings) -> Starlette:
    """The host, with the gateway below /ai as long as it runs."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # Opens the database, and closes it when the host ends.
        async with gateway(settings, authenticator=HostAuthenticator()) as running:
            app.mount("/ai", running.asgi)
            yield

    async def home(_: Request) -> PlainTextResponse:
        return PlainTextResponse("The host's own page.")

    return Starlette(routes=[Route("/", home)], lifespan=lifespan)


async def main() -> None:
    """Start the host in front of a scripted provider, ask something as ann, read it back as eve."""
    async with scripted_provider() as provider:
        settings = Settings(
            database_url="sqlite:///:memory:",  # a file in earnest: sqlite:////var/lib/...
            providers=(
                ProviderSettings(type="anthropic", name="anthropic", base_url=provider.base_url, keys=("sk-central",)),
            ),
        )
        app = host_application(settings)
        # In earnest a server does these two lines: `uvicorn yours:app`, `hypercorn yours:app`.
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://host") as client:
                await talk(client)


async def talk(client: httpx.AsyncClient) -> None:
    """What people and their AI clients do."""
    print("GET /  ->", (await client.get("/")).text)

    # An AI client is pointed at http://host/ai/anthropic and given the host's token.
    question = {"model": "claude-x", "max_tokens": 99, "messages": [{"role": "user", "content": "Good morning!"}]}
    for token in ("host-token-of-ann", "a-wrong-one"):
        headers = {"x-api-key": token, "anthropic-version": "2023-06-01"}
        answer = await client.post("/ai/anthropic/v1/messages", json=question, headers=headers)
        print(f"\nPOST /ai/anthropic/v1/messages as {token}  ->  {answer.status_code}\n{answer.text}")

    # Eve is an auditor, so she sees what others did.
    auditor = {"authorization": "Bearer host-token-of-eve"}
    kept = (await client.get("/ai/api/v2/aibridge/interceptions", headers=auditor)).json()
    for row in kept["results"]:
        prompt, usage = row["user_prompts"][0]["prompt"], row["token_usages"][0]
        print(f"\nKept: {row['initiator']['username']} asked {row['model']}: {prompt!r} ({row['status']},", end=" ")
        print(f"{usage['input_tokens']} tokens in, {usage['output_tokens']} out)")


if __name__ == "__main__":
    anyio.run(main)
