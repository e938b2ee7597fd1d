"""Log lines name the span in which they were written, as long as there is tracing."""

import logging

import pytest
from opentelemetry.sdk.trace import TracerProvider

from aibridge_adapters.compose_tracing import traces
from aibridge_adapters.config import Settings
from aibridge_adapters.telemetry.logs import RequestContext

pytestmark = pytest.mark.anyio


def ids() -> tuple[object, object]:
    """Of a line that is written here."""
    record = logging.makeLogRecord({})
    assert RequestContext().filter(record)
    return vars(record).get("trace_id"), vars(record).get("span_id")


async def test_a_line_names_its_span() -> None:
    """In the digits of W3C trace context; outside of spans, and after the tracing's end, there is nothing to name."""
    provider = TracerProvider()
    tracer = provider.get_tracer("test")
    async with traces(Settings(), provider):
        assert ids() == (None, None)
        with tracer.start_as_current_span("around") as span:
            context = span.get_span_context()
            assert ids() == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    with tracer.start_as_current_span("later"):
        assert ids() == (None, None)
    provider.shutdown()
