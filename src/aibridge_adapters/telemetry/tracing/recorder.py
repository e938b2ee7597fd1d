"""Spans of what is recorded.

Belongs here: a decorator of the recorder. Never: what is recorded.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from attrs import frozen
from opentelemetry.context import Context
from opentelemetry.trace import Tracer

from aibridge_adapters.telemetry.tracing import names
from aibridge_adapters.telemetry.tracing.states import Shared, fail
from aibridge_core.ports import Recorder
from aibridge_core.records import (
    Fact,
    InterceptionEnded,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    Record,
    TokenUsage,
    ToolUsage,
)

_NAMES: Mapping[type[Fact], str] = {
    PromptUsage: names.RECORD_PROMPT,
    TokenUsage: names.RECORD_TOKENS,
    ToolUsage: names.RECORD_TOOL,
    ModelThought: names.RECORD_THOUGHT,
}


@frozen
class TracedRecorder:
    """Implements `aibridge_core.ports.Recorder` around another one, for interceptions whose spans are recorded."""

    _inner: Recorder
    _tracer: Tracer

    async def begin(self, start: InterceptionStart) -> None:
        """As the inner recorder."""
        shared = Shared.current()
        if shared is None:
            await self._inner.begin(start)
            return
        with self._spans([names.RECORD_START], shared.intercept, shared.attributes):
            await self._inner.begin(start)

    async def record(self, records: Sequence[Record]) -> None:
        """As the inner recorder; one span for each record, though they are taken together."""
        shared = Shared.current()
        if shared is None:
            await self._inner.record(records)
            return
        kinds = [_NAMES[type(record.fact)] for record in records]
        with self._spans(kinds, shared.process, shared.attributes):
            await self._inner.record(records)

    async def end(self, ended: InterceptionEnded) -> None:
        """As the inner recorder."""
        shared = Shared.current()
        if shared is None:
            await self._inner.end(ended)
            return
        with self._spans([names.RECORD_END], shared.intercept, shared.attributes):
            await self._inner.end(ended)

    @contextmanager
    def _spans(self, kinds: Sequence[str], parent: Context, attributes: dict[str, Any]) -> Iterator[None]:
        spans = [self._tracer.start_span(kind, parent, attributes=attributes) for kind in kinds]
        try:
            yield
        except Exception as error:
            for span in spans:
                fail(span, error)
            raise
        finally:
            for span in spans:
                span.end()
