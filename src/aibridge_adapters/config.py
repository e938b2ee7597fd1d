"""Settings: what can be configured, with defaults and meaning. Reading them is `aibridge_adapters.config_sources`.

Belongs here: frozen values, ready to use. Never: environment, files or flags.
"""

import re
from pathlib import Path

import platformdirs
from attrs import Factory, field, frozen


@frozen(kw_only=True)
class ProviderSettings:
    """One configured provider instance."""

    type: str
    """A key of `aibridge_core.providers.registry.KINDS`, as configured; recorded with every interception."""
    name: str
    """`^[a-z0-9]+(-[a-z0-9]+)*$`, unique; the first segment of its routes."""
    base_url: str
    keys: tuple[str, ...] = field(default=(), repr=False)
    """Central upstream keys, the first of which is used; empty if every user brings their own."""


@frozen(kw_only=True)
class Timeouts:
    """Upstream timeouts, in seconds; 0 means none."""

    connect: float = 10.0
    read_idle: float = 300.0
    """Longest silence inside a blocking exchange, and before the head of any answer."""
    total: float = 600.0
    """Of a whole blocking exchange. Streams have no total."""
    stream_idle: float = 900.0
    """Longest silence inside a stream."""


EVERYBODY = "*"
"""Among users: all of them."""


@frozen(kw_only=True)
class McpServerSettings:
    """One MCP server whose tools are injected."""

    name: str
    """As that of a provider, unique; part of the names that models see."""
    url: str
    tool_allow: re.Pattern[str] | None = None
    """Only tools in whose name it is found are injected."""
    tool_deny: re.Pattern[str] | None = None
    """Tools in whose name it is found are not, even if they are allowed."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    token: str = field(default="", repr=False)
    """Sent as `Authorization: Bearer ...`."""
    timeout: float = 60.0
    """Of one tool call, in seconds."""
    users: tuple[str, ...] = (EVERYBODY,)
    """Usernames of those who get its tools."""


@frozen(kw_only=True)
class ToolSettings:
    """How injected tools are listed and run, for all servers."""

    users: tuple[str, ...] = (EVERYBODY,)
    """Who gets the tools of servers that don't say it themselves."""
    timeout: float = 60.0
    """Of one tool call, in seconds, on servers that don't say it themselves."""
    connect_timeout: float = 5.0
    """Longest time to connect to a server and list its tools, in seconds; the most that a request waits for it."""
    list_ttl: float = 900.0
    """How long a list of tools counts as fresh, in seconds; a server nobody used for so long is disconnected."""
    max_turns: int = 16
    """How many answers of a model one request may take."""
    max_result: int = 1024 * 1024
    """Most of one tool's result that a model gets, in bytes."""
    skip_models: re.Pattern[str] = re.compile("haiku")
    """Models that get no tools, by a search in their names."""


@frozen(kw_only=True)
class Settings:
    """Everything that `aibridge serve` can be told. Library users construct it; the defaults are the server's."""

    http_address: str = "127.0.0.1:4001"
    database_url: str = ""
    """`sqlite:///PATH` or `sqlite:///:memory:`; empty means a file in the user's data folder."""
    providers: tuple[ProviderSettings, ...] = ()
    mcp: tuple[McpServerSettings, ...] = ()
    tools: ToolSettings = Factory(ToolSettings)
    bootstrap_admin_token: str = field(default="", repr=False)
    allow_byok: bool = True
    max_body: int = 32 * 1024 * 1024
    """Largest request body, in bytes, compressed and decompressed alike."""
    timeouts: Timeouts = Factory(Timeouts)
    keep_alive_interval: float = 10.0
    """Silence of an upstream stream, in seconds, after which the client gets a keep-alive; 0 turns them off."""
    shutdown_timeout: float = 30.0
    """How long running answers may go on after SIGTERM, in seconds."""
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    ca_bundle: Path | None = None
    """Certificate authorities to trust upstream instead of the system's."""
    log_level: str = "info"
    log_format: str = "auto"
    """`human`, `json`, or `auto`: human on a terminal."""


def default_database_url(folder: Path | None = None) -> str:
    """A file in the given folder, or else in the user's data folder."""
    folder = folder or platformdirs.user_data_path("aibridge", appauthor=False)
    return f"sqlite:///{(folder / 'aibridge.db').as_posix()}"
