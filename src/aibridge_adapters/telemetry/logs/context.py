"""Which request a log line belongs to.

Belongs here: the interception of the running task, and the hook by which tracing says which span is current. Never:
how a line looks.
"""

import logging
from collections.abc import Callable
from contextvars import ContextVar

from attrs import define

INTERCEPTION: ContextVar[str] = ContextVar("aibridge_interception", default="")
"""Id of the interception that the running task serves; empty outside of one."""

TraceIds = tuple[str, str]
"""Trace id (32 hexadecimal digits) and span id (16)."""


def no_trace() -> TraceIds | None:
    """No span is current."""
    return None


@define
class TraceHook:
    """Tells which span is current where a line is logged. Tracing replaces `read`; it must not raise or wait."""

    read: Callable[[], TraceIds | None] = no_trace


TRACE_IDS = TraceHook()
"""One for the process, as `logging` itself is."""


class RequestContext(logging.Filter):
    """Lets every line pass, with `interception_id`, `trace_id` and `span_id` as far as they are known.

    Add it to a handler of your own to have them there: `handler.addFilter(RequestContext())`.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true."""
        fields = vars(record)
        if (interception := INTERCEPTION.get()) and "interception_id" not in fields:
            fields["interception_id"] = interception
        if ids := TRACE_IDS.read():
            fields["trace_id"], fields["span_id"] = ids
        return True
