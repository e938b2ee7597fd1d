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
        meaning="How log lines look; `auto`: human on a terminal, JSON elsewhere.",
    ),
)
