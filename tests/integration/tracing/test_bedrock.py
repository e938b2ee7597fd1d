"""What traces say of requests to Amazon Bedrock."""

from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from support.bedrock import SONNET, Bedrock, ask, bedrock

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("type", ["anthropic", "bedrock"])
@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/bedrock/v1/messages", "/bedrock/v1/messages"),
        (f"/bedrock/model/{SONNET}/invoke", "/bedrock/model/*/invoke"),
    ],
)
async def test_bedrock_is_named_whatever_the_type(tmp_path: Path, type: str, path: str, route: str) -> None:
    """A provider of type `anthropic` may be asked there; the model stands in no name of a route."""
    provider, memory = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    async with bedrock(tmp_path, Bedrock(), type, tracer_provider=provider) as up:
        assert (await ask(up, path))[0] == 200
        await up.ended()
    spans = {span.name: dict(span.attributes or {}) for span in memory.get_finished_spans()}
    (upstream,) = [found for found in spans.values() if "gen_ai.provider.name" in found]
    assert upstream["gen_ai.provider.name"] == "aws.bedrock"
    assert (spans["Intercept"]["aws_bedrock"], spans["Intercept"]["model"]) == (True, SONNET)
    assert spans[f"POST {route}"]["http.route"] == route
