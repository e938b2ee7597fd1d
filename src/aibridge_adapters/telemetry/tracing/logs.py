"""Log lines as events of the current span.

Belongs here: a handler for the standard library's logging. Never: what is logged; lines hold no secrets.
"""

import logging
import traceback
from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import get_current_span

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "trace_id", "span_id"}
CONTENT: Mapping[str, str] = {
    "prompt": "what a user wrote (`prompt_usage`)",
    "input": "arguments of a tool (`tool_usage`)",
    "content": "what a model thought (`model_thought`)",
}
"""Fields of the records' lines that hold what people or models wrote. Spans show it only by a setting of their own."""
LONGEST = 4096
"""Characters of one value."""


class SpanEvents(logging.Handler):
    """Adds each line to the span in which it was written, if that is recorded."""

    def __init__(self, *, content: bool) -> None:
        """`content`: what people wrote is shown, as far as the lines hold it."""
        super().__init__()
        self._hidden = _STANDARD if content else _STANDARD | CONTENT.keys()

    def emit(self, record: logging.LogRecord) -> None:
        """As an event `log`, with level, logger, message, and the fields of `extra`."""
        span = get_current_span()
        if not span.is_recording():
            return
        try:
            span.add_event("log", self._attributes(record))
        except Exception:
            self.handleError(record)

    def _attributes(self, record: logging.LogRecord) -> dict[str, Any]:
        attributes: dict[str, Any] = {
            "log.severity": record.levelname,
            "log.logger": record.name,
            "log.message": record.getMessage()[:LONGEST],
        }
        attributes.update({key: _plain(value) for key, value in vars(record).items() if key not in self._hidden})
        if record.exc_info:
            attributes["exception.stacktrace"] = "".join(traceback.format_exception(*record.exc_info))[:LONGEST]
        return attributes


def _plain(value: object) -> str | bool | int | float:
    return value if isinstance(value, bool | int | float) else str(value)[:LONGEST]
