"""How a gateway process ends: in good order, at its deadline, or killed; the trail is true in every case."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import anyio
import httpx
import pytest

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.compose import gateway
from aibridge_adapters.config import RecordingSettings, Settings
from aibridge_adapters.storage import open_storage
from aibridge_core.records import Interception, InterceptionFilter, Page, Status
from support.process import Served, served
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import ADMIN_TOKEN, running_gateway

pytestmark = pytest.mark.anyio

BODY = b'{"model":"m-1","stream":true,"messages":[{"role":"user","content":"hi"}]}'
HEADERS = {"x-api-key": ADMIN_TOKEN, "content-type": "application/json"}
START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","model":"m-1",'
    b'"usage":{"input_tokens":5,"output_tokens":1}}}\n\n'
)
END = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class LaterClock(SystemClock):
    """Runs ahead by more than a lease, as if that time had passed since the others' last sign of life."""

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=RecordingSettings().lease + 1)


class Paused:
    """An upstream script that sends the first event and waits before it ends."""

    def __init__(self) -> None:
        self.go_on = anyio.Event()

    async def __call__(self, request: Received, answer: Answering) -> None:
        await answer.head(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        await answer.chunk(START)
        await self.go_on.wait()
        await answer.chunk(END)
        await answer.raw(b"0\r\n\r\n")


async def kept(folder: Path) -> Sequence[Interception]:
    """What stands in the database, newest first."""
    url = f"sqlite:///{folder / 'aibridge.db'}"
    async with open_storage(url, clock=SystemClock(), owner="reader") as storage:
        return await storage.store.list(InterceptionFilter(), Page())


async def exit_code(up: Served) -> int:
    """Of a process that is about to end."""
    with anyio.fail_after(20):
        return await up.process.wait()


async def test_sigterm_lets_running_answers_finish(tmp_path: Path) -> None:
    """No new connection is accepted, the running stream ends whole, the exit code is 0."""
    script = Paused()
    async with raw_upstream(script) as upstream, served(tmp_path, upstream.url) as up, httpx.AsyncClient() as client:
        async with client.stream("POST", f"{up.url}/anthropic/v1/messages", content=BODY, headers=HEADERS) as answer:
            pieces = answer.aiter_raw()
            assert await anext(pieces) == START
            up.process.terminate()
            await refused(up.url)
            script.go_on.set()
            assert b"".join([piece async for piece in pieces]) == END
        assert await exit_code(up) == 0
    (found,) = await kept(tmp_path)
    assert found.status is Status.COMPLETED


async def refused(url: str) -> None:
    """Return when nobody listens there any more."""
    with anyio.fail_after(10):
        while True:
            try:
                async with httpx.AsyncClient() as client:
                    await client.get(f"{url}/healthz")
            except httpx.TransportError:
                return


async def test_answers_that_outlast_the_deadline_are_interrupted(tmp_path: Path) -> None:
    """The client sees a broken answer, the trail says why, the process ends in good order."""
    async with raw_upstream(Paused()) as upstream:
        more = {"AIBRIDGE_SHUTDOWN_TIMEOUT": "0.2"}
        async with served(tmp_path, upstream.url, **more) as up, httpx.AsyncClient() as client:
            with pytest.raises(httpx.RemoteProtocolError):
                async with client.stream(
                    "POST", f"{up.url}/anthropic/v1/messages", content=BODY, headers=HEADERS
                ) as answer:
                    async for piece in answer.aiter_raw():
                        assert piece == START
                        up.process.terminate()
            assert await exit_code(up) == 0
    (found,) = await kept(tmp_path)
    assert found.status is Status.INTERRUPTED
    assert found.error_message == "the gateway shut down before the answer was complete"
    assert found.ended_at is not None


async def test_a_killed_process_loses_no_interception(tmp_path: Path) -> None:
    """Answers that were complete stand completely in the trail; open ones are closed by the next process."""
    script = Paused()
    async with raw_upstream(script) as upstream, served(tmp_path, upstream.url) as up, httpx.AsyncClient() as client:
        url = f"{up.url}/anthropic/v1/messages"
        script.go_on.set()
        for _ in range(3):
            answer = await client.post(url, content=BODY, headers=HEADERS)
            assert answer.content == START + END
        script.go_on = anyio.Event()
        with pytest.raises(httpx.RemoteProtocolError):
            async with client.stream("POST", url, content=BODY, headers=HEADERS) as stream:
                async for _ in stream.aiter_raw():
                    up.process.kill()
        assert await exit_code(up) == -9
    assert [found.status for found in await kept(tmp_path)] == [Status.IN_FLIGHT] + [Status.COMPLETED] * 3
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'aibridge.db'}")
    async with gateway(settings, clock=LaterClock()):
        found = await kept(tmp_path)
    assert [each.status for each in found] == [Status.INTERRUPTED] + [Status.COMPLETED] * 3
    assert all(each.ended_at and each.records for each in found[1:])


async def test_a_living_process_keeps_its_open_interceptions(tmp_path: Path) -> None:
    """Another one on the same database doesn't touch them while the lease is fresh."""
    script = Paused()
    async with (
        raw_upstream(script) as upstream,
        running_gateway(tmp_path, upstream.url) as up,
        up.client() as client,
        client.stream("POST", "/anthropic/v1/messages", content=BODY, headers=up.anthropic) as answer,
    ):
        pieces = answer.aiter_raw()
        assert await anext(pieces) == START
        async with gateway(Settings(database_url=f"sqlite:///{tmp_path / 'aibridge.db'}")):
            (found,) = await up.interceptions()
        assert found["status"] == "in_flight"
        script.go_on.set()
        assert await anext(pieces) == END
