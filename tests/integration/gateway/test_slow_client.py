"""A client that keeps an answer waiting is named in the log: what looks like a slow gateway is none."""

import logging
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import evolve, frozen

from aibridge_adapters.http.app import GatewayApp
from aibridge_adapters.telemetry.logs import RequestContext
from aibridge_core.testing.clock import FakeClock
from support import messages as m
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import running_gateway

pytestmark = pytest.mark.anyio

ASKED = {"model": "claude-x", "max_tokens": 16, "stream": True, "messages": [{"role": "user", "content": "hello"}]}
EVENTS = (m.start(), m.block(0, "text", text=""), m.text(0, "hi"), m.stop(0), m.end({"output_tokens": 7}), m.STOP)


@frozen
class SlowServer:
    """An ASGI server whose client takes its time for each piece."""

    gateway: GatewayApp
    seconds: float

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        clock = FakeClock()

        async def slowly(message: MutableMapping[str, Any]) -> None:
            clock.turn(self.seconds if message.get("body") else 0)
            await send(message)

        await evolve(self.gateway, clock=clock)(scope, receive, slowly)


async def streaming(request: Received, answer: Answering) -> None:
    await answer.stream(*EVENTS)


@pytest.mark.parametrize(("seconds", "lines"), [(1.5, 1), (0.9, 0)])
async def test_it_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture, seconds: float, lines: int) -> None:
    """One line for an answer, with who it is and how long which piece waited; none if it is only a little slow."""
    caplog.handler.addFilter(RequestContext())
    async with raw_upstream(streaming) as upstream, running_gateway(tmp_path, upstream.url) as up:
        transport = httpx.ASGITransport(SlowServer(up.gateway.asgi, seconds), client=("192.0.2.7", 1))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            headers = {**up.anthropic, "user-agent": "crawler/1"}
            answer = await client.post("/anthropic/v1/messages", json=ASKED, headers=headers)
        assert answer.content == b"".join(EVENTS)
        (interception,) = await up.ended()
    said = [vars(record) for record in caplog.records if record.getMessage() == "slow client detected"]
    assert len(said) == lines
    for line in said:
        assert (line["levelno"], line["interception_id"]) == (logging.WARNING, interception["id"])
        assert (line["flush_duration"], line["client_ip"], line["user_agent"]) == (1.5, "192.0.2.7", "crawler/1")
        assert line["payload_size"] > 0
