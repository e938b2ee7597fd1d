"""The settings of what the gateway shows of itself: logs, metrics, traces. They are rows of `table.SETTINGS`.

Belongs here: one row per setting, in the order in which they are shown. Never: any other setting.
"""

from aibridge_adapters.config_sources import kinds
from aibridge_adapters.config_sources.setting import Setting

TELEMETRY = (
    Setting(
        key="prometheus.enable",
        name="prometheus_enable",
        kind=kinds.SWITCH,
        meaning="Whether metrics for Prometheus are counted and shown.",
    ),
    Setting(
        key="prometheus.address",
        name="prometheus_address",
        kind=kinds.ADDRESS,
        meaning="Where metrics are shown, under /metrics, to everybody who can connect: no token is asked for.",
    ),
    Setting(
        key="prometheus.users",
        name="prometheus_users",
        kind=kinds.SWITCH,
        meaning="Whether metrics tell users apart, by id and name.",
    ),
    Setting(
        key="prometheus.max_values",
        name="prometheus_max_values",
        kind=kinds.LABEL_VALUES,
        meaning="Most users, and most models, tools, clients and so on, that metrics tell apart; any further one is "
        "shown as `other`.",
    ),
    Setting(
        key="log_level",
        kind=kinds.choice("debug", "info", "warning", "error"),
        meaning="The least important messages that are logged.",
    ),
    Setting(
        key="log_format",
        kind=kinds.choice("auto", "human", "json"),
        meaning="How log lines on standard error look; `auto`: human on a terminal, JSON elsewhere.",
    ),
    Setting(
        key="log_file",
        kind=kinds.NEW_FILE,
        meaning="A file that log lines are appended to, as JSON. Made for its owner only; opened again on SIGHUP.",
    ),
    Setting(
        key="log_stderr",
        kind=kinds.SWITCH,
        meaning="Whether log lines go to standard error; off only with a log file.",
    ),
    Setting(
        key="structured_logging",
        aliases=("STRUCTURED_LOGS",),
        kind=kinds.SWITCH,
        meaning="Whether every record of the audit trail is logged, too: one line `interception log` for each.",
    ),
    Setting(
        key="log_content",
        kind=kinds.choice("full", "hashed", "none"),
        meaning="How prompts, tool arguments and thoughts stand in these lines: as they are recorded, as keyed hashes, "
        "or not at all. What `record_content` leaves out is not there either.",
    ),
    Setting(
        key="tracing.enable",
        name="trace_enable",
        short_flag="--trace",
        kind=kinds.SWITCH,
        meaning="Whether requests are traced, by OpenTelemetry. Needs the extra `otel`. The standard `OTEL_*` "
        "variables are honoured.",
    ),
    Setting(
        key="tracing.endpoint",
        name="trace_endpoint",
        kind=kinds.COLLECTOR,
        meaning="Where an OTLP collector listens. With port 4318 or a path OTLP is spoken over HTTP, else over gRPC, "
        "unless `OTEL_EXPORTER_OTLP_PROTOCOL` says it.",
        shown_default="`OTEL_EXPORTER_OTLP_ENDPOINT`, else localhost:4317",
    ),
    Setting(
        key="tracing.logs",
        name="trace_logs",
        kind=kinds.SWITCH,
        meaning="Whether log lines become events of the spans in which they are written.",
    ),
    Setting(
        key="tracing.content",
        name="trace_content",
        kind=kinds.SWITCH,
        meaning="Whether spans hold prompts, reasoning and tool calls. Only with `record_content = full`.",
    ),
    Setting(
        key="tracing.from_clients",
        name="trace_from_clients",
        kind=kinds.SWITCH,
        meaning="Whether a trace that a client tells of (header `traceparent`) goes on here.",
    ),
    Setting(
        key="tracing.to_providers",
        name="trace_to_providers",
        kind=kinds.SWITCH,
        meaning="Whether providers are told of the trace. Otherwise they get what the client sent, if it did.",
    ),
)
