"""From ended spans to a collector.

Belongs here: which exporter is used, and the queue before it. Never: what is traced. The queue is the SDK's, with
a thread of its own: bounded, and what doesn't fit is dropped, so that a dead or slow collector delays no request.
"""

import os
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from urllib.parse import urlsplit

from attrs import frozen
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from aibridge_adapters.telemetry.tracing.errors import TracingNotOpened
from aibridge_adapters.telemetry.tracing.lean import LeanSpan, LeanTracer, readable
from aibridge_adapters.telemetry.tracing.names import SCHEMA_URL

OWN_NAME = "aibridge"
HTTP_PORT = 4318
"""Of OTLP over HTTP; 4317 is that of gRPC (OpenTelemetry Protocol, "Default port")."""
TRACES_PATH = "/v1/traces"

BATCH = 128
"""Spans that are sent at once, unless a variable says it. The SDK's 512 take the interpreter for tens
of milliseconds, in which requests would wait."""

_EXPORTERS = "opentelemetry_traces_exporter"
_OTLP = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}


class Readable(SpanExporter):
    """Gives the spans of `lean` to an exporter of the SDK, in the thread that sends."""

    def __init__(self, inner: SpanExporter, resource: Resource, scope: InstrumentationScope) -> None:
        self._inner = inner
        self._resource = resource
        self._scope = scope
        self._limits = SpanLimits()
        self.sent = 0
        """Spans that the collector took."""
        self.failed = 0
        """Spans that it didn't take; they are lost."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """As the inner one."""
        result = SpanExportResult.FAILURE
        try:
            result = self._export(spans)
        finally:
            taken = len(spans) if result is SpanExportResult.SUCCESS else 0
            self.sent += taken
            self.failed += len(spans) - taken
        return result

    def _export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        made = [
            readable(span, self._resource, self._scope, self._limits) for span in spans if isinstance(span, LeanSpan)
        ]
        return self._inner.export(made)

    def shutdown(self) -> None:
        """As the inner one."""
        self._inner.shutdown()


class Queue(BatchSpanProcessor):
    """Counts what there is no room for. The SDK drops the oldest span then, and tells only meters of its own."""

    def __init__(self, exporter: SpanExporter) -> None:
        super().__init__(exporter, max_export_batch_size=_batch())
        self.dropped = 0
        self._waiting = self._batch_processor._queue

    def on_end(self, span: ReadableSpan) -> None:
        """As the SDK's."""
        self.dropped += len(self._waiting) == self._waiting.maxlen
        super().on_end(span)


@frozen
class Pipeline:
    """A tracer, and where its spans go."""

    tracer: LeanTracer
    processors: Sequence[Queue]
    exporters: Sequence[Readable]

    def counts(self) -> Mapping[str, int]:
        """What became of the spans that have ended, by outcome; the rest waits."""
        return {
            "sent": sum(each.sent for each in self.exporters),
            "failed": sum(each.failed for each in self.exporters),
            "dropped": sum(each.dropped for each in self.processors),
        }

    def close(self) -> None:
        """Send what is there; waits for that."""
        for processor in self.processors:
            processor.shutdown()  # type: ignore[no-untyped-call]

    def give_up(self) -> None:
        """End whatever `close` still waits for."""
        for exporter in self.exporters:
            exporter.shutdown()


def open_pipeline(endpoint: str, version: str) -> Pipeline:
    """What the settings and the `OTEL_*` variables ask for. Raises TracingNotOpened."""
    try:
        defaults = TracerProvider()  # reads OTEL_TRACES_SAMPLER and OTEL_RESOURCE_ATTRIBUTES
        scope = InstrumentationScope(OWN_NAME, version, SCHEMA_URL)
        exporters = [Readable(each, _resource(defaults.resource, version), scope) for each in _exporters(endpoint)]
        processors = [Queue(each) for each in exporters]
        return Pipeline(LeanTracer(defaults.sampler, processors, SpanLimits()), processors, exporters)
    except (ValueError, OSError) as error:
        raise TracingNotOpened(f"tracing can't be set up, check the OTEL_ variables: {error}") from error


def _batch() -> int | None:
    """None leaves it to the SDK, which reads the variables."""
    said = {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_MAX_QUEUE_SIZE"} & os.environ.keys()
    return None if said else BATCH


def disabled() -> bool:
    """Whether `OTEL_SDK_DISABLED` says so."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def _resource(found: Resource, version: str) -> Resource:
    """What `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say counts more than what we call ourselves."""
    ours = Resource({SERVICE_NAME: OWN_NAME, "service.version": version})
    named = not str(found.attributes.get(SERVICE_NAME, "unknown_service")).startswith("unknown_service")
    return ours.merge(found) if named else found.merge(ours)


def _exporters(endpoint: str) -> list[SpanExporter]:
    names = [name.strip() for name in os.environ.get("OTEL_TRACES_EXPORTER", "otlp").split(",") if name.strip()]
    return [_otlp(endpoint) if name == "otlp" else _load(name)() for name in names if name != "none"]


def _otlp(endpoint: str) -> SpanExporter:
    make = _load(_OTLP[protocol(endpoint)])
    url = address(endpoint)
    return make(endpoint=url) if url else make()  # type: ignore[call-arg]


def _load(name: str) -> type[SpanExporter]:
    for found in entry_points(group=_EXPORTERS, name=name):
        loaded: type[SpanExporter] = found.load()
        return loaded
    raise TracingNotOpened(f"there is no exporter of traces {name!r} (OTEL_TRACES_EXPORTER)")


def protocol(endpoint: str) -> str:
    """`grpc` or `http/protobuf`: as the `OTEL_*` variables say, else by the endpoint's port or path, else gRPC."""
    for variable in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if said := os.environ.get(variable, "").strip():
            if said not in _OTLP:
                raise TracingNotOpened(f"{variable} is {said!r}; known: {', '.join(_OTLP)}")
            return said
    parts = urlsplit(_with_scheme(endpoint))
    return "http/protobuf" if parts.port == HTTP_PORT or parts.path.strip("/") else "grpc"


def address(endpoint: str) -> str:
    """What the exporter is given: a whole URL; empty leaves it to the `OTEL_*` variables."""
    if not endpoint:
        return ""
    url = _with_scheme(endpoint)
    bare = not urlsplit(url).path.strip("/")
    return url.rstrip("/") + TRACES_PATH if bare and protocol(endpoint) != "grpc" else url


def _with_scheme(endpoint: str) -> str:
    """Without a scheme it is plain text, as everywhere in the field."""
    return endpoint if "://" in endpoint else f"http://{endpoint}"
