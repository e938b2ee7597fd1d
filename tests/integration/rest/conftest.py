"""The API in front of a seeded store, and a client that speaks to it as a certain person."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import httpx
import pytest

from aibridge_adapters.http.rest import ProviderInfo, RestApi, rest_app
from aibridge_core.actors import Actor
from aibridge_core.testing.memory import MemoryStorage
from integration.rest.people import Directory, Tokens, token
from integration.rest.trail import tell_all

As = Callable[[Actor], httpx.AsyncClient]

PROVIDERS = (ProviderInfo(name="openai-eu", type="openai"), ProviderInfo(name="anthropic", type="anthropic"))


def app_on(store: object, network_log: object = None) -> RestApi:
    """The API on any store."""
    return rest_app(
        store=store, directory=Directory(), authenticator=Tokens(), providers=lambda: PROVIDERS, network_log=network_log
    )  # type: ignore[arg-type]


@pytest.fixture
async def storage() -> MemoryStorage:
    """A trail with one of everything."""
    storage = MemoryStorage()
    await tell_all(storage.recorder)
    return storage


@pytest.fixture
def app(storage: MemoryStorage) -> RestApi:
    """The API on that trail."""
    return app_on(storage.store, storage.network_log)


@pytest.fixture
async def acting(app: RestApi) -> AsyncIterator[As]:
    """Makes clients that send a person's token."""
    async with AsyncExitStack() as stack:
        clients: dict[str, httpx.AsyncClient] = {}

        def client(actor: Actor) -> httpx.AsyncClient:
            if actor.id not in clients:
                clients[actor.id] = httpx.AsyncClient(
                    transport=httpx.ASGITransport(app),
                    base_url="http://gateway.test",
                    headers={"Coder-Session-Token": token(actor)},
                )
                stack.push_async_exit(clients[actor.id])
            return clients[actor.id]

        yield client
