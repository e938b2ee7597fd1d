"""Service logs: JSON lines for machines, short lines for a terminal, on stderr.

Belongs here: the form of a line. Never: what is logged, nor records of the audit trail.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonLines(logging.Formatter):
    """One JSON object a line: `ts` (RFC 3339, UTC), `level`, `logger`, `msg`, then the fields of `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "msg": record.getMessage(),
            **{key: value for key, value in vars(record).items() if key not in _STANDARD},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class HumanLines(logging.Formatter):
    """`12:30:45 WARNING message key=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        fields = " ".join(f"{key}={value}" for key, value in vars(record).items() if key not in _STANDARD)
        time = self.formatTime(record, "%H:%M:%S")
        line = f"{time} {record.levelname:<7} {record.getMessage()} {fields}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure_logging(*, level: str, form: str, stream: TextIO | None = None) -> None:
    """Set up the root logger. `form`: `human`, `json`, or `auto` (human on a terminal)."""
    stream = stream or sys.stderr
    human = form == "human" or (form == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(HumanLines() if human else JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("aibridge").setLevel(level.upper())
    # Its lines quote what servers answer. What goes wrong reaches us as an error, and is logged without that.
    logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)
