"""Every setting that is one value: its names, kind and meaning. Defaults are those of `aibridge_adapters.config`.

Belongs here: one row per setting, in the order in which they are shown. Flags, environment names, help texts and the
documentation all come from it. Never: providers (`provider_types`) or names without effect (`names`).
"""

from aibridge_adapters.config_sources import kinds, mcp_kinds
from aibridge_adapters.config_sources.setting import Setting
from aibridge_adapters.config_sources.telemetry_table import TELEMETRY
from aibridge_adapters.config_sources.traffic_table import TRAFFIC

SETTINGS = (
    Setting(
        key="http_address",
        kind=kinds.ADDRESS,
        meaning="Where the gateway listens for AI clients and for the REST API.",
    ),
    Setting(
        key="database_url",
        kind=kinds.DATABASE_URL,
        meaning="Where interceptions, users and tokens are kept. A relative PATH counts from the working directory.",
        shown_default="aibridge.db in the user's data folder",
    ),
    Setting(
        key="database.pool_size",
        name="database_pool_size",
        kind=kinds.CONNECTIONS,
        meaning="PostgreSQL: connections of this process; one of them writes the audit trail.",
    ),
    Setting(
        key="database.statement_timeout",
        name="database_statement_timeout",
        kind=kinds.DEADLINE,
        unit="seconds",
        meaning="PostgreSQL: longest run of one statement.",
    ),
    Setting(
        key="database.lock_timeout",
        name="database_lock_timeout",
        kind=kinds.DEADLINE,
        unit="seconds",
        meaning="PostgreSQL: longest wait of a statement for a lock that another transaction holds.",
    ),
    Setting(
        key="recording.policy",
        name="recording_policy",
        kind=kinds.choice("refuse", "spool"),
        meaning="What to do while the database is away. `refuse`: new requests are refused, running ones finish with "
        "their records in memory. `spool`: a file stands in for the database, and requests go on.",
    ),
    Setting(
        key="recording.timeout",
        name="recording_timeout",
        kind=kinds.DEADLINE,
        unit="seconds",
        meaning="Longest wait for the database at the start and at the end of a request; then the policy applies.",
    ),
    Setting(
        key="recording.buffer",
        name="recording_buffer",
        kind=kinds.STORE_SIZE,
        unit="bytes",
        meaning="Most that is kept in memory for running requests while the database is away.",
    ),
    Setting(
        key="recording.spool_dir",
        name="spool_dir",
        kind=kinds.FOLDER,
        meaning="Where spool files are kept; they hold prompts. Made if it is missing. Of this machine, not shared.",
        shown_default="`spool` beside the SQLite file, or in the user's data folder",
    ),
    Setting(
        key="recording.spool_size",
        name="spool_size",
        kind=kinds.STORE_SIZE,
        unit="bytes",
        meaning="Largest spool file; when it is reached, new requests are refused.",
    ),
    Setting(
        key="recording.identity_grace",
        name="identity_grace",
        kind=kinds.DURATION,
        unit="seconds",
        meaning="With the policy `spool`: how long a token that was valid is trusted without the users' database.",
    ),
    Setting(
        key="recording.lease",
        name="recording_lease",
        kind=kinds.LEASE,
        unit="seconds",
        meaning="How long a gateway process may give no sign of life in the database before another one marks its open "
        "interceptions as interrupted. The same for all gateways on one database.",
    ),
    Setting(
        key="retention",
        kind=kinds.PERIOD,
        unit="seconds",
        meaning="How long interceptions are kept after their start; then they are deleted with all their records. "
        "0: for ever.",
    ),
    Setting(
        key="prompt_retention",
        kind=kinds.PERIOD,
        unit="seconds",
        meaning="How long the texts of prompts, tool arguments and thoughts are kept; then they are erased, and their "
        "rows stay. At most `retention`. 0: as long as their interceptions.",
    ),
    Setting(
        key="record_content",
        kind=kinds.choice("full", "hashed", "none"),
        meaning="How prompts, tool arguments and thoughts are recorded: as they are, as keyed hashes, or not at all. "
        "Names of tools, ids and token counts always are.",
    ),
    Setting(
        key="content_hash_key",
        kind=kinds.secret(least=32),
        meaning="Key of the hashes that `record_content = hashed` needs; the same for all processes on a database.",
    ),
    Setting(
        key="secrets_key",
        kind=mcp_kinds.KEYS,
        meaning="Encrypts users' tokens for MCP servers in the database; needed if a server has `auth = user`. Several "
        "with commas between: the first encrypts, all decrypt.",
    ),
    Setting(
        key="bootstrap_admin_token",
        kind=kinds.secret(least=16),
        meaning="A token for the user `admin`, for automation that can't run `aibridge tokens create`.",
    ),
    Setting(
        key="allow_byok",
        kind=kinds.SWITCH,
        meaning="Whether users may bring their own upstream credential instead of the central key.",
    ),
    Setting(
        key="max_body",
        kind=kinds.BODY_SIZE,
        unit="bytes",
        meaning="Largest request body, compressed and decompressed alike; a larger one is answered with 413.",
    ),
    Setting(
        key="header_timeout",
        kind=kinds.DURATION,
        unit="seconds",
        meaning="Longest time for the headers of a request to arrive, from their first byte on. 0: no limit.",
    ),
    Setting(
        key="body_timeout",
        kind=kinds.DURATION,
        unit="seconds",
        meaning="Longest time for a request's body to arrive; each 16 KiB that came add a second. 0: no limit.",
    ),
    Setting(
        key="timeouts.connect",
        name="connect_timeout",
        kind=kinds.DURATION,
        unit="seconds",
        meaning="Longest time to connect to a provider. 0: no limit.",
    ),
    Setting(
        key="timeouts.read_idle",
        name="read_idle_timeout",
        kind=kinds.DURATION,
        unit="seconds",
        meaning="Longest silence of a provider within a blocking answer, and before any answer begins. 0: no limit.",
    ),
    Setting(
        key="timeouts.total",
        name="total_timeout",
        kind=kinds.DURATION,
        unit="seconds",
        meaning="Longest time for a whole blocking exchange; streams have no such limit. 0: no limit.",
    ),
    Setting(
        key="timeouts.stream_idle",
        name="stream_idle_timeout",
        kind=kinds.DURATION,
        unit="seconds",
        meaning="Longest silence of a provider within a stream. 0: no limit.",
    ),
    Setting(
        key="keep_alive_interval",
        kind=kinds.DURATION,
        unit="seconds",
        meaning="After so much silence of a provider's stream the client gets a keep-alive. 0: none are sent.",
    ),
    Setting(
        key="shutdown_timeout",
        kind=kinds.DURATION,
        unit="seconds",
        meaning="How long running answers may go on after SIGTERM.",
    ),
    Setting(
        key="tools.users",
        name="mcp_users",
        kind=mcp_kinds.USERS,
        meaning="Who gets the tools of MCP servers that don't say it themselves.",
    ),
    Setting(
        key="tools.timeout",
        name="mcp_timeout",
        kind=mcp_kinds.LIMIT,
        unit="seconds",
        meaning="Longest time of one tool call, on MCP servers that don't say it themselves; then it is cancelled.",
    ),
    Setting(
        key="tools.connect_timeout",
        name="mcp_connect_timeout",
        kind=mcp_kinds.LIMIT,
        unit="seconds",
        meaning="Longest time to connect to an MCP server and list its tools: the most that a request waits for one.",
    ),
    Setting(
        key="tools.list_ttl",
        name="mcp_list_ttl",
        kind=mcp_kinds.LIMIT,
        unit="seconds",
        meaning="How long a list of tools counts as fresh. A server that nobody used for so long is disconnected.",
    ),
    Setting(
        key="tools.max_turns",
        name="mcp_max_turns",
        kind=mcp_kinds.TURNS,
        meaning="How many answers of the model one request may take while it calls injected tools.",
    ),
    Setting(
        key="tools.max_result",
        name="mcp_max_result",
        kind=mcp_kinds.RESULT_SIZE,
        unit="bytes",
        meaning="Most of one tool's result that the model gets: longer text is cut, larger binary content left out.",
    ),
    Setting(
        key="tools.history_size",
        name="mcp_history_size",
        kind=kinds.STORE_SIZE,
        unit="bytes",
        meaning="Memory for injected calls and results that clients were not shown, until they come back with their "
        "history; what was unused for longest goes first.",
    ),
    Setting(
        key="tools.history_ttl",
        name="mcp_history_ttl",
        kind=mcp_kinds.LIMIT,
        unit="seconds",
        meaning="How long that is kept after its last use.",
    ),
    Setting(
        key="tools.skip_models",
        name="mcp_skip_models",
        kind=mcp_kinds.PATTERN,
        meaning="Models of the Messages API in whose name this is found get no tools: small ones, for chores. "
        "`(?!)` is found in none.",
    ),
    Setting(
        key="tls_cert_file",
        kind=kinds.FILE,
        meaning="Certificate chain (PEM) for TLS towards clients; goes with the key file.",
    ),
    Setting(
        key="tls_key_file",
        kind=kinds.FILE,
        meaning="Private key (PEM) for TLS towards clients; goes with the certificate file.",
    ),
    Setting(
        key="ca_bundle",
        kind=kinds.AUTHORITIES,
        meaning="Certificate authorities (PEM) to trust towards providers, instead of the system's.",
    ),
    *TRAFFIC,
    Setting(
        key="dumps.dir",
        name="dump_dir",
        aliases=("API_DUMP_DIR",),
        kind=kinds.FOLDER,
        meaning="For debugging: where every exchange with a provider is written down, prompts and answers included. "
        "Read again when providers are reloaded.",
    ),
    Setting(
        key="dumps.size",
        name="dump_size",
        kind=kinds.STORE_SIZE,
        unit="bytes",
        meaning="Most that the dumps in one folder take; then the oldest go.",
    ),
    Setting(
        key="dumps.age",
        name="dump_age",
        kind=kinds.PERIOD,
        unit="seconds",
        meaning="How long a dump is kept. 0: until there is no room.",
    ),
    *TELEMETRY,
)

BY_KEY = {setting.key: setting for setting in SETTINGS}
BY_PARAMETER = {setting.parameter: setting for setting in SETTINGS}
BY_VARIABLE = {name: setting for setting in SETTINGS for name in (setting.variable, *setting.aliases)}
