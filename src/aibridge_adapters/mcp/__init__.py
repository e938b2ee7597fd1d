"""The tools of MCP servers: listed centrally, offered to models, run by the gateway.

    servers     the port ToolServers over all configured servers
    link        one server: when it is connected, what it offers, how it is called
    private     the links of users to servers that want a token of each
    wallet      who has a token, as the storage says; `tokens`, `seals`: what is kept, and how it is encrypted
    bearer      which token goes with a request; `renewals`, `renewer`: how a fresh one is got
    session     one connection to it, in a task of its own
    wire        the HTTP below a session, which fails one request at a time
    offers      which of a server's tools are offered, by its filters
    results     a tool's result, within bounds
    events      what happened, for logs, counters and telemetry
    survey      all servers looked at once, for the command line

Only streamable HTTP (MCP specification, "Transports"). The other transport, stdio, means starting a program for each
server: a gateway that does so at an administrator's word is one mistake away from doing it at a stranger's.

Belongs here: MCP. Never: what an AI API makes of tools and results (`aibridge_core.dialects`).
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import field, frozen

from aibridge_adapters.config import USER, McpServerSettings, ToolSettings
from aibridge_adapters.mcp.errors import McpNotInstalled, McpUnusable, TokensNotKept, Unavailable
from aibridge_adapters.mcp.events import Listener, Watcher, unwatched
from aibridge_core.ports import Clock, ToolServers
from aibridge_core.tool_credentials import ToolCredentials

if TYPE_CHECKING:
    from aibridge_adapters.mcp.wallet import Keeping

__all__ = [
    "McpNotInstalled",
    "McpUnusable",
    "TokenKeeping",
    "TokensNotKept",
    "Unavailable",
    "check_installed",
    "open_servers",
    "opened_keeping",
]


@frozen(kw_only=True)
class TokenKeeping:
    """Where users' tokens for servers are kept."""

    store: ToolCredentials | None
    """None: the storage has no place for them."""
    keys: Sequence[bytes] = field(repr=False)
    """Of 32 bytes; the first seals, all open."""
    deadline: float | None = None
    """Longest wait for the storage, in seconds."""
    grace: float = 0.0
    """How long tokens that are known are used while the storage doesn't answer, in seconds."""


def check_installed() -> None:
    """Raises McpNotInstalled. The packages come with the extra `mcp`."""
    if find_spec("mcp") is None or find_spec("cryptography") is None:
        raise McpNotInstalled


def open_servers(
    servers: Sequence[McpServerSettings],
    policy: ToolSettings,
    *,
    clock: Clock,
    ca_bundle: Path | None = None,
    listeners: Sequence[Listener] = (),
    watcher: Watcher = unwatched,
    tokens: TokenKeeping | None = None,
) -> AbstractAsyncContextManager[ToolServers]:
    """An asynchronous context around the tools of all servers; leaving it closes their sessions.

    `tokens` are needed if a server wants a token of each user. Raises McpNotInstalled, TokensNotKept, and ValueError
    for a CA bundle that can't be used.
    """
    check_installed()
    private = [server.name for server in servers if server.auth == USER]
    keeping = opened_keeping(tokens, for_servers=private) if private else None
    # The package takes half a second to import; a gateway without MCP servers doesn't pay for it.
    from aibridge_adapters.mcp.servers import McpServers  # noqa: PLC0415

    return McpServers(
        servers, policy, clock=clock, ca_bundle=ca_bundle, listeners=listeners, keeping=keeping, watcher=watcher
    )


def opened_keeping(tokens: TokenKeeping | None, *, for_servers: Sequence[str]) -> "Keeping":
    """Ready to seal and open, for servers that want a token of each user. Raises TokensNotKept, McpNotInstalled."""
    check_installed()
    servers = f"MCP server {', '.join(for_servers)} wants a token of each user (auth = user); " if for_servers else ""
    if tokens is None or tokens.store is None:
        raise TokensNotKept(f"{servers}this storage keeps no tokens of users; SQLite and PostgreSQL do")
    if not tokens.keys:
        raise TokensNotKept(
            f"{servers}set secrets_key (AIBRIDGE_SECRETS_KEY), with which users' tokens are encrypted: "
            "`openssl rand -base64 32` makes one"
        )
    from aibridge_adapters.mcp.seals import Seals  # noqa: PLC0415  needs the extra
    from aibridge_adapters.mcp.wallet import Keeping  # noqa: PLC0415

    return Keeping(store=tokens.store, seals=Seals(tokens.keys), deadline=tokens.deadline, grace=tokens.grace)
