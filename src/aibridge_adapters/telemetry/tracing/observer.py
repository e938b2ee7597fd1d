"""Spans of requests, made by watching them.

Belongs here: the HTTP server span, and who watches what comes below it. Never: phases.
"""

from collections.abc import Collection
from types import TracebackType
from typing import Any

from attrs import frozen
from opentelemetry import context as contexts
from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.trace import get_current_span

from aibridge_adapters.telemetry.tracing import names
from aibridge_adapters.telemetry.tracing.bridged import BridgedWatch, Setup
from aibridge_adapters.telemetry.tracing.side_paths import PassthroughWatch, QuietWatch
from aibridge_adapters.telemetry.tracing.states import served_by, server_span, set_error
from aibridge_adapters.telemetry.tracing.urls import LONGEST
from aibridge_core.actors import Actor
from aibridge_core.errors import BridgeError
from aibridge_core.observing import UNWATCHED, Serving, Watch
from aibridge_core.providers.bedrock import is_bedrock
from aibridge_core.routing import Match
from aibridge_core.wire import Arrival, ClientRequest, header

_NOWHERE = Context()


@frozen
class TracingObserver:
    """Implements `aibridge_core.observing.Observer`."""

    _setup: Setup

    def serving(self, arrival: Arrival) -> Serving:
        """A server span, unless the host application has made one already."""
        if get_current_span().get_span_context().is_valid:
            return UNWATCHED
        return _Serving(self._setup, arrival)

    def bridged(self, match: Match, request: ClientRequest, actor: Actor) -> Watch:
        """Spans of an interception."""
        if _unsampled():
            return QuietWatch() if self._setup.to_providers else UNWATCHED
        _name_route(match, request)
        return BridgedWatch(
            self._setup,
            path=request.path[:LONGEST],
            actor=actor,
            dialect=match.dialect.name,
            on_bedrock=is_bedrock(match.provider),
        )

    def passthrough(self, match: Match, request: ClientRequest, actor: Actor) -> Watch:
        """One span."""
        if _unsampled():
            return QuietWatch() if self._setup.to_providers else UNWATCHED
        _name_route(match, request)
        setup = self._setup
        return PassthroughWatch(setup.tracer, request, match.path, actor, propagates=setup.to_providers)

    def refused(self, path: str, error: BridgeError) -> None:
        """The server span says why, where its status says that it is our fault."""
        span = server_span()
        if span is not None and error.status >= 500:
            set_error(span, error.error_type, error.message)


class _Serving:
    """Implements `aibridge_core.observing.Serving`."""

    def __init__(self, setup: Setup, arrival: Arrival) -> None:
        parent = _context_of_client(arrival, setup.fields) if setup.from_clients else _NOWHERE
        method = arrival.method if arrival.method in names.METHODS else names.OTHER_METHOD
        self._span = setup.tracer.start_span(
            "HTTP" if method == names.OTHER_METHOD else method,
            parent,
            kind=names.SERVER_KIND,
            attributes=_attributes(arrival, method),
        )
        self._context = served_by(self._span, parent)

    def __enter__(self) -> None:
        self._token = contexts.attach(self._context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        contexts.detach(self._token)
        self._span.end()

    def answering(self, status: int) -> None:
        self._span.set_attribute(names.HTTP_STATUS, status)
        if status >= 500 and not self._span_failed():
            set_error(self._span, str(status), "")

    def _span_failed(self) -> bool:
        """Whether `refused` has told why."""
        return names.ERROR_TYPE in (getattr(self._span, "attributes", None) or {})


def _attributes(arrival: Arrival, method: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        names.HTTP_METHOD: method,
        names.URL_PATH: arrival.path[:LONGEST],
        names.URL_SCHEME: arrival.scheme,
    }
    texts = {
        names.HTTP_VERSION: arrival.http_version,
        names.CLIENT_ADDRESS: arrival.client_host,
        names.USER_AGENT: (header(arrival.headers, b"user-agent") or "")[:LONGEST],
    }
    attributes.update({name: text for name, text in texts.items() if text})
    return attributes


def _context_of_client(arrival: Arrival, fields: Collection[bytes]) -> Context:
    """The client's trace, if it tells of one (by default W3C Trace Context; `OTEL_PROPAGATORS` may say otherwise)."""
    told = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in arrival.headers if name in fields]
    return propagate.extract(dict(told), _NOWHERE) if told else _NOWHERE


def _name_route(match: Match, request: ClientRequest) -> None:
    """The server span gets its name when the route is known: by the table of routes, so there are few names."""
    span = server_span()
    if span is not None and span.is_recording():
        route = f"/{match.provider.name}{match.endpoint}"
        span.set_attribute(names.HTTP_ROUTE, route)
        span.update_name(f"{request.method if request.method in names.METHODS else 'HTTP'} {route}")


def _unsampled() -> bool:
    """Whether there is a trace around, and it isn't recorded."""
    span = get_current_span()
    return not span.is_recording() and span.get_span_context().is_valid
