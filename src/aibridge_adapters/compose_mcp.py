"""The tools of MCP servers, put together from settings; a part of the composition root.

Belongs here: which settings go where. Never: what an adapter does with them.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext

from aibridge_adapters.config import Settings
from aibridge_adapters.mcp import TokenKeeping, open_servers
from aibridge_adapters.mcp.events import Listener, Watcher, write_log
from aibridge_adapters.storage import Storage
from aibridge_core.ports import Clock, ToolServers
from aibridge_core.tools import NoToolServers


def tool_servers(
    settings: Settings, storage: Storage, clock: Clock, listeners: Sequence[Listener], watcher: Watcher
) -> AbstractAsyncContextManager[ToolServers]:
    """An asynchronous context around the tools of all configured servers. Raises what `open_servers` raises."""
    if not settings.mcp:
        return nullcontext(NoToolServers())
    return open_servers(
        settings.mcp,
        settings.tools,
        clock=clock,
        ca_bundle=settings.ca_bundle,
        listeners=(*listeners, write_log),
        watcher=watcher,
        tokens=token_keeping(settings, storage),
    )


def token_keeping(settings: Settings, storage: Storage) -> TokenKeeping:
    """Where users' tokens are. A plugin's own kind of storage may not even have the attribute."""
    return TokenKeeping(
        store=getattr(storage, "tool_credentials", None),
        keys=settings.secrets_key,
        deadline=settings.recording.timeout,
        grace=grace(settings),
    )


def grace(settings: Settings) -> float:
    """How long people, and the tokens they have, are trusted without the database, in seconds."""
    return settings.recording.identity_grace if settings.recording.policy == "spool" else 0.0
