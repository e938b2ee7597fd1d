"""The gateway mounted in a host application that uvicorn serves on uvloop, as its standard extra does."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import anyio
import pytest
import uvicorn

from aibridge_adapters.compose import Gateway, gateway
from aibridge_adapters.config import ProviderSettings, Settings
from aibridge_adapters.scripted_provider import scripted_provider
from aibridge_core.actors import Actor
from aibridge_core.records import Interception, InterceptionFilter, Page
from integration.sockets.tunnels import PATH, answering, create, events, hear_response
from support.sockets import socket_client, socket_provider

pytest.importorskip("uvloop")
pytestmark = pytest.mark.anyio
ANN = Actor(id="1001", username="ann", name="Ann")


@pytest.fixture
def anyio_backend() -> Any:
    """Not asyncio's own event loop."""
    return "asyncio", {"use_uvloop": True}


class Everybody:
    """Implements `aibridge_core.ports.Authenticator`: whoever asks is ann."""

    async def authenticate(self, token: str) -> Actor:
        return ANN


@asynccontextmanager
async def hosted(folder: Path, *providers: ProviderSettings) -> AsyncIterator[tuple[str, Gateway]]:
    """A gateway that uvicorn serves; yields its address."""
    settings = Settings(database_url=f"sqlite:///{folder / 'aibridge.db'}", providers=providers)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with gateway(settings, authenticator=Everybody()) as up, anyio.create_task_group() as tasks:
            config = uvicorn.Config(
                up.asgi, loop="none", http="httptools", ws="wsproto", lifespan="off", log_config=None
            )
            server = uvicorn.Server(config)
            tasks.start_soon(server.serve, [listening])
            yield f"127.0.0.1:{listening.getsockname()[1]}", up
            server.should_exit = True


async def only(up: Gateway) -> Interception:
    """The one interception, once it has ended."""
    with anyio.fail_after(10):
        while True:
            found = await up.storage.store.list(InterceptionFilter(), Page(limit=10))
            if found and found[0].ended_at:
                (one,) = found
                return one
            await anyio.sleep(0.01)


async def test_an_sdk_streams_through_the_host(tmp_path: Path) -> None:
    """The provider has a name with several addresses, and the connection to it is used again."""
    async with scripted_provider() as provider:
        base_url = provider.base_url.replace("127.0.0.1", "localhost")
        settings = ProviderSettings(type="anthropic", name="anthropic", base_url=base_url, keys=("sk-central",))
        async with hosted(tmp_path, settings) as (address, up):
            client = anthropic.AsyncAnthropic(base_url=f"http://{address}/anthropic", api_key="a-token-of-the-host")
            question: Any = {"role": "user", "content": "Say hello. no tools"}
            async with client.messages.stream(model="claude-x", max_tokens=99, messages=[question]) as stream:
                answer = await stream.get_final_message()
            kept = await only(up)
            again = await client.messages.create(model="claude-x", max_tokens=99, messages=[question])
            assert kept.status == "completed"
            assert kept.start.initiator.username == "ann"
            assert again.stop_reason == answer.stop_reason == "end_turn"
            await client.close()


async def test_a_client_that_leaves_is_noticed(tmp_path: Path) -> None:
    """Its interception is cancelled, not completed. "Slow" is a word that the scripted provider obeys."""
    async with scripted_provider() as provider:
        settings = ProviderSettings(
            type="anthropic", name="anthropic", base_url=provider.base_url, keys=("sk-central",)
        )
        async with hosted(tmp_path, settings) as (address, up):
            client = anthropic.AsyncAnthropic(base_url=f"http://{address}/anthropic", api_key="a-token-of-the-host")
            question: Any = {"role": "user", "content": "Say hello slowly. no tools"}
            async with client.messages.stream(model="claude-x", max_tokens=99, messages=[question]) as stream:
                await anext(aiter(stream))
            assert (await only(up)).status == "cancelled"
            await client.close()


async def test_responses_over_a_websocket(tmp_path: Path) -> None:
    """uvicorn takes the upgrade, the provider's answer passes, and is recorded."""
    async with socket_provider(answering) as provider:
        settings = ProviderSettings(
            type="openai", name="openai", base_url=f"{provider.url}/v1/", keys=("sk-central",), websockets=True
        )
        async with hosted(tmp_path, settings) as (address, up):
            headers = [(b"authorization", b"Bearer a-token-of-the-host")]
            async with socket_client(f"http://{address}", PATH, headers) as client:
                await client.say(create("Good morning!"))
                assert await hear_response(client) == events(1)
                await client.close()
            kept = await only(up)
            assert (kept.status, kept.start.model) == ("completed", "m-1")
