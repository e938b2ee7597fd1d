"""Logs: what the gateway says about its own work, and, on demand, every record of the audit trail as a line.

Belongs here: how lines are made, what stands in them, and how they leave the process without anybody waiting for
them. Never: storage, or a decision about a request. Everything is said through the standard `logging` module, below the
logger `aibridge`; only `log_to` sets handlers up, and only the command line calls it.
"""

from aibridge_adapters.telemetry.logs.call_log import CallLog
from aibridge_adapters.telemetry.logs.context import TRACE_IDS, RequestContext
from aibridge_adapters.telemetry.logs.lines import HumanLines, JsonLines
from aibridge_adapters.telemetry.logs.observer import ServiceLog
from aibridge_adapters.telemetry.logs.outlets import LogFileNotOpened
from aibridge_adapters.telemetry.logs.record_log import RecordLog
from aibridge_adapters.telemetry.logs.recorded import RecordedLines
from aibridge_adapters.telemetry.logs.setup import Logs, Places, log_to, sink_counters
from aibridge_adapters.telemetry.logs.writer import SinkCounters

__all__ = [
    "TRACE_IDS",
    "CallLog",
    "HumanLines",
    "JsonLines",
    "LogFileNotOpened",
    "Logs",
    "Places",
    "RecordLog",
    "RecordedLines",
    "RequestContext",
    "ServiceLog",
    "SinkCounters",
    "log_to",
    "sink_counters",
]
