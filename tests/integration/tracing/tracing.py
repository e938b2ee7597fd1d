"""What the tests of traces share: a whole gateway that is traced into memory, and its spans to look at."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import define
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from support.raw_upstream import Answering, RawUpstream, Received, Script, raw_upstream
from support.running import Running, running_gateway

ASKED = {"model": "claude-x", "max_tokens": 16, "stream": True, "messages": [{"role": "user", "content": "hello"}]}
COUNTED = (
    "Intercept.ProcessRequest.Upstream",
    "Intercept.RecordPromptUsage",
    "Intercept.RecordTokenUsage",
    "Intercept.RecordToolUsage",
    "Intercept.ProcessRequest.ToolCall",
)


@define
class Traced:
    """A gateway whose spans are kept. They are complete when the context around it is left."""

    up: Running
    upstream: RawUpstream
    memory: InMemorySpanExporter

    async def ask(self, body: Mapping[str, Any] = ASKED, path: str = "/anthropic/v1/messages", **headers: str) -> int:
        """Send one request as ann; returns the status."""
        async with self.up.client() as client:
            token = self.up.openai if path.startswith("/openai") else self.up.anthropic
            return (await client.post(path, json=body, headers={**token, **headers})).status_code

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self.memory.get_finished_spans()

    def named(self, name: str) -> Sequence[ReadableSpan]:
        """The spans of this name, in the order in which they began."""
        return sorted((span for span in self.spans if span.name == name), key=lambda span: span.start_time or 0)

    def one(self, name: str) -> ReadableSpan:
        """The only span of this name."""
        (span,) = self.named(name)
        return span

    def parent(self, span: ReadableSpan) -> str:
        """Name of the span above; empty if there is none here."""
        above = span.parent.span_id if span.parent else 0
        return next((each.name for each in self.spans if each.context and each.context.span_id == above), "")

    def counts(self) -> Sequence[int]:
        """How many calls of a model, prompts, token records, tool records and injected calls there were."""
        return [len(self.named(name)) for name in COUNTED]


@asynccontextmanager
async def traced(folder: Path, script: Script, **changes: Any) -> AsyncIterator[Traced]:
    """A gateway in front of a scripted provider; `changes` are settings."""
    provider, memory = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    async with (
        raw_upstream(script) as upstream,
        running_gateway(folder, upstream.url, tracer_provider=provider, **changes) as up,
    ):
        yield Traced(up, upstream, memory)


def answers(*bodies: bytes | Sequence[bytes], status: int = 200) -> Script:
    """A provider that answers in this order: bytes are a whole JSON body, several pieces a stream of events."""
    left = list(bodies)

    async def script(request: Received, answering: Answering) -> None:
        body = left.pop(0)
        if isinstance(body, bytes):
            await answering.whole(body, status, ("content-type", "application/json"))
        else:
            await answering.stream(*body)

    return script
