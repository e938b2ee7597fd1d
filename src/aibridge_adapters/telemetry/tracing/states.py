"""What spans of one request know of one another, and how they end.

Belongs here: values that travel in OpenTelemetry's context, and the forms of failure. Never: names of single spans.
"""

from types import TracebackType
from typing import Any

from attrs import define, field
from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, get_current_span, set_span_in_context

from aibridge_adapters.telemetry.tracing import names
from aibridge_core.dialects.api import Failed
from aibridge_core.errors import BridgeError

LONGEST_TEXT = 1024
"""Characters of a status description."""

_INTERCEPTION = contexts.create_key("aibridge-interception")
_POOL = contexts.create_key("aibridge-pool")
_SERVER = contexts.create_key("aibridge-server-span")


@define(eq=False)
class Shared:
    """What the spans of one interception share."""

    attributes: dict[str, Any] = field(factory=dict)
    """Empty until it is known to be an interception."""
    intercept: Context = field(factory=Context)
    process: Context = field(factory=Context)

    @staticmethod
    def current() -> "Shared | None":
        """Of the interception that runs here, if its spans are recorded."""
        found = contexts.get_value(_INTERCEPTION)
        return found if isinstance(found, Shared) else None

    def within(self, context: Context) -> Context:
        """The context, knowing this."""
        return contexts.set_value(_INTERCEPTION, self, context)


@define(eq=False)
class Pool:
    """One look-up of a person's tools."""

    attributes: dict[str, Any]
    missed: bool = False

    @staticmethod
    def current() -> "Pool | None":
        """The look-up that runs here, or in which the work that runs here began."""
        found = contexts.get_value(_POOL)
        return found if isinstance(found, Pool) else None

    def within(self, context: Context) -> Context:
        """The context, knowing this."""
        return contexts.set_value(_POOL, self, context)


def served_by(span: Span, context: Context) -> Context:
    """A context whose HTTP server span is one of ours."""
    return contexts.set_value(_SERVER, span, set_span_in_context(span, context))


def server_span() -> Span | None:
    """The HTTP server span around, if it is one of ours."""
    found = contexts.get_value(_SERVER)
    return found if isinstance(found, Span) else None


class Scope:
    """A span that is the current one inside a `with`, and ends with it. What fails inside is its failure."""

    def __init__(self, span: Span, context: Context | None = None) -> None:
        self.span = span
        self._context = set_span_in_context(span, context)

    def __enter__(self) -> None:
        self._token = contexts.attach(self._context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        contexts.detach(self._token)
        if error is not None:
            fail(self.span, error)
        self.span.end()


def recording() -> bool:
    """Whether the current span is recorded."""
    return get_current_span().is_recording()


def fail(span: Span, failure: BaseException | Failed, before: str = "") -> None:
    """Mark a span as failed. Who goes away or shuts down cancels, and that is no failure.

    Errors of ours have public messages; of any other only the class is told, for its text might hold a secret.
    """
    if isinstance(failure, Failed | BridgeError):
        set_error(span, failure.error_type, before + failure.message)
    elif isinstance(failure, Exception):
        set_error(span, type(failure).__qualname__, before + type(failure).__qualname__)


def set_error(span: Span, error_type: str, text: str) -> None:
    """Mark a span as failed, with a class of errors and a text for people."""
    span.set_attribute(names.ERROR_TYPE, error_type)
    span.set_status(Status(StatusCode.ERROR, text[:LONGEST_TEXT]))
