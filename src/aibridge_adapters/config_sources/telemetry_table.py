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
)
