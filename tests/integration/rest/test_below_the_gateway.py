"""The API where people meet it: below the mounts of the whole gateway, and of a host application."""

from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp

from aibridge_adapters.compose import gateway
from aibridge_adapters.config import ProviderSettings, Settings
from integration.rest.trail import RICH, tell_all

pytestmark = pytest.mark.anyio

TOKEN = "a-bootstrap-token-of-some-length"
SETTINGS = Settings(
    database_url="sqlite:///:memory:",
    bootstrap_admin_token=TOKEN,
    providers=(ProviderSettings(type="anthropic", name="anthropic", base_url="http://127.0.0.1:9/", keys=("sk-x",)),),
)


@pytest.mark.parametrize("host_mount", ["", "/ai", "/a b"])
@pytest.mark.parametrize("mount", ["/api/v2/aibridge", "/api/v2/ai-gateway"])
async def test_every_operation_is_there_below_both_names(host_mount: str, mount: str) -> None:
    """Routes work, errors keep their shape, and the description names the place where it is."""
    async with gateway(SETTINGS) as running:
        await tell_all(running.storage.recorder)
        app: ASGIApp = running.asgi
        if host_mount:
            app = Starlette(routes=[Mount(host_mount, app)])
        base = f"http://gateway.test{host_mount}{mount}"
        headers = {"Coder-Session-Token": TOKEN}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), headers=headers) as client:
            assert (await client.get(f"{base}/interceptions")).json()["count"] == 5
            assert (await client.get(f"{base}/interceptions/{RICH.start.id}")).json()["model"] == "claude-x"
            assert (await client.get(f"{base}/providers")).json() == ["anthropic"]
            assert (await client.get(f"{base}/users/me")).json()["role"] == "admin"
            assert (await client.get(f"{base}/openapi.json")).json()["servers"] == [{"url": quote(host_mount + mount)}]
            assert (await client.get(f"{base}/users/%C3%A4")).json()["message"] == "Not found."
            assert (await client.get(f"{base}/models", headers={"Coder-Session-Token": ""})).status_code == 401
