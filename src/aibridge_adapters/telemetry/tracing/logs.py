"""Log lines as events of the current span.

Belongs here: a handler for the standard library's logging. Never: what is logged; lines hold no secrets.
"""

import logging
import traceback
from typing import Any

from opentelemetry.trace import get_current_span

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
LONGEST = 4096
"""Characters of one value."""


class SpanEvents(logging.Handler):
    """Adds each line to the span in which it was written, if that is recorded."""

    def emit(self, record: logging.LogRecord) -> None:
        """As an event `log`, with level, logger, message, and the fields of `extra`."""
        span = get_current_span()
        if not span.is_recording():
            return
        try:
            span.add_event("log", _attributes(record))
        except Exception:
            self.handleError(record)


def _attributes(record: logging.LogRecord) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "log.severity": record.levelname,
        "log.logger": record.name,
        "log.message": record.getMessage()[:LONGEST],
    }
    attributes.update({key: _plain(value) for key, value in vars(record).items() if key not in _STANDARD})
    if record.exc_info:
        attributes["exception.stacktrace"] = "".join(traceback.format_exception(*record.exc_info))[:LONGEST]
    return attributes


def _plain(value: object) -> str | bool | int | float:
    return value if isinstance(value, bool | int | float) else str(value)[:LONGEST]
