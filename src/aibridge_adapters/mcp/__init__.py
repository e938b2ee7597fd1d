"""The tools of MCP servers: listed centrally, offered to models, run by the gateway.

    servers     the port ToolServers over all configured servers
    link        one server: when it is connected, what it offers, how it is called
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

from aibridge_adapters.config import McpServerSettings, ToolSettings
from aibridge_adapters.mcp.errors import McpNotInstalled, Unavailable
from aibridge_adapters.mcp.events import Listener, Watcher, unwatched
from aibridge_core.ports import Clock, ToolServers

__all__ = ["McpNotInstalled", "Unavailable", "check_installed", "open_servers"]


def check_installed() -> None:
    """Raises McpNotInstalled. The package comes with the extra `mcp`."""
    if find_spec("mcp") is None:
        raise McpNotInstalled


def open_servers(
    servers: Sequence[McpServerSettings],
    policy: ToolSettings,
    *,
    clock: Clock,
    ca_bundle: Path | None = None,
    listeners: Sequence[Listener] = (),
    watcher: Watcher = unwatched,
) -> AbstractAsyncContextManager[ToolServers]:
    """An asynchronous context around the tools of all servers; leaving it closes their sessions.

    Raises McpNotInstalled, and ValueError for a CA bundle that can't be used.
    """
    check_installed()
    # The package takes half a second to import; a gateway without MCP servers doesn't pay for it.
    from aibridge_adapters.mcp.servers import McpServers  # noqa: PLC0415

    return McpServers(servers, policy, clock=clock, ca_bundle=ca_bundle, listeners=listeners, watcher=watcher)
