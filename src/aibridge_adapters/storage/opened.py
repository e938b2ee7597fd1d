"""What opening a storage gives. Never: how it was opened."""

from attrs import Factory, frozen

from aibridge_adapters.storage.writing import Writing
from aibridge_core.boundaries import NetworkLog
from aibridge_core.identity import IdentityStore
from aibridge_core.ports import InterceptionStore, Leases, Recorder, Retention
from aibridge_core.sharing import SharedLimits
from aibridge_core.tool_credentials import ToolCredentials


@frozen(kw_only=True)
class Storage:
    """All storage ports on one database."""

    recorder: Recorder
    store: InterceptionStore
    leases: Leases
    identity: IdentityStore
    retention: Retention | None = None
    """None: this storage removes nothing, and keeps everything for ever."""
    tool_credentials: ToolCredentials | None = None
    """None: this storage keeps no credentials of users for MCP servers."""
    network_log: NetworkLog | None = None
    """None: this storage keeps no network calls of agents."""
    shared_limits: SharedLimits | None = None
    """None: replicas on this storage can't share limits."""
    writing: Writing = Factory(Writing)
    """How its writer gets on; nothing ever waits for one that writes at once."""
