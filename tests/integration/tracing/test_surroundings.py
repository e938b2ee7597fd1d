"""Traces of others, log lines, content, secrets and passthrough routes."""

import logging
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import SpanKind, StatusCode

from aibridge_adapters.config import TracingSettings
from aibridge_adapters.telemetry.tracing import names
from aibridge_adapters.telemetry.tracing.logs import SpanEvents
from aibridge_adapters.telemetry.tracing.urls import shown
from integration.tracing.test_scenarios import BLOCKING, CALLING, ERROR, SIMPLE
from integration.tracing.tracing import answers, traced
from support import messages as m
from support.raw_upstream import Answering, Received
from support.running import ADMIN_TOKEN, UPSTREAM_KEY

pytestmark = pytest.mark.anyio

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"


def everything(span: ReadableSpan) -> str:
    """All text of a span."""
    return span.to_json()


async def test_a_trace_of_the_client_goes_on_here(tmp_path: Path) -> None:
    """Our spans are in its trace, below its span; the provider gets what the client sent."""
    async with traced(tmp_path, answers(SIMPLE)) as seen:
        await seen.ask(traceparent=SAMPLED)
    server = seen.one("POST /anthropic/v1/messages")
    assert server.context and server.parent
    assert (f"{server.context.trace_id:032x}", f"{server.parent.span_id:016x}") == (TRACE, SPAN)
    assert seen.upstream.requests[0].header("traceparent") == SAMPLED


async def test_a_client_that_does_not_sample(tmp_path: Path) -> None:
    """It decides for its trace; the provider is told, if providers are told at all."""
    async with traced(tmp_path, answers(SIMPLE), tracing=TracingSettings(to_providers=True)) as seen:
        assert await seen.ask(traceparent=UNSAMPLED) == 200
    assert seen.spans == ()
    told = seen.upstream.requests[0].header("traceparent") or ""
    assert told.startswith(f"00-{TRACE}-")
    assert told.endswith("-00")


async def test_clients_need_not_be_believed(tmp_path: Path) -> None:
    """By setting each request begins a trace of its own."""
    async with traced(tmp_path, answers(SIMPLE), tracing=TracingSettings(from_clients=False)) as seen:
        await seen.ask(traceparent=UNSAMPLED)
    server = seen.one("POST /anthropic/v1/messages")
    assert server.parent is None
    assert server.context and f"{server.context.trace_id:032x}" != TRACE


async def test_providers_may_be_told(tmp_path: Path) -> None:
    """Each call tells of its own span, in place of what the client sent."""
    async with traced(tmp_path, answers(SIMPLE, b"{}"), tracing=TracingSettings(to_providers=True)) as seen:
        await seen.ask(traceparent=SAMPLED)
        await seen.ask(path="/anthropic/v1/messages/count_tokens")
    call, passed = seen.one("Intercept.ProcessRequest.Upstream"), seen.one("Passthrough")
    assert call.context and passed.context
    told = [[value for name, value in request.headers if name == "traceparent"] for request in seen.upstream.requests]
    assert [len(each) for each in told] == [1, 1]
    assert told[0][0].split("-")[1:3] == [TRACE, f"{call.context.span_id:016x}"]
    assert told[1][0].split("-")[2] == f"{passed.context.span_id:016x}"


async def test_a_passthrough_route(tmp_path: Path) -> None:
    """One span below the server's, with both URLs; what may be secret in them isn't shown."""
    async with traced(tmp_path, answers(b"{}")) as seen:
        await seen.ask(path="/anthropic/v1/messages/count_tokens?beta=true&key=hunter2")
    span = seen.one("Passthrough")
    attributes = dict(span.attributes or {})
    assert attributes.pop("user_id")
    assert attributes == {
        "passthrough_url": "/v1/messages/count_tokens?beta=true&key=REDACTED",
        "passthrough_method": "POST",
        "passthrough_upstream_url": f"{seen.upstream.url}/v1/messages/count_tokens?beta=true&key=REDACTED",
        "http.response.status_code": 200,
    }
    assert (seen.parent(span), span.kind) == ("POST /anthropic/v1/messages/count_tokens", SpanKind.CLIENT)
    assert len(seen.spans) == 2


async def test_a_passthrough_route_without_a_provider(tmp_path: Path) -> None:
    """Its span says why."""

    async def script(request: Received, answering: Answering) -> None:
        answering.reset()

    async with traced(tmp_path, script) as seen:
        status = await seen.ask(path="/anthropic/v1/messages/count_tokens")
    assert status == 502
    assert seen.one("Passthrough").status.status_code is StatusCode.ERROR
    assert dict(seen.one("Passthrough").attributes or {})["error.type"] == "connection_error"


async def test_content_only_if_asked_for(tmp_path: Path) -> None:
    """The prompt, tool calls and thoughts; without the setting, or if none is recorded, nothing."""
    wanted = TracingSettings(content=True)
    thinking = (m.start(), m.block(0, "thinking", thinking=""), m.thinking(0, "hm"), m.stop(0))
    stream = (*thinking, m.tool(1), m.arguments(1, '{"a":1}'), m.stop(1), *CALLING[4:])
    cases: list[tuple[dict[str, Any], bool]] = [
        ({"tracing": wanted}, True),
        ({}, False),
        ({"tracing": wanted, "record_content": "none"}, False),
    ]
    for changes, shows in cases:
        folder = tmp_path / str(len(changes))
        folder.mkdir()
        async with traced(folder, answers(stream), **changes) as seen:
            await seen.ask()
        call = dict(seen.one("Intercept.ProcessRequest.Upstream").attributes or {})
        if shows:
            said = '[{"role": "user", "parts": [{"type": "text", "content": "hello"}]}]'
            assert call["gen_ai.input.messages"] == said
            assert '"type": "reasoning", "content": "hm"' in call["gen_ai.output.messages"]
            assert '"type": "tool_call", "id": "toolu_1", "name": "Read"' in call["gen_ai.output.messages"]
        else:
            assert not any("hello" in everything(span) for span in seen.spans)


async def test_no_secret_is_in_any_span(tmp_path: Path) -> None:
    """Neither tokens nor keys, whatever way they come; a request that fails included."""
    async with traced(tmp_path, answers(SIMPLE, b"{}", ERROR), tracing=TracingSettings(logs=True)) as seen:
        secrets = [seen.up.token, UPSTREAM_KEY, ADMIN_TOKEN, "hunter2"]
        await seen.ask(cookie="session=hunter2", authorization="Bearer hunter2")
        await seen.ask(path="/anthropic/v1/messages/count_tokens?key=hunter2&token=hunter2")
        await seen.ask(BLOCKING, path="/anthropic/v1/messages?key=hunter2")
    assert len(seen.spans) > 20
    found = [(span.name, secret) for span in seen.spans for secret in secrets if secret in everything(span)]
    assert found == []


async def test_log_lines_become_events(tmp_path: Path) -> None:
    """Of the span in which they were written, by setting; afterwards the handler is gone."""
    async with traced(tmp_path, answers(SIMPLE), tracing=TracingSettings(logs=True)) as seen:
        with SpanWriting(seen):
            await seen.ask()
    events = [event for span in seen.spans for event in span.events if event.name == "log"]
    (event,) = [event for event in events if (event.attributes or {}).get("log.message") == "a provider was asked"]
    # Other handlers of the process may have put the interception's id on the line; which span it is, the span knows.
    assert {name: value for name, value in (event.attributes or {}).items() if name != "interception_id"} == {
        "log.severity": "WARNING",
        "log.logger": "aibridge.test",
        "log.message": "a provider was asked",
        "attempt": 1,
    }
    assert not any(isinstance(handler, SpanEvents) for handler in logging.getLogger().handlers)


@pytest.mark.parametrize(
    ("changes", "shows"),
    [
        ({"tracing": TracingSettings(logs=True)}, False),
        ({"tracing": TracingSettings(logs=True, content=True)}, True),
        ({"tracing": TracingSettings(logs=True, content=True), "record_content": "none"}, False),
    ],
)
async def test_lines_of_records_show_content_only_if_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, changes: dict[str, Any], shows: bool
) -> None:
    """Records that are logged are events, too; what people and models wrote in them is subject to the same setting."""
    caplog.set_level(logging.INFO, logger="aibridge.records")
    thinking = (m.start(), m.block(0, "thinking", thinking=""), m.thinking(0, "a thought"), m.stop(0))
    stream = (*thinking, m.tool(1), m.arguments(1, '{"path":"a file"}'), m.stop(1), *CALLING[4:])
    async with traced(tmp_path, answers(stream), structured_logging=True, **changes) as seen:
        await seen.ask()
    events = [dict(event.attributes or {}) for span in seen.spans for event in span.events if event.name == "log"]
    lines = {event["record_type"]: event for event in events if event["log.message"] == "interception log"}
    assert lines.keys() >= {"interception_start", "prompt_usage", "tool_usage", "model_thought", "interception_end"}
    assert lines["tool_usage"]["tool"] == "Read"
    text = " ".join(map(everything, seen.spans))
    assert [said in text for said in ("hello", "a thought", "a file")] == [shows] * 3


class SpanWriting:
    """Makes the gateway's upstream adapter write one log line when it is asked, as adapters do."""

    def __init__(self, seen: object) -> None:
        self._bridge = seen.up.gateway.asgi.bridge  # type: ignore[attr-defined]
        self._upstream = self._bridge._upstream

    def __enter__(self) -> None:
        self._bridge._upstream = self

    def __exit__(self, *error: object) -> None:
        self._bridge._upstream = self._upstream

    def open(self, request: object) -> object:
        logging.getLogger("aibridge.test").warning("a provider was asked", extra={"attempt": 1})
        return self._upstream.open(request)


def test_what_urls_show() -> None:
    """No credentials, no fragment, no value of a parameter that isn't known to be harmless."""
    assert shown("https://ann:pw@host:1/a/b?limit=3&api_key=x#top") == "https://host:1/a/b?limit=3&api_key=REDACTED"
    assert shown("/v1/models") == "/v1/models"


def test_names_are_those_of_the_conventions() -> None:
    """Each name for generative AI is in OpenTelemetry's own list."""
    known = {value for value in vars(gen_ai_attributes).values() if isinstance(value, str)}
    ours = {value for value in vars(names).values() if isinstance(value, str) and value.startswith("gen_ai.")}
    assert len(ours) > 15
    assert ours <= known
