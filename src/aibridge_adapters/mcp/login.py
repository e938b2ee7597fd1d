"""Gets a token from the authorization server that an MCP server trusts: the flow of the MCP specification
("Authorization": OAuth 2.1 with PKCE, discovery, dynamic client registration), as the official package does it.

Belongs here: driving that flow, and what it ends with. Never: browsers and listeners (the command line's), keeping.
"""

import re
import ssl
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx2
from attrs import define, field, frozen
from mcp.client.auth import OAuthClientProvider, OAuthFlowError, OAuthRegistrationError, OAuthTokenError
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl, ValidationError

from aibridge_adapters.config import McpServerSettings
from aibridge_adapters.mcp.errors import LoginFailed
from aibridge_adapters.mcp.renewer import lifetime
from aibridge_adapters.mcp.tokens import NONE, SECRET_POST, Fresh, Renewal, UserToken
from aibridge_adapters.mcp.wire import explain
from aibridge_core.ports import Clock

PROTOCOL: Final = "2025-11-25"
"""Of the request that finds out what the server wants; every server that has authorization knows it."""
PATIENCE: Final = 15.0
"""Seconds for connecting, and for each silence of a server. People have longer."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_CODE: Final = re.compile(r'"error"\s*:\s*"([a-z_]{1,40})"')


@frozen(kw_only=True)
class KnownClient:
    """The gateway as somebody registered it at an authorization server that doesn't register clients by itself."""

    id: str
    secret: str = field(default="", repr=False)


@frozen(kw_only=True)
class Redirected:
    """What came back with the browser (OAuth 2.1, section 4.1.2; RFC 9207)."""

    code: str = field(repr=False)
    state: str = field(repr=False)
    issuer: str | None = None


@frozen(kw_only=True)
class Person:
    """The way to whoever logs in."""

    redirect_uri: str
    """Where the browser comes back to; on the loopback interface (RFC 8252, section 7.3)."""
    show: Callable[[str], Awaitable[None]]
    """Gets the address of the page where the person says yes."""
    answer: Callable[[], Awaitable[Redirected]]
    """Waits for the browser to come back. Raises LoginFailed."""


async def log_in(
    server: McpServerSettings,
    person: Person,
    *,
    clock: Clock,
    context: ssl.SSLContext,
    client: KnownClient | None = None,
) -> Fresh:
    """A token for this server, of whoever is at the browser. Raises LoginFailed."""
    provider = _provider(server, person, client)
    try:
        async with httpx2.AsyncClient(
            auth=provider,
            verify=context,
            timeout=httpx2.Timeout(PATIENCE),
            follow_redirects=False,
            event_hooks={"request": [_encrypted_only(server)]},
        ) as http:
            status = (await http.post(server.url, json=_PROBE, headers=_headers(server))).status_code
    except (OAuthFlowError, httpx2.HTTPError, httpx2.InvalidURL, ValidationError) as error:
        raise LoginFailed(_in_words(error)) from None
    if status in (401, 403):
        raise LoginFailed(f"the server refuses the fresh token (HTTP status {status})")
    tokens = provider.context.current_tokens
    if tokens is None:
        raise LoginFailed(f"the server doesn't ask for authorization (HTTP status {status}): nobody has to log in")
    seconds = lifetime(tokens.expires_in)
    expires_at = clock.now() + timedelta(seconds=seconds) if seconds else None
    return Fresh(token=_token(server, provider, tokens), expires_at=expires_at)


_PROBE: Final = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@define
class _Memory:
    """What the package keeps for the length of the flow. What is kept for longer is sealed, by others."""

    client: OAuthClientInformationFull | None
    tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def _provider(server: McpServerSettings, person: Person, client: KnownClient | None) -> OAuthClientProvider:
    async def come_back() -> AuthorizationCodeResult:
        found = await person.answer()
        return AuthorizationCodeResult(code=found.code, state=found.state, iss=found.issuer)

    redirect_uris = [AnyUrl(person.redirect_uri)]
    known = None
    if client is not None:
        method = SECRET_POST if client.secret else NONE
        known = OAuthClientInformationFull(
            client_id=client.id,
            client_secret=client.secret or None,
            redirect_uris=redirect_uris,
            token_endpoint_auth_method=method,
        )
    return OAuthClientProvider(
        server.url,
        OAuthClientMetadata(client_name="aibridge", redirect_uris=redirect_uris),
        _Memory(known),
        redirect_handler=person.show,
        callback_handler=come_back,
    )


def _headers(server: McpServerSettings) -> dict[str, str]:
    """Those of the settings go to the server alone, not to the authorization server."""
    accept = "application/json, text/event-stream"
    return {"Accept": accept, "MCP-Protocol-Version": PROTOCOL, "User-Agent": "aibridge", **dict(server.headers)}


def _token(server: McpServerSettings, provider: OAuthClientProvider, tokens: OAuthToken) -> UserToken:
    known, client = provider.context, provider.context.client_info
    if not tokens.refresh_token or client is None:
        return UserToken(text=tokens.access_token, url=server.url)
    endpoint = urljoin(server.url, "/token")  # where it is without metadata (MCP specification of 2025-03-26)
    if known.oauth_metadata is not None:
        endpoint = str(known.oauth_metadata.token_endpoint)
    renewal = Renewal(
        refresh_token=tokens.refresh_token,
        endpoint=endpoint,
        client_id=client.client_id,
        client_secret=client.client_secret or "",
        client_auth=client.token_endpoint_auth_method or NONE,
        resource=known.get_resource_url(),
    )
    return UserToken(text=tokens.access_token, url=server.url, renewal=renewal)


def _encrypted_only(server: McpServerSettings) -> Callable[[httpx2.Request], Awaitable[None]]:
    """Codes and tokens go over TLS (OAuth 2.1, section 1.5), unless to this machine, or the server itself has none."""

    async def check(request: httpx2.Request) -> None:
        if request.url.scheme == "https" or request.url.host in _LOOPBACK or urlsplit(server.url).scheme == "http":
            return
        raise OAuthFlowError(f"its authorization server has an address without TLS, on {request.url.host}")

    return check


def _in_words(error: Exception) -> str:
    """What the authorization server wrote is left out but for its error code: it may repeat what it was sent."""
    if isinstance(error, OAuthRegistrationError):
        return "its authorization server doesn't register the gateway by itself; register it there, and say --client-id"
    if isinstance(error, OAuthTokenError):
        code = _CODE.search(str(error))
        return f"its authorization server doesn't give a token: {code[1] if code else 'it does not say why'}"
    if isinstance(error, ValidationError):
        return "its authorization server answered with something that makes no sense"
    if isinstance(error, httpx2.HTTPError):
        return f"a server that takes part can't be reached: {explain(error)}"
    return str(error).split("\n", 1)[0][:200]
