"""What operators are told of requests: levels, fields, and the interception's id on every line."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from aibridge_adapters.telemetry.logs import RecordedLines, RequestContext
from aibridge_core.errors import RecordingFailed
from aibridge_core.records import Status
from aibridge_core.testing.fakes import BreakableRecorder
from aibridge_core.testing.memory import MemoryStorage
from aibridge_core.testing.samples import FACTS, Samples
from integration.logs.serving import answering, body
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import Running, running_gateway

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="aibridge")
    caplog.handler.addFilter(RequestContext())


def said(caplog: pytest.LogCaptureFixture, *loggers: str) -> Sequence[tuple[str, str]]:
    names = loggers or ("aibridge.requests",)
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.name in names]


def fields(caplog: pytest.LogCaptureFixture, message: str) -> dict[str, Any]:
    (record,) = [record for record in caplog.records if record.getMessage() == message]
    return vars(record)


async def ask(up: Running, path: str = "/anthropic/v1/messages", content: bytes = body("hi"), **headers: str) -> int:
    async with up.client() as client:
        answer = await client.post(path, content=content, headers={**up.anthropic, **headers})
        return answer.status_code


async def overloaded(request: Received, answer: Answering) -> None:
    await answer.whole(b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', 529)


async def broken(request: Received, answer: Answering) -> None:
    answer.reset()


async def test_a_request_that_goes_well(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two lines of it on debug, six of its records, all with its id."""
    async with raw_upstream(answering) as upstream, running_gateway(tmp_path, upstream.url) as up:
        assert await ask(up) == 200
        (found,) = await up.ended()
    assert said(caplog) == [("DEBUG", "interception started"), ("DEBUG", "interception ended")]
    assert [message for _, message in said(caplog, "aibridge.recorder")] == [
        "recorded interception",
        "recorded prompt usage",
        "recorded token usage",
        "recorded tool usage",
        "recorded interception ended",
    ]
    about = [record for record in caplog.records if record.name in ("aibridge.requests", "aibridge.recorder")]
    assert {vars(record)["interception_id"] for record in about} == {found["id"]}
    ended = fields(caplog, "interception ended")
    assert (ended["route"], ended["provider"], ended["status"]) == ("/v1/messages", "anthropic", "completed")
    assert (ended["credential_kind"], ended["credential_hint"]) == ("centralized", "sk-c...ream")


async def test_a_request_that_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A warning with the reason."""
    async with raw_upstream(overloaded) as upstream, running_gateway(tmp_path, upstream.url) as up:
        assert await ask(up) == 529
        await up.ended()
    assert ("WARNING", "interception failed") in said(caplog)
    failed = fields(caplog, "interception failed")
    assert (failed["error_type"], failed["error"], failed["streaming"]) == ("overloaded", "Overloaded", False)


async def test_a_request_that_can_not_be_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is no interception."""
    async with raw_upstream(answering) as upstream, running_gateway(tmp_path, upstream.url) as up:
        assert await ask(up, content=b"{") == 400
    assert said(caplog)[0] == ("WARNING", "failed to create interceptor")
    assert fields(caplog, "failed to create interceptor")["path"] == "/v1/messages"


async def test_passthrough_says_only_what_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A route that is relayed without being read."""
    async with raw_upstream(broken) as upstream, running_gateway(tmp_path, upstream.url) as up:
        assert await ask(up, "/anthropic/v1/messages/count_tokens") == 502
        upstream.script = answering
        assert await ask(up, "/anthropic/v1/messages/count_tokens") == 200
    warnings = [line for line in said(caplog) if line[0] == "WARNING"]
    assert warnings == [("WARNING", "reverse proxy error")]


async def test_requests_that_come_no_further(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A route that isn't there is a warning; a wrong token, which anybody can send, is not."""
    async with raw_upstream(answering) as upstream, running_gateway(tmp_path, upstream.url) as up:
        assert await ask(up, "/anthropic/v1/nothing") == 404
        assert await ask(up, **{"x-api-key": "wrong"}) == 401
    assert said(caplog) == [("WARNING", "route not supported"), ("INFO", "no actor found in context")]
    assert fields(caplog, "route not supported")["path"] == "/anthropic/v1/nothing"


async def test_records_that_are_not_stored(caplog: pytest.LogCaptureFixture) -> None:
    """A warning for each, without its content."""
    samples, storage = Samples(), MemoryStorage()
    flaky = BreakableRecorder(storage.recorder)
    recorder, start = RecordedLines(flaky), samples.start()
    await recorder.begin(start)
    flaky.failure = RecordingFailed("no room")
    with pytest.raises(RecordingFailed):
        await recorder.record([samples.record(start, fact) for fact in FACTS])
    with pytest.raises(RecordingFailed):
        await recorder.end(samples.ended(start, Status.FAILED))
    assert said(caplog, "aibridge.recorder")[1:] == [
        ("WARNING", "failed to record prompt usage"),
        ("WARNING", "failed to record token usage"),
        ("WARNING", "failed to record tool usage"),
        ("WARNING", "failed to record model thought"),
        ("WARNING", "failed to record interception ended"),
    ]
    assert fields(caplog, "failed to record prompt usage")["error"] == "no room"
    assert "What does this do?" not in str([vars(record) for record in caplog.records])
