"""The span of one call of a model: from before the request is sent until its answer is over.

Belongs here: what the call's span is told. Never: other spans.
"""

from collections.abc import Sequence
from time import perf_counter, time_ns
from types import TracebackType
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.trace import Span, set_span_in_context

from aibridge_adapters.telemetry.tracing import gen_ai, names
from aibridge_adapters.telemetry.tracing.states import fail, set_error
from aibridge_core.dialects.api import Failed
from aibridge_core.errors import BridgeError, UpstreamFault
from aibridge_core.records import Fact, TokenUsage
from aibridge_core.wire import AnswerHead, Headers


class ModelCall:
    """Implements `aibridge_core.observing.UpstreamWatch`.

    The span ends in `finish`, with the time at which the call was left: what an answer that broke off had cost is told
    a moment later.
    """

    def __init__(self, span: Span, around: Context, propagates: bool, content: bool) -> None:
        self._span = span
        self._context = set_span_in_context(span, around)
        self._propagates = propagates
        self._content = content
        self._begun = perf_counter()
        self._facts: list[Fact] = []
        self._attributes: dict[str, Any] = {}
        self._failed = False
        self._left: int | None = None

    @property
    def headers(self) -> Headers:
        return trace_headers(self._context) if self._propagates else ()

    def __enter__(self) -> None:
        self._token = contexts.attach(self._context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        contexts.detach(self._token)
        if isinstance(error, UpstreamFault):
            self.failed(error)
        self._left = time_ns()

    def answered(self, head: AnswerHead) -> None:
        self._attributes[names.HTTP_STATUS] = head.status
        if head.status >= 400:
            set_error(self._span, str(head.status), f"the provider answered with status {head.status}")

    def flowing(self) -> None:
        self._attributes[names.FIRST_CHUNK] = perf_counter() - self._begun

    def observed(self, fact: Fact) -> None:
        """Of this call's answer, or the prompt that it answers."""
        if isinstance(fact, TokenUsage):
            self._attributes.update(gen_ai.used(fact))
        elif self._content:
            self._facts.append(fact)

    def finished(self, reasons: Sequence[str]) -> None:
        self._attributes[names.FINISH_REASONS] = tuple(reasons)

    def failed(self, failure: Failed | BridgeError) -> None:
        """The answer says so, or broke off. What happens after the call is not its failure."""
        if not self._failed and self._left is None and isinstance(failure, Failed | UpstreamFault):
            self._failed = True
            fail(self._span, failure)

    def finish(self) -> None:
        """Nothing more will be told."""
        if self._facts:
            self._attributes.update(gen_ai.content(self._facts))
        self._span.set_attributes(self._attributes)
        self._span.end(end_time=self._left)


def trace_headers(context: Context) -> Headers:
    """What tells a provider of the trace that this context is in."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context)
    return tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in carrier.items())
