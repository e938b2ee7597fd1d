"""What the tests of users' tokens share: a place for tokens, users, and the adapter around servers that want tokens."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from attrs import define, evolve, field

from aibridge_adapters.clock import SystemClock, new_id
from aibridge_adapters.config import USER, McpServerSettings
from aibridge_adapters.mcp.seals import Seals
from aibridge_adapters.mcp.tokens import Renewal, UserToken
from aibridge_adapters.mcp.wallet import Keeping
from aibridge_core.errors import StoreUnavailable
from aibridge_core.identity import User
from aibridge_core.testing.memory import MemoryStorage
from aibridge_core.tool_credentials import ToolCredential
from integration.mcp.using import ANN, BOB, POLICY, Using, using
from support.mcp_authorization import AuthorizedToolServer

KEY = bytes(range(32))


@define
class Tokens:
    """A storage with ann and bob, and the keys."""

    storage: MemoryStorage = field(factory=MemoryStorage)
    seals: Seals = field(factory=lambda: Seals([KEY]))
    away: bool = False
    """The storage doesn't answer."""

    @property
    def keeping(self) -> Keeping:
        """For the adapter."""
        return Keeping(store=self, seals=self.seals)

    async def put(self, credential: ToolCredential) -> None:
        """As the storage does."""
        await self.storage.tool_credentials.put(credential)

    async def replace(self, credential: ToolCredential) -> bool:
        """As the storage does."""
        return await self.storage.tool_credentials.replace(credential)

    async def remove(self, user_id: str, server: str) -> None:
        """As the storage does."""
        await self.storage.tool_credentials.remove(user_id, server)

    async def find(self, user_ids: Any = None) -> Sequence[ToolCredential]:
        """As the storage does, when it is there."""
        if self.away:
            raise StoreUnavailable("away")
        return await self.storage.tool_credentials.find(user_ids)

    async def give(self, user_id: str, server: AuthorizedToolServer, text: str, **more: Any) -> ToolCredential:
        """Set a token, for the server that is named `one`."""
        url, renewal, place = more.pop("url", server.url), more.pop("renewal", None), more.pop("place", "one")
        sealed = self.seals.seal(UserToken(text=text, url=url, renewal=renewal), user_id=user_id, server=place)
        credential = ToolCredential(
            id=new_id(),
            user_id=user_id,
            server=place,
            sealed=sealed,
            created_at=SystemClock().now(),
            renewable=renewal is not None,
            **more,
        )
        await self.put(credential)
        return credential

    async def log_in(self, user_id: str, server: AuthorizedToolServer, **more: Any) -> ToolCredential:
        """Set what a login would give: a token that can be renewed."""
        client = await server.grants.get_client("the-gateway") or await _registered(server)
        issued = server.grants._tokens(client.client_id, user_id.removeprefix("id-of-"), ["tools"])
        renewal = Renewal(
            refresh_token=issued.refresh_token or "",
            endpoint=f"http://{server.address}/token",
            client_id=client.client_id,
            client_secret=client.client_secret or "",
            client_auth=client.token_endpoint_auth_method or "none",
        )
        return await self.give(user_id, server, issued.access_token, renewal=renewal, **more)


async def _registered(server: AuthorizedToolServer) -> Any:
    from mcp.shared.auth import OAuthClientInformationFull

    client = OAuthClientInformationFull(
        client_id="the-gateway",
        client_secret="the secret of the gateway",
        token_endpoint_auth_method="client_secret_post",
        redirect_uris=["http://127.0.0.1/callback"],
        scope="tools",
    )
    await server.grants.register_client(client)
    return client


async def people() -> Tokens:
    """Ann and bob are known, and have nothing."""
    tokens = Tokens()
    for actor in (ANN, BOB):
        user = User(id=actor.id, username=actor.username, created_at=SystemClock().now())
        await tokens.storage.identity.add_user(user)
    return tokens


@asynccontextmanager
async def using_tokens(*servers: AuthorizedToolServer, tokens: Tokens, **more: Any) -> AsyncIterator[Using]:
    """The adapter around servers `one`, `two` ..., which want a token of each user."""
    policy = evolve(POLICY, **more.pop("policy", {}))
    async with using(*servers, policy=policy, keeping=tokens.keeping, auth=USER, remembered=0.05, **more) as use:
        yield use


def private(name: str, url: str, **more: Any) -> McpServerSettings:
    """Settings of a server that wants a token of each user."""
    return McpServerSettings(name=name, url=url, auth=USER, **more)
