"""Sets logging up for a process that is all the gateway's.

Belongs here: which lines go where. Never: called for somebody whose process it is not: a host application has handlers
of its own, and hears the gateway by the logger `aibridge`.
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

from attrs import frozen

from aibridge_adapters.telemetry.logs.context import RequestContext
from aibridge_adapters.telemetry.logs.lines import HumanLines, JsonLines
from aibridge_adapters.telemetry.logs.outlets import LogFile, StandardError
from aibridge_adapters.telemetry.logs.record_log import LOGGER as RECORDS
from aibridge_adapters.telemetry.logs.writer import LineWriter, SinkCounters


class Lines(Protocol):
    """Makes lines."""

    def line(self, record: logging.LogRecord) -> bytes:
        """Without its end."""
        ...


@frozen(kw_only=True)
class Places:
    """Where lines go."""

    stderr: bool = True
    form: str = "auto"
    """Of lines on standard error: `human`, `json`, or `auto` (human on a terminal). A file holds JSON."""
    file: Path | None = None


class LineHandler(logging.Handler):
    """Formats where a line is logged, and leaves the writing to somebody else."""

    def __init__(self, lines: Lines, writers: Sequence[LineWriter]) -> None:
        super().__init__()
        self._lines = lines
        self.writers = writers
        self.addFilter(RequestContext())

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the line over. One that can't be formatted is named by its place in the program."""
        try:
            line = self._lines.line(record)
        except Exception:
            place = {"args": (), "msg": f"a log line could not be formatted: {record.name}, line {record.lineno}"}
            line = self._lines.line(logging.makeLogRecord({**vars(record), **place, "exc_info": None}))
        for writer in self.writers:
            writer.put(line + b"\n")

    def close(self) -> None:
        """Let the last lines go, within a bounded time; `logging` calls it at the end of the process."""
        for writer in self.writers:
            writer.close()
        super().close()


@frozen
class Logs:
    """Logging that was set up."""

    handlers: Sequence[LineHandler]

    def reopen(self) -> None:
        """Go on in new files of the same names, as after SIGHUP."""
        for handler in self.handlers:
            for writer in handler.writers:
                writer.reopen()


def log_to(places: Places, *, level: str, stream: IO[str] | None = None) -> Logs:
    """Set up the root logger; in place of whatever handlers it had. Raises LogFileNotOpened.

    `level` is the gateway's own; other libraries are heard from warnings on. Records of the audit trail, if they are
    logged at all, are not silenced by it.
    """
    handlers = _handlers(places, stream)
    root = logging.getLogger()
    for old in root.handlers:
        if isinstance(old, LineHandler):
            old.close()
    root.handlers[:] = handlers
    root.setLevel(logging.WARNING)
    logging.getLogger("aibridge").setLevel(level.upper())
    logging.getLogger(RECORDS).setLevel(logging.INFO)
    # Its lines quote what servers answer. What goes wrong reaches us as an error, and is logged without that.
    logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)
    return Logs(handlers)


def sink_counters() -> Sequence[SinkCounters]:
    """What became of the lines so far, one for each place they go to; none if `log_to` was not called."""
    handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, LineHandler)]
    return [writer.counters for handler in handlers for writer in handler.writers]


def _handlers(places: Places, stream: IO[str] | None) -> list[LineHandler]:
    """One for each form that is needed, so that a line is formatted once for all who take it as it is."""
    stream = stream or sys.stderr
    file = LogFile(places.file) if places.file else None
    human = places.form == "human" or (places.form == "auto" and stream.isatty())
    own: list[LineWriter] = [LineWriter(StandardError(stream))] if places.stderr else []
    machines = [] if human else own
    if file:
        machines = [*machines, LineWriter(file)]
    handlers = [LineHandler(HumanLines(), own)] if human and own else []
    return [*handlers, LineHandler(JsonLines(), machines)] if machines else handlers
