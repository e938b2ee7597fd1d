"""The settings of what the gateway shows of itself: logs, metrics, traces. They are rows of `table.SETTINGS`.

Belongs here: one row per setting, in the order in which they are shown. Never: any other setting.
"""

from aibridge_adapters.config_sources import kinds
from aibridge_adapters.config_sources.setting import Setting

TELEMETRY = (
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
