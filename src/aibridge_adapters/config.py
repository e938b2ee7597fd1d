"""Settings: what can be configured, with defaults and meaning. Reading them is `aibridge_adapters.config_sources`.

Belongs here: frozen values, ready to use. Never: environment, files or flags.
"""

import re
from pathlib import Path

from attrs import Factory, field, frozen
from attrs.validators import in_

from aibridge_core.actor_headers import ID, USERNAME
from aibridge_core.breaker import BreakerPolicy


@frozen(kw_only=True)
class BedrockSettings:
    """How a provider on Amazon Bedrock is asked. Empty texts mean that nothing is set."""

    region: str = ""
    protocol: str = field(default="invoke_model", validator=in_(("invoke_model", "mantle")))
    model: str = ""
    """Asked instead of whichever a client names."""
    small_fast_model: str = ""
    """Asked instead of small ones (`haiku` in their names)."""
    access_key: str = ""
    """Its id. Without one AWS's default chain is asked."""
    access_key_secret: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    profile: str = ""
    control_url: str = ""
    """Of Bedrock's control plane; empty: it is not asked."""
    role_arn: str = ""
    external_id: str = ""


@frozen(kw_only=True)
class ProviderSettings:
    """One configured provider instance."""

    type: str
    """A key of `aibridge_core.providers.registry.KINDS`, as configured; recorded with every interception."""
    name: str
    """`^[a-z0-9]+(-[a-z0-9]+)*$`, unique; the first segment of its routes."""
    base_url: str
    keys: tuple[str, ...] = field(default=(), repr=False)
    """Central upstream keys; of several, a pool chooses. Empty if every user brings their own."""
    enabled: bool = True
    """A disabled one answers 503 on all its routes."""
    allow_byok: bool = True
    """Whether users may bring their own credential for it, where they may at all."""
    drop_headers: tuple[str, ...] = ()
    """Names of request headers that it is not sent."""
    drop_betas: tuple[str, ...] = ()
    """Values of `anthropic-beta` that it is not sent."""
    dump_dir: Path | None = None
    """Where its exchanges are dumped; None: where all are, if that is set."""
    bedrock: BedrockSettings | None = None
    """For type `bedrock`, and for `anthropic` if it is asked on Amazon Bedrock."""
    websockets: bool = False
    """Whether WebSocket upgrades on the Responses route are tunnelled to it."""


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


@frozen(kw_only=True)
class LimitSettings:
    """Limits on requests of AI clients, of one process or of all that share them; 0 is none."""

    max_rps: int = 0
    """Within any second."""
    max_concurrent: int = 0
    max_rps_per_user: int = 0
    max_concurrent_per_user: int = 0
    shared: bool = False
    """Whether they are those of all replicas on one PostgreSQL database together."""
    shared_timeout: float = 0.25
    """Longest time that a request waits for the database to count it, in seconds."""
    shared_fallback: str = field(default="local", validator=in_(("local", "refuse")))
    """What happens when it doesn't: each replica keeps its share, or nobody is let in."""


@frozen(kw_only=True)
class ActorHeaderSettings:
    """Whether providers are told who asks, on bridged routes."""

    send: bool = False
    id: str = ID
    """Name of the header with the user's id; empty: it isn't sent."""
    username: str = USERNAME
    """Likewise, the username."""


@frozen(kw_only=True)
class DatabaseSettings:
    """How PostgreSQL is used; SQLite needs none of it. Times in seconds."""

    pool_size: int = 5
    """Connections of one process, 2 or more; one of them writes the audit trail."""
    statement_timeout: float = 5.0
    """Longest run of one statement."""
    lock_timeout: float = 2.0
    """Longest wait of a statement for a lock that another transaction holds."""


@frozen(kw_only=True)
class RecordingSettings:
    """What happens to records while the database is slow, full or gone. Times in seconds, sizes in bytes."""

    policy: str = field(default="refuse", validator=in_(("refuse", "spool")))
    """`refuse`: new requests are refused, running ones end with their records in memory. `spool`: a file stands in."""
    timeout: float = 0.9
    """Longest wait for the database before a request is refused or spooled; a refused client hears within a second."""
    buffer: int = 64 * 1024 * 1024
    """Most that is kept in memory for running requests."""
    spool_dir: Path | None = None
    """Where spool files are; None means beside the SQLite file, or in the user's data folder."""
    spool_size: int = 1024 * 1024 * 1024
    """Largest spool file; when it is reached, new requests are refused."""
    identity_grace: float = 3600.0
    """With `spool`: how long people are let in by a token that was checked before the database went away."""
    lease: float = 20.0
    """How long a process may give no sign of life before another one marks what it has open as interrupted."""


EVERYBODY = "*"
"""Among users: all of them."""
NONE, SHARED, USER = "none", "shared", "user"
"""How the gateway is known to an MCP server: not at all, by one credential for all users, by a token of each."""


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
    """Sent as `Authorization: Bearer ...`, for all users."""
    auth: str = field(validator=in_((NONE, SHARED, USER)))
    timeout: float = 60.0
    """Of one tool call, in seconds."""
    users: tuple[str, ...] = (EVERYBODY,)
    """Usernames of those who get its tools."""

    @auth.default
    def _auth_by_token(self) -> str:
        return SHARED if self.token or self.headers else NONE


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
    history_size: int = 64 * 1024 * 1024
    """Most of what clients didn't see that is kept until they come back, in bytes, of all users together."""
    history_ttl: float = 24 * 3600.0
    """How long that is kept after its last use, in seconds."""
    skip_models: re.Pattern[str] = re.compile("haiku")
    """Models of the Messages API that get no tools, by a search in their names."""


@frozen(kw_only=True)
class DumpSettings:
    """Whole exchanges with providers as files, for debugging. They hold prompts and answers."""

    dir: Path | None = None
    """For all providers that have none of their own; None: those are not dumped."""
    size: int = 1024 * 1024 * 1024
    """Of all dumps in one folder, in bytes; the oldest go first."""
    age: float = 7 * 86_400.0
    """How long each is kept, in seconds; 0: until there is no room."""


@frozen(kw_only=True)
class PrometheusSettings:
    """Metrics, and where they are read."""

    enable: bool = False
    address: str = "127.0.0.1:2112"
    """A listener of its own, without tokens and TLS: not for the world."""
    users: bool = True
    """Whether metrics tell users apart."""
    max_values: int = 200
    """Most values that are shown of each label that clients or providers choose, such as models; then `other`."""


@frozen(kw_only=True)
class TracingSettings:
    """Traces by OpenTelemetry. What isn't said here, the standard `OTEL_*` variables say."""

    enable: bool = False
    endpoint: str = ""
    """`host:port` or a URL of an OTLP collector; empty leaves it to the `OTEL_*` variables."""
    logs: bool = False
    """Log lines become events of spans."""
    content: bool = False
    """Prompts, reasoning and tool calls become attributes of spans."""
    from_clients: bool = True
    """Traces that clients tell of go on here."""
    to_providers: bool = False
    """Providers are told of traces."""


@frozen(kw_only=True)
class Settings:
    """Everything that `aibridge serve` can be told. Library users construct it; the defaults are the server's."""

    http_address: str = "127.0.0.1:4001"
    database_url: str = field(default="", repr=False)
    """`postgresql://...`, `sqlite:///PATH` or `sqlite:///:memory:`; empty means a file in the user's data folder."""
    database: DatabaseSettings = Factory(DatabaseSettings)
    recording: RecordingSettings = Factory(RecordingSettings)
    retention: float = 60 * 86_400.0
    """How long interceptions are kept after their start, in seconds; 0 keeps them for ever."""
    prompt_retention: float = 0.0
    """How long prompts, tool arguments and thoughts are, in seconds; 0: as long as their interceptions."""
    record_content: str = field(default="full", validator=in_(("full", "hashed", "none")))
    """How prompts, tool arguments and thoughts are recorded; `hashed` needs a key."""
    content_hash_key: str = field(default="", repr=False)
    secrets_key: tuple[bytes, ...] = field(default=(), repr=False)
    """Keys of 32 bytes for secrets in the database, users' tokens for MCP servers; the first seals, all open."""
    providers: tuple[ProviderSettings, ...] = ()
    mcp: tuple[McpServerSettings, ...] = ()
    tools: ToolSettings = Factory(ToolSettings)
    bootstrap_admin_token: str = field(default="", repr=False)
    allow_byok: bool = True
    max_body: int = 32 * 1024 * 1024
    """Largest request body, in bytes, compressed and decompressed alike."""
    header_timeout: float = 15.0
    """How long a request's head may take from its first byte on, in seconds; 0: no limit."""
    body_timeout: float = 60.0
    """How long its body may take, in seconds, and one more for each 16 KiB that have come; 0: no limit."""
    timeouts: Timeouts = Factory(Timeouts)
    limits: LimitSettings = Factory(LimitSettings)
    actor_headers: ActorHeaderSettings = Factory(ActorHeaderSettings)
    upstream_retries: int = 2
    """Further tries of a request whose provider could not be reached."""
    circuit_breaker: BreakerPolicy = Factory(BreakerPolicy)
    keep_alive_interval: float = 10.0
    """Silence of an upstream stream, in seconds, after which the client gets a keep-alive; 0 turns them off."""
    shutdown_timeout: float = 30.0
    """How long running answers may go on after SIGTERM, in seconds."""
    tracing: TracingSettings = Factory(TracingSettings)
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    ca_bundle: Path | None = None
    """Certificate authorities to trust upstream instead of the system's."""
    prometheus: PrometheusSettings = Factory(PrometheusSettings)
    dumps: DumpSettings = Factory(DumpSettings)
    log_level: str = "info"
    log_format: str = "auto"
    """`human`, `json`, or `auto`: human on a terminal."""
    log_file: Path | None = None
    """Where log lines go as well, as JSON."""
    log_stderr: bool = True
    """Whether they go to standard error."""
    structured_logging: bool = False
    """Whether every record of the audit trail is logged, too (logger `aibridge.records`)."""
    log_content: str = field(default="full", validator=in_(("full", "hashed", "none")))
    """How content stands in those lines: as it is recorded, or with less of it."""
