"""Requests that leave few spans or none: those on passthrough routes, and those that aren't sampled.

Belongs here: their watches. Never: interceptions.
"""

from opentelemetry import context as contexts
from opentelemetry.trace import Tracer, set_span_in_context

from aibridge_adapters.telemetry.tracing import names
from aibridge_adapters.telemetry.tracing.model_call import trace_headers
from aibridge_adapters.telemetry.tracing.states import fail, set_error
from aibridge_adapters.telemetry.tracing.urls import shown
from aibridge_core.actors import Actor
from aibridge_core.dialects.api import Failed
from aibridge_core.errors import BridgeError
from aibridge_core.observing import Unwatched
from aibridge_core.wire import AnswerHead, ClientRequest, Headers, UpstreamRequest


class PassthroughWatch(Unwatched):
    """Implements `aibridge_core.observing.Watch` and `UpstreamWatch` for a passthrough route: one span for all."""

    def __init__(self, tracer: Tracer, request: ClientRequest, path: str, actor: Actor, *, propagates: bool) -> None:
        query = f"?{request.query.decode('latin-1')}" if request.query else ""
        self._span = tracer.start_span(
            names.PASSTHROUGH,
            kind=names.CLIENT_KIND,
            attributes={
                names.PASSTHROUGH_URL: shown(path + query),
                names.PASSTHROUGH_METHOD: request.method,
                names.USER_ID: actor.id,
            },
        )
        self._context = set_span_in_context(self._span)
        self._propagates = propagates
        self._depth = 0

    @property
    def headers(self) -> Headers:  # type: ignore[override]
        return trace_headers(self._context) if self._propagates else ()

    def __enter__(self) -> None:
        self._depth += 1
        if self._depth == 1:
            self._token = contexts.attach(self._context)

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            contexts.detach(self._token)
            if isinstance(error[1], Exception):
                fail(self._span, error[1])
            self._span.end()

    def upstream(self, request: UpstreamRequest) -> "PassthroughWatch":
        self._span.set_attribute(names.PASSTHROUGH_UPSTREAM_URL, shown(request.url))
        return self

    def answered(self, head: AnswerHead) -> None:
        self._span.set_attribute(names.HTTP_STATUS, head.status)
        if head.status >= 400:
            set_error(self._span, str(head.status), f"the provider answered with status {head.status}")

    def failed(self, failure: Failed | BridgeError) -> None:
        fail(self._span, failure)


class QuietWatch(Unwatched):
    """A request whose trace isn't recorded; providers still learn so, if they are told of traces at all."""

    @property
    def headers(self) -> Headers:  # type: ignore[override]
        return trace_headers(contexts.get_current())

    def upstream(self, request: UpstreamRequest) -> "QuietWatch":
        return self
