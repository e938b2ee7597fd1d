"""A collector: takes traces by OTLP, over gRPC or HTTP, on a free loopback port, and keeps them."""

import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
from attrs import Factory, define
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from support.raw_upstream import Answering, Received, raw_upstream


@define
class Collected:
    """What came."""

    endpoint: str = ""
    requests: list[Any] = Factory(list)
    headers: list[dict[str, str]] = Factory(list)

    @property
    def spans(self) -> Sequence[Any]:
        """All spans, as they were sent."""
        scopes = [scope for request in self.requests for each in request.resource_spans for scope in each.scope_spans]
        return [span for scope in scopes for span in scope.spans]

    @property
    def resource(self) -> dict[str, str]:
        """Attributes of the first sender."""
        resource = self.requests[0].resource_spans[0].resource
        return {each.key: each.value.string_value for each in resource.attributes}

    def parents(self) -> dict[str, str]:
        """Names of spans -> names of those above."""
        names = {span.span_id: span.name for span in self.spans}
        return {span.name: names.get(span.parent_span_id, "") for span in self.spans}


@contextmanager
def grpc_collector(tls: grpc.ServerCredentials | None = None) -> Iterator[Collected]:
    """OTLP over gRPC, in threads of its own."""
    collected = Collected()

    class Service(TraceServiceServicer):  # type: ignore[misc]
        def Export(self, request: Any, context: Any) -> Any:
            collected.headers.append(dict(context.invocation_metadata()))
            collected.requests.append(request)
            return ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    add_TraceServiceServicer_to_server(Service(), server)
    if tls:
        collected.endpoint = f"https://localhost:{server.add_secure_port('127.0.0.1:0', tls)}"
    else:
        collected.endpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collected
    finally:
        server.stop(None).wait()


@asynccontextmanager
async def http_collector(tls: ssl.SSLContext | None = None) -> AsyncIterator[Collected]:
    """OTLP over HTTP."""
    collected = Collected()

    async def script(request: Received, answering: Answering) -> None:
        collected.headers.append({"path": request.target, **dict(request.headers)})
        collected.requests.append(ExportTraceServiceRequest.FromString(request.body))
        await answering.whole(b"", 200, ("content-type", "application/x-protobuf"))

    async with raw_upstream(script, tls=tls) as server:
        collected.endpoint = f"{server.url}/v1/traces"
        yield collected
