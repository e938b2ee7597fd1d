"""Firewall headers over real HTTP: recorded, never forwarded, never a reason to refuse."""

import logging
from pathlib import Path

import pytest

from integration.gateway.test_wire import ODD, ok
from support.raw_upstream import raw_upstream
from support.running import running_gateway

pytestmark = pytest.mark.anyio

SESSION = "f17e0000-0000-4000-8000-00000000000a"


async def test_the_place_is_recorded_and_not_forwarded(tmp_path: Path) -> None:
    """The trail knows where the firewall saw the request; the provider learns nothing of a firewall."""
    async with raw_upstream(ok) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        headers = {
            "X-Coder-Agent-Firewall-Session-Id": SESSION.upper(),
            "X-Coder-Agent-Firewall-Sequence-Number": "42",
        }
        answer = await client.post("/anthropic/v1/messages", content=ODD, headers={**up.anthropic, **headers})
        assert answer.status_code == 200
        (sent,) = upstream.requests
        assert "firewall" not in str(sent).lower()
        (kept,) = await up.ended()
        found = await up.gateway.storage.store.get(kept["id"])
        assert found is not None and found.start.firewall is not None
        assert (found.start.firewall.session_id, found.start.firewall.sequence_number) == (SESSION, 42)


async def test_wrong_headers_are_ignored_and_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The request goes on; the interception and the log say why it has no place."""
    async with raw_upstream(ok) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        headers = {**up.anthropic, "X-Coder-Agent-Firewall-Session-Id": "not-a-uuid"}
        with caplog.at_level(logging.WARNING, "aibridge"):
            answer = await client.post("/anthropic/v1/messages", content=ODD, headers=headers)
        assert answer.status_code == 200
        assert "firewall" not in str(upstream.requests[0]).lower()
        (kept,) = await up.ended()
        why = "x-coder-agent-firewall-sequence-number is missing"
        assert kept["metadata"]["agent_firewall_ignored"] == why
        (line,) = [record for record in caplog.records if record.message == "agent firewall headers ignored"]
        assert (line.__dict__["interception_id"], line.__dict__["reason"]) == (kept["id"], why)
