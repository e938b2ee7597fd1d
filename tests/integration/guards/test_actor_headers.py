"""Providers are told who asks, on bridged routes, if the gateway is told to."""

from pathlib import Path

import pytest

from aibridge_adapters.config import ActorHeaderSettings, ProviderSettings
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import running_gateway

pytestmark = pytest.mark.anyio

BODY = {"model": "m-1", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
CLAIMED = {"x-ai-bridge-actor-id": "root", "x-who": "root"}


async def answer(request: Received, answering: Answering) -> None:
    await answering.whole(b"{}", 200, ("content-type", "application/json"))


@pytest.mark.parametrize(
    ("settings", "path", "told"),
    [
        (ActorHeaderSettings(), "/anthropic/v1/messages", {"x-who": "root"}),
        (ActorHeaderSettings(send=True), "/anthropic/v1/messages/count_tokens", {"x-who": "root"}),
        (
            ActorHeaderSettings(send=True),
            "/anthropic/v1/messages",
            {"x-ai-bridge-actor-id": "ID", "x-ai-bridge-actor-metadata-username": "ann", "x-who": "root"},
        ),
        (ActorHeaderSettings(send=True, id="", username="X-Who"), "/anthropic/v1/messages", {"x-who": "ann"}),
    ],
)
async def test_who_asks(tmp_path: Path, settings: ActorHeaderSettings, path: str, told: dict[str, str]) -> None:
    """Never what the client claims; on passthrough routes, and without the setting, nothing is added."""
    async with (
        raw_upstream(answer) as upstream,
        running_gateway(tmp_path, upstream.url, actor_headers=settings) as up,
        up.client() as client,
    ):
        await client.post(path, json=BODY, headers={**up.anthropic, **CLAIMED})
        (request,) = upstream.requests
        found = {name: value for name, value in request.headers if name.startswith(("x-ai-bridge", "x-who"))}
        ann = await up.gateway.users.find_user("ann")
        assert found == {name: ann if value == "ID" else value for name, value in told.items()}


async def test_what_a_provider_refuses_is_not_sent(tmp_path: Path) -> None:
    """On bridged routes and side paths; another provider gets it all."""
    async with raw_upstream(answer) as upstream:
        anthropic, other = (
            ProviderSettings(type="anthropic", name=name, base_url=f"{upstream.url}/", keys=("sk",), drop_betas=betas)
            for name, betas in (("anthropic", ("b-2",)), ("other", ()))
        )
        async with running_gateway(tmp_path, upstream.url, providers=(anthropic, other)) as up, up.client() as client:
            for path in ("/anthropic/v1/messages", "/anthropic/v1/messages/count_tokens", "/other/v1/messages"):
                await client.post(path, json=BODY, headers={**up.anthropic, "anthropic-beta": "a-1,b-2"})
        assert [request.header("anthropic-beta") for request in upstream.requests] == ["a-1", "a-1", "a-1,b-2"]
