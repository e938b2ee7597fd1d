"""Spans on their way to a real collector, and collectors that don't take them."""

import gc
import socket
from pathlib import Path
from time import monotonic

import pytest
from opentelemetry.trace import NonRecordingSpan

from aibridge_adapters.compose import gateway
from aibridge_adapters.config import Settings, TracingSettings
from aibridge_adapters.telemetry import tracing
from aibridge_adapters.telemetry.tracing import TracingNotInstalled, TracingNotOpened, open_tracing
from aibridge_adapters.telemetry.tracing.export import address, open_pipeline, protocol
from aibridge_adapters.telemetry.tracing.lean import LeanSpan
from integration.tracing.test_scenarios import ASKED, SIMPLE
from integration.tracing.tracing import answers
from support.otlp_receiver import Collected, grpc_collector, http_collector
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import running_gateway

pytestmark = pytest.mark.anyio


async def ask(folder: Path, tracing: TracingSettings) -> int:
    """One streamed request through a whole gateway, which is shut down afterwards; returns the status."""
    async with (
        raw_upstream(answers(SIMPLE)) as upstream,
        running_gateway(folder, upstream.url, tracing=tracing) as up,
        up.client() as client,
    ):
        return (await client.post("/anthropic/v1/messages", json=ASKED, headers=up.anthropic)).status_code


def check(collected: Collected) -> None:
    """The whole trace is there."""
    assert collected.resource["service.name"] == "aibridge"
    assert collected.parents() == {
        "POST /anthropic/v1/messages": "",
        "CachedBridgePool.Acquire": "POST /anthropic/v1/messages",
        "Intercept": "POST /anthropic/v1/messages",
        "Intercept.CreateInterceptor": "Intercept",
        "Intercept.RecordInterception": "Intercept",
        "Intercept.ProcessRequest": "Intercept",
        "Intercept.ProcessRequest.Upstream": "Intercept.ProcessRequest",
        "Intercept.RecordPromptUsage": "Intercept.ProcessRequest",
        "Intercept.RecordTokenUsage": "Intercept.ProcessRequest",
        "Intercept.RecordInterceptionEnded": "Intercept",
    }
    assert len({span.trace_id for span in collected.spans}) == 1
    assert all(0 < span.start_time_unix_nano <= span.end_time_unix_nano for span in collected.spans)
    upstream = next(span for span in collected.spans if span.name.endswith("Upstream"))
    values = {each.key: each.value for each in upstream.attributes}
    assert values["gen_ai.usage.output_tokens"].int_value == 7
    assert values["streaming"].bool_value is True
    assert values["model"].string_value == "claude-x"


async def test_over_grpc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Host and port are enough; headers come from the standard variable."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=ours")
    with grpc_collector() as collected:
        assert await ask(tmp_path, TracingSettings(enable=True, endpoint=collected.endpoint)) == 200
    check(collected)
    assert collected.headers[0]["x-tenant"] == "ours"


async def test_over_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path means HTTP; a name of its own comes from the standard variable."""
    async with http_collector() as collected:
        assert await ask(tmp_path, TracingSettings(enable=True, endpoint=collected.endpoint)) == 200
        check(collected)
        assert collected.headers[0]["path"] == "/v1/traces"


async def test_names_and_sampling_by_the_standard_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway may be called otherwise, and a sampler that takes nothing sends nothing."""
    with grpc_collector() as collected:
        settings = TracingSettings(enable=True, endpoint=collected.endpoint)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
        (tmp_path / "off").mkdir()
        assert await ask(tmp_path / "off", settings) == 200
        assert collected.requests == []
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "gateway-7")
        monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5")
        assert await ask(tmp_path, settings) == 200
    assert collected.resource["service.name"] == "gateway-7"
    values = {each.key: each.value.string_value for span in collected.spans for each in span.attributes}
    assert values["model"] == "claud"


async def test_the_sdk_can_be_disabled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that turns all of OpenTelemetry off counts more than our setting."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with grpc_collector() as collected:
        assert await ask(tmp_path, TracingSettings(enable=True, endpoint=collected.endpoint)) == 200
    assert collected.requests == []


async def test_a_collector_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are served, and the gateway's end waits a bounded time."""
    monkeypatch.setattr(tracing, "FAREWELL", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    begun = monotonic()
    assert await ask(tmp_path, TracingSettings(enable=True, endpoint=f"127.0.0.1:{port}")) == 200
    assert monotonic() - begun < 8


async def test_a_collector_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it, and no more spans are kept than fit into the queue."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "64")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "32")
    monkeypatch.setattr(tracing, "FAREWELL", 0.2)

    async def silent(request: Received, answering: Answering) -> None:
        await answering.hung_up()

    async with raw_upstream(silent) as collector:
        settings = TracingSettings(enable=True, endpoint=f"{collector.url}/v1/traces")
        async with open_tracing(settings) as opened:
            assert opened
            begun = monotonic()
            for _ in range(20_000):
                opened.tracer.start_span("one").end()
            assert monotonic() - begun < 20
            kept = sum(isinstance(each, LeanSpan) and each.name == "one" for each in gc.get_objects())
            assert kept <= 64 + 2 * 32
            counts = opened.counts()
            assert counts["sent"] == counts["failed"] == 0
            assert 20_000 - 64 - 32 <= counts["dropped"] < 20_000
            begun = monotonic()
        assert monotonic() - begun < 5


@pytest.mark.parametrize(
    ("endpoint", "spoken", "url"),
    [
        ("", "grpc", ""),
        ("collector:4317", "grpc", "http://collector:4317"),
        ("https://collector:4317", "grpc", "https://collector:4317"),
        ("collector:4318", "http/protobuf", "http://collector:4318/v1/traces"),
        ("https://otel.example/v1/traces", "http/protobuf", "https://otel.example/v1/traces"),
    ],
)
def test_what_an_endpoint_means(endpoint: str, spoken: str, url: str) -> None:
    """Port 4318 or a path is OTLP over HTTP; without a scheme it is plain text."""
    assert (protocol(endpoint), address(endpoint)) == (spoken, url)


def test_the_protocol_by_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts more than what the endpoint looks like; an unknown one is refused by name."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    assert address("collector:4317") == "http://collector:4317/v1/traces"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "carrier-pigeon")
    with pytest.raises(TracingNotOpened, match=r"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is 'carrier-pigeon'"):
        protocol("collector:4317")


def test_exporters_by_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """`none` sends nothing, one that isn't there is refused by name."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    pipeline = open_pipeline("", "1")
    pipeline.tracer.start_span("one").end()
    assert pipeline.exporters == []
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "smoke-signs")
    with pytest.raises(TracingNotOpened, match="smoke-signs"):
        open_pipeline("", "1")


async def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start fails and says what to install; without traces nothing is missing."""
    monkeypatch.setattr(tracing, "find_spec", lambda name: None)
    settings = Settings(database_url="sqlite:///:memory:", tracing=TracingSettings(enable=True))
    with pytest.raises(TracingNotInstalled, match=r"pip install 'aibridge\[otel\]'"):
        async with gateway(settings):
            pass
    async with gateway(Settings(database_url="sqlite:///:memory:")):
        pass


def test_a_span_that_has_ended_changes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """As OpenTelemetry wants it; attributes that spans share stay what they were."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    shared = {"one": 1}
    span = open_pipeline("", "1").tracer.start_span("name", attributes=shared)
    assert isinstance(span, LeanSpan)
    assert not isinstance(span, NonRecordingSpan)
    span.set_attribute("two", 2)
    span.end()
    span.set_attribute("three", 3)
    span.update_name("other")
    span.add_event("late")
    assert (span.name, span.attributes, span.events, shared) == ("name", {"one": 1, "two": 2}, [], {"one": 1})
    assert not span.is_recording()
