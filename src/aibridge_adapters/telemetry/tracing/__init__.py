"""Traces of what the gateway does, by OpenTelemetry.

    observer     watches requests: the HTTP server span, and who watches below it
    bridged      spans of an interception, by its phases; model_call: one call of a model
    side_paths   passthrough routes, and requests that aren't sampled
    recorder     spans of what is recorded
    tools        spans of MCP servers and calls
    logs         log lines as events of spans
    names, urls, gen_ai, states      what these share
    lean, export      spans that cost little, and their way to a collector

Belongs here: spans. Never: metrics, logs. The packages of the extra `otel` are imported only if traces are wanted.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from attrs import evolve, frozen

from aibridge_adapters.config import TracingSettings
from aibridge_adapters.telemetry.tracing.errors import TracingError, TracingNotInstalled, TracingNotOpened
from aibridge_core.observing import Observer
from aibridge_core.ports import Recorder

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer, TracerProvider

    from aibridge_adapters.telemetry.tracing.export import Pipeline
    from aibridge_adapters.telemetry.tracing.tools import ToolSpans

__all__ = ["Tracing", "TracingError", "TracingNotInstalled", "TracingNotOpened", "open_tracing"]

FAREWELL = 5.0
"""Longest time for sending the last spans at the end, in seconds."""


@frozen(kw_only=True)
class Tracing:
    """What has to be wired."""

    observer: Observer
    tools: "ToolSpans"
    tracer: "Tracer"
    counts: Callable[[], Mapping[str, int]] = dict
    """What became of the spans by now, by outcome; empty if that is somebody else's business."""

    def recorder(self, inner: Recorder) -> Recorder:
        """The recorder, with spans."""
        from aibridge_adapters.telemetry.tracing.recorder import TracedRecorder  # noqa: PLC0415

        return TracedRecorder(inner, self.tracer)


@asynccontextmanager
async def open_tracing(
    settings: TracingSettings, *, provider: "TracerProvider | None" = None, contents: bool = True
) -> AsyncIterator[Tracing | None]:
    """None if nobody wants traces. A provider that is given gets the spans, and is the giver's to shut down.

    `contents`: content is recorded as it is; where it isn't, spans hold none either. Raises TracingNotInstalled,
    TracingNotOpened.
    """
    if provider is not None:
        with _logs(settings, contents):
            yield _wire(provider.get_tracer("aibridge", version("aibridge")), settings, contents)
        return
    pipeline = _pipeline(settings) if settings.enable else None
    if pipeline is None:
        yield None
        return
    try:
        with _logs(settings, contents):
            yield evolve(_wire(pipeline.tracer, settings, contents), counts=pipeline.counts)
    finally:
        await _close(pipeline)


def _pipeline(settings: TracingSettings) -> "Pipeline | None":
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        raise TracingNotInstalled
    from aibridge_adapters.telemetry.tracing.export import disabled, open_pipeline  # noqa: PLC0415

    return None if disabled() else open_pipeline(settings.endpoint, version("aibridge"))


def _wire(tracer: "Tracer", settings: TracingSettings, contents: bool) -> Tracing:
    from aibridge_adapters.telemetry.tracing.bridged import Setup  # noqa: PLC0415
    from aibridge_adapters.telemetry.tracing.observer import TracingObserver  # noqa: PLC0415
    from aibridge_adapters.telemetry.tracing.tools import ToolSpans  # noqa: PLC0415

    setup = Setup(
        tracer=tracer,
        content=settings.content and contents,
        from_clients=settings.from_clients,
        to_providers=settings.to_providers,
    )
    return Tracing(observer=TracingObserver(setup), tools=ToolSpans(tracer=tracer, inputs=contents), tracer=tracer)


@contextmanager
def _logs(settings: TracingSettings, contents: bool) -> Iterator[None]:
    """While the gateway runs, its log lines are events of spans, if that is wanted."""
    if not settings.logs:
        yield
        return
    from aibridge_adapters.telemetry.tracing.logs import SpanEvents  # noqa: PLC0415

    handler, root = SpanEvents(content=settings.content and contents), logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


async def _close(pipeline: "Pipeline") -> None:
    """Send the last spans, within bounds: what a collector doesn't take by then is lost."""
    with anyio.CancelScope(shield=True), anyio.move_on_after(FAREWELL):
        await anyio.to_thread.run_sync(pipeline.close, abandon_on_cancel=True)
        return
    pipeline.give_up()
