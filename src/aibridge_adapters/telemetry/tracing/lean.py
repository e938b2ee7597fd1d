"""Spans that cost little: OpenTelemetry's interfaces, for spans that are made here and only leave in batches.

Belongs here: spans in memory, and which are sampled. Never: sending them. The SDK's own spans cost eight times as much,
for locks, checks and copies that one program's spans don't need. Its samplers, resources and processors serve here too.
"""

from collections.abc import Iterator, Mapping, Sequence
from random import getrandbits
from time import time_ns
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, SpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    get_current_span,
    use_span,
)
from opentelemetry.util._decorator import _agnosticcontextmanager

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_NOT_SAMPLED = TraceFlags(TraceFlags.DEFAULT)
_UNSET = Status(StatusCode.UNSET)

Attributes = Mapping[str, Any]
_NONE: Attributes = {}
Ids = tuple[SpanContext, SpanContext | None]
"""Of a span, and of the one above it."""


class Unsampled(NonRecordingSpan):
    """A span of ours that isn't recorded, and stands for all spans below it."""


class LeanSpan(Span):
    """A span that is recorded. Attributes that it gets at its start may be shared, so they are never changed."""

    def __init__(self, tracer: "LeanTracer", name: str, ids: Ids, kind: SpanKind, attributes: Attributes) -> None:
        self.name = name
        self.context, self.parent = ids
        self.kind = kind
        self.attributes = attributes
        self.links: Sequence[Link] = ()
        self.events: list[Event] = []
        self.status = _UNSET
        self.start_time = time_ns()
        self.end_time: int | None = None
        self._tracer = tracer
        self._own = False

    def get_span_context(self) -> SpanContext:
        return self.context

    def is_recording(self) -> bool:
        return self.end_time is None

    def end(self, end_time: int | None = None) -> None:
        if self.end_time is None:
            self.end_time = end_time or time_ns()
            self._tracer.take(self)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        if self.end_time is None:
            self.attributes = {**self.attributes, **attributes}
            self._own = True

    def set_attribute(self, key: str, value: Any) -> None:
        if self._own and self.end_time is None:
            self.attributes[key] = value  # type: ignore[index]
        else:
            self.set_attributes({key: value})

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        if self.end_time is None and len(self.events) < self._tracer.most_events:
            self.events.append(Event(name, attributes, timestamp))

    def update_name(self, name: str) -> None:
        if self.end_time is None:
            self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        if self.end_time is None:
            self.status = status if isinstance(status, Status) else Status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Only its class: the text of a foreign exception may hold a secret."""
        named = {"exception.type": type(exception).__qualname__, **(attributes or {})}
        self.add_event("exception", named, timestamp)


class LeanTracer(Tracer):
    """Makes spans. Which traces are recorded is decided once, where they enter."""

    def __init__(self, sampler: Sampler, processors: Sequence[SpanProcessor], limits: SpanLimits) -> None:
        self.most_events = limits.max_events or 128
        self._sampler = sampler
        self._processors = processors

    def take(self, span: LeanSpan) -> None:
        """It has ended. Processors only look at `context`, and hand on; `readable` makes more of it later."""
        for processor in self._processors:
            processor.on_end(span)  # type: ignore[arg-type]

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Any = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Span:
        """Below the span of the context, or of the current one."""
        parent = get_current_span(context)
        if type(parent) is Unsampled:
            return parent
        if type(parent) is LeanSpan:
            above = parent.context
            own = SpanContext(above.trace_id, getrandbits(64) or 1, False, _SAMPLED, above.trace_state)
            span = LeanSpan(self, name, (own, above), kind, attributes or _NONE)
        else:
            above = parent.get_span_context()
            trace_id = above.trace_id if above.is_valid else getrandbits(128) or 1
            found = self._sampler.should_sample(context, trace_id, name, kind, attributes, links)
            own = _context(trace_id, found)
            if not own.trace_flags.sampled:
                return Unsampled(own)
            attributes = {**(attributes or _NONE), **dict(found.attributes or _NONE)}
            span = LeanSpan(self, name, (own, above if above.is_valid else None), kind, attributes)
        span.links = links or ()
        span.start_time = start_time or span.start_time
        return span

    @_agnosticcontextmanager
    def start_as_current_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Any = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> Iterator[Span]:
        """As OpenTelemetry's."""
        span = self.start_span(name, context, kind, attributes, links, start_time)
        with use_span(span, end_on_exit, record_exception, set_status_on_exception):
            yield span


def _context(trace_id: int, found: SamplingResult) -> SpanContext:
    """Of the first span of a trace in this process, or below one that somebody else made."""
    flags = _NOT_SAMPLED if found.decision is Decision.DROP else _SAMPLED
    return SpanContext(trace_id, getrandbits(64) or 1, False, flags, found.trace_state or TraceState())


def readable(span: LeanSpan, resource: Resource, scope: InstrumentationScope, limits: SpanLimits) -> ReadableSpan:
    """As the SDK's exporters read it, within its limits."""
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=resource,
        attributes=_limited(span.attributes, limits),
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=scope,
    )


def _limited(attributes: Attributes, limits: SpanLimits) -> Attributes:
    """`OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT` and its kin are rarely set, and applying them costs more than the rest."""
    most, longest = limits.max_span_attributes, limits.max_span_attribute_length
    if longest is None and (most is None or len(attributes) <= most):
        return attributes
    return BoundedAttributes(most, dict(attributes), True, longest)
