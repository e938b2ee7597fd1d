"""A whole gateway on a free loopback port: real server, real client, real database file."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
from attrs import evolve, frozen

from aibridge_adapters.compose import Gateway, gateway
from aibridge_adapters.config import ProviderSettings, Settings
from aibridge_adapters.http.server import serve
from aibridge_adapters.http.tunnel import MESSAGE_ROOM
from aibridge_core.actors import Role

UPSTREAM_KEY = "sk-central-key-of-the-upstream"
ADMIN_TOKEN = "bootstrap-admin-token-for-tests"


@frozen(kw_only=True)
class Running:
    """A gateway that listens."""

    url: str
    gateway: Gateway
    token: str
    """Of a member, `ann` if nothing else was said."""
    stop: anyio.Event

    def client(self, **more: Any) -> httpx.AsyncClient:
        """A client that adds nothing of its own but Host and lengths."""
        client = httpx.AsyncClient(base_url=self.url, timeout=20, **more)
        client.headers.clear()
        return client

    @property
    def anthropic(self) -> dict[str, str]:
        """Headers of a Messages client."""
        return {"x-api-key": self.token, "content-type": "application/json"}

    @property
    def openai(self) -> dict[str, str]:
        """Headers of an OpenAI client."""
        return {"authorization": f"Bearer {self.token}", "content-type": "application/json"}

    async def interceptions(self, **parameters: Any) -> Sequence[Mapping[str, Any]]:
        """What the REST API shows an admin, newest first."""
        async with self.client() as client:
            answer = await client.get(
                "/api/v2/aibridge/interceptions",
                params=parameters,
                headers={"authorization": f"Bearer {ADMIN_TOKEN}"},
            )
            assert answer.status_code == 200, answer.text
            found: Sequence[Mapping[str, Any]] = answer.json()["results"]
            return found

    async def ended(self, count: int = 1) -> Sequence[Mapping[str, Any]]:
        """The interceptions, as soon as there are `count` and all have ended; fails the test after ten seconds."""
        with anyio.fail_after(10):
            while True:
                found = await self.interceptions()
                if len(found) == count and all(each["ended_at"] for each in found):
                    return found
                await anyio.sleep(0.01)


@asynccontextmanager
async def running_gateway(
    folder: Path,
    upstream_url: str,
    *,
    tracer_provider: Any = None,
    authenticator: Any = None,
    reread: Any = None,
    user: str = "ann",
    **changes: Any,
) -> AsyncIterator[Running]:
    """Start a gateway with providers `anthropic` and `openai` at one upstream; `changes` are settings.

    `user` is made, so gateways on one database need different ones.
    """
    settings = Settings(
        http_address="127.0.0.1:0",
        database_url=f"sqlite:///{folder / 'aibridge.db'}",
        bootstrap_admin_token=ADMIN_TOKEN,
        providers=(
            ProviderSettings(type="anthropic", name="anthropic", base_url=f"{upstream_url}/", keys=(UPSTREAM_KEY,)),
            ProviderSettings(type="openai", name="openai", base_url=f"{upstream_url}/v1/", keys=(UPSTREAM_KEY,)),
        ),
    )
    settings = evolve(settings, **changes)
    stop = anyio.Event()
    addresses: list[str] = []
    ready = anyio.Event()

    def on_ready(found: Sequence[str]) -> None:
        addresses.extend(found)
        ready.set()

    async with (
        gateway(settings, tracer_provider=tracer_provider, authenticator=authenticator, reread=reread) as up,
        anyio.create_task_group() as tasks,
    ):
        ann = await up.users.create(user, role=Role.MEMBER)
        token = (await up.users.create_token(ann.id, name="test")).text

        async def listen() -> None:
            await serve(
                up.asgi,
                address=settings.http_address,
                stop=stop,
                shutdown_timeout=settings.shutdown_timeout,
                max_message=settings.max_body + MESSAGE_ROOM,
                on_ready=on_ready,
            )

        tasks.start_soon(listen)
        await ready.wait()
        yield Running(url=f"http://{addresses[0]}", gateway=up, token=token, stop=stop)
        stop.set()
