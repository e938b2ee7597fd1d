"""The current span by its ids, for log lines.

Belongs here: reading them in the form of W3C trace context. Never: spans.
"""

from opentelemetry.trace import format_span_id, format_trace_id, get_current_span


def current_ids() -> tuple[str, str] | None:
    """Trace id and span id in hexadecimal digits; None outside of a span. Ids of unsampled ones count, too."""
    context = get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return format_trace_id(context.trace_id), format_span_id(context.span_id)
