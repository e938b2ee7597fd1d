"""An MCP server of the official package that wants a token of each user, and the authorization server it trusts.

The authorization server is the official package's, too: metadata, dynamic registration, PKCE, refresh tokens that can
be used once. Who is at the browser is for the test to say; nobody has to click anything.
"""

import json
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import anyio
from attrs import define, field
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    TokenError,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from aibridge_adapters.clock import SystemClock
from support.mcp_server import ToolServer

Client = OAuthClientInformationFull


@define
class Grants(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """What the authorization server knows."""

    browser: str = "ann"
    """Who is at the browser that opens the authorization page."""
    denies: bool = False
    """That person says no."""
    expires_in: int | None = 3600
    refusing: bool = False
    """Refuses to renew."""
    clients: dict[str, Client] = field(factory=dict)
    codes: dict[str, AuthorizationCode] = field(factory=dict)
    access: dict[str, AccessToken] = field(factory=dict)
    refresh: dict[str, RefreshToken] = field(factory=dict)
    used: list[str] = field(factory=list)
    """Refresh tokens that were used."""
    stolen: list[str] = field(factory=list)
    """Refresh tokens that were used twice."""

    def issue(self, subject: str) -> str:
        """A token for `aibridge mcp token set`."""
        return self._tokens("by hand", subject, ["tools"]).access_token

    def forget_access(self) -> None:
        """All access tokens are over; refresh tokens are not."""
        self.access.clear()

    async def get_client(self, client_id: str) -> Client | None:
        """By id."""
        return self.clients.get(client_id)

    async def register_client(self, client_info: Client) -> None:
        """Anybody may."""
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: Client, params: AuthorizationParams) -> str:
        """Back to the client at once, with a code or a no."""
        answer = {"error": "access_denied"}
        if not self.denies:
            code = AuthorizationCode(
                code=secrets.token_urlsafe(32),
                scopes=params.scopes or ["tools"],
                expires_at=SystemClock().now().timestamp() + 60,
                client_id=client.client_id,
                code_challenge=params.code_challenge,
                redirect_uri=params.redirect_uri,
                redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
                resource=params.resource,
                subject=self.browser,
            )
            self.codes[code.code] = code
            answer = {"code": code.code}
        return f"{params.redirect_uri}?{urlencode({**answer, 'state': params.state or ''})}"

    async def load_authorization_code(self, client: Client, authorization_code: str) -> AuthorizationCode | None:
        """By itself."""
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(self, client: Client, authorization_code: AuthorizationCode) -> OAuthToken:
        """Once."""
        code = self.codes.pop(authorization_code.code)
        return self._tokens(client.client_id, code.subject or "", code.scopes)

    async def load_refresh_token(self, client: Client, refresh_token: str) -> RefreshToken | None:
        """A second use is remembered as theft."""
        if refresh_token in self.used:
            self.stolen.append(refresh_token)
        return None if self.refusing else self.refresh.get(refresh_token)

    async def exchange_refresh_token(
        self, client: Client, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        """Both tokens are new."""
        if self.refresh.pop(refresh_token.token, None) is None:
            raise TokenError("invalid_grant")
        self.used.append(refresh_token.token)
        return self._tokens(client.client_id, refresh_token.subject or "", scopes)

    async def load_access_token(self, token: str) -> AccessToken | None:
        """While it is known."""
        return self.access.get(token)

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        """Forget it."""
        self.access.pop(token.token, None)
        self.refresh.pop(token.token, None)

    def _tokens(self, client_id: str, subject: str, scopes: list[str]) -> OAuthToken:
        access, refresh = f"access-of-{subject}-{secrets.token_hex(12)}", f"refresh-{secrets.token_hex(12)}"
        self.access[access] = AccessToken(token=access, client_id=client_id, scopes=scopes, subject=subject)
        self.refresh[refresh] = RefreshToken(token=refresh, client_id=client_id, scopes=scopes, subject=subject)
        return OAuthToken(
            access_token=access, refresh_token=refresh, expires_in=self.expires_in, scope=" ".join(scopes)
        )


@define
class AuthorizedToolServer(ToolServer):
    """Its tool `whoami` says whose token came with the call."""

    grants: Grants = field(factory=Grants)

    @property
    def tokens_seen(self) -> set[str]:
        """All that came with requests to the endpoint."""
        values = (headers.get("authorization", "") for headers in self.headers)
        return {value.removeprefix("Bearer ") for value in values if value.startswith("Bearer ")}

    def _note(self, body: bytes) -> None:
        try:
            message = json.loads(body)
        except ValueError:
            return  # a form, for the authorization server
        self.messages.append(message)
        self.posted.set()

    def _without_tools(self) -> MCPServer[Any]:
        server: MCPServer[Any] = MCPServer(
            "tools for those it knows",
            auth_server_provider=self.grants,
            auth=AuthSettings(
                issuer_url=f"http://{self.address}",  # type: ignore[arg-type]
                resource_server_url=self.url,  # type: ignore[arg-type]
                required_scopes=["tools"],
                validate_token_resource=False,
                client_registration_options=ClientRegistrationOptions(
                    enabled=True, valid_scopes=["tools"], default_scopes=["tools"]
                ),
            ),
        )

        @server.tool(structured_output=False)
        def whoami() -> str:
            """Whose token it was."""
            token = get_access_token()
            return f"you are {token.subject if token else 'nobody'}"

        return server


@asynccontextmanager
async def authorized_tool_server(**options: Any) -> AsyncIterator[AuthorizedToolServer]:
    """A server that listens, until the context is left."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with anyio.create_task_group() as tasks:
        server = AuthorizedToolServer(tasks=tasks, address=f"127.0.0.1:{port}", **options)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()
