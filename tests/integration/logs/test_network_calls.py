"""Network calls of agents as log lines: each new one once, with the interception that it followed."""

from datetime import UTC, datetime
from pathlib import Path

import jsonschema_rs
import pytest

from aibridge_adapters.telemetry.logs import CallLog
from aibridge_adapters.telemetry.logs.record_schema import schema
from aibridge_core.testing.memory import MemoryStorage
from aibridge_core.testing.network_log_contract import call, place
from aibridge_core.testing.samples import Samples
from integration.logs.test_record_lines import Keep, kept
from support.running import ADMIN_TOKEN, running_gateway

__all__ = ["kept"]

pytestmark = pytest.mark.anyio


async def test_new_calls_are_said_once(kept: Keep) -> None:
    """A log that is sent again says nothing; the line fits its schema, field by field in order."""
    samples, storage = Samples(), MemoryStorage()
    start = samples.start(firewall=place(5))
    await storage.recorder.begin(start)
    log = CallLog(storage.network_log, clock=samples.clock)
    before, after = call(samples, 4), call(samples, 6, allowed=False, matched_rule="")
    assert list(await log.keep([before, after, after])) == [before.place, after.place]
    assert list(await log.keep([before, after])) == []
    said = [line["fields"] for line in kept.lines]
    assert [(each["interception_id"], each["decision"]) for each in said] == [("", "allow"), (start.id, "deny")]
    for line in kept.lines:
        jsonschema_rs.validator_for(schema("network_call"), validate_formats=True).validate(line)
        assert list(line["fields"]) == list(schema("network_call")["properties"]["fields"]["properties"])  # type: ignore[index]


async def test_everything_else_passes_through() -> None:
    """Reading and removing are the inner log's."""
    samples, storage = Samples(), MemoryStorage()
    log = CallLog(storage.network_log, clock=samples.clock)
    made = call(samples, 1)
    await log.keep([made])
    assert list(await log.calls(made.place.session_id, limit=5)) == [made]
    assert list(await log.requests_before([made.place])) == [None]
    assert await log.next_request(made.place, initiator_id="nobody") is None
    later = datetime(2100, 1, 1, tzinfo=UTC)
    assert (await log.count(made_before=later), await log.delete(made_before=later, limit=5)) == (1, 1)


@pytest.mark.parametrize("structured", [True, False])
async def test_posted_calls_are_logged_on_demand(tmp_path: Path, kept: Keep, structured: bool) -> None:
    """With structured logging a gateway says what firewalls saw; without, only the trail knows it."""
    line = {
        "session_id": "f17e0000-0000-4000-8000-00000000000a",
        "sequence_number": 1,
        "event_time": "2026-01-02T03:04:05Z",
        "http_url": "https://paste.example.net/",
        "decision": "deny",
    }
    async with (
        running_gateway(tmp_path, "http://127.0.0.1:9", structured_logging=structured) as up,
        up.client() as client,
    ):
        answer = await client.post(
            "/api/v2/aibridge/boundaries/logs", json=line, headers={"authorization": f"Bearer {ADMIN_TOKEN}"}
        )
    assert (answer.status_code, answer.json()["new"]) == (200, 1)
    said = [each["fields"] for each in kept.lines if each["msg"] == "interception log"]
    assert [each["http_url"] for each in said] == (["https://paste.example.net/"] if structured else [])
