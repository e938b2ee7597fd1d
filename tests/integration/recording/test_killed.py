"""kill -9 under load: what clients saw complete stands completely in the trail, and nothing that began is missing."""

import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import anyio
import httpx
import pytest

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.compose import gateway
from aibridge_adapters.config import RecordingSettings, Settings
from aibridge_adapters.storage import open_storage
from aibridge_core.records import Interception, InterceptionFilter, Page, PromptUsage, Status, TokenUsage
from integration.recording.conversation import END, START
from support.process import served
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import ADMIN_TOKEN

pytestmark = pytest.mark.anyio

CLIENTS = 8
ENOUGH = 60
"""Complete answers before the process is killed."""
HEADERS = {"x-api-key": ADMIN_TOKEN, "content-type": "application/json"}


class LaterClock(SystemClock):
    """Runs ahead by more than a lease, as if that time had passed since the others' last sign of life."""

    def now(self):
        return super().now() + timedelta(seconds=RecordingSettings().lease + 1)


class Clients:
    """They ask without end, each time something else, and remember what was answered completely."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answered: list[str] = []
        self.enough = anyio.Event()

    async def one(self, name: int) -> None:
        async with httpx.AsyncClient(timeout=20) as client:
            number = 0
            while True:
                number += 1
                prompt = f"{name}/{number}"
                body = {"model": "m-1", "stream": True, "messages": [{"role": "user", "content": prompt}]}
                try:
                    answer = await client.post(self.url, content=json.dumps(body), headers=HEADERS)
                except httpx.TransportError:
                    return
                if answer.content == START + END:
                    self.answered.append(prompt)
                if len(self.answered) >= ENOUGH:
                    self.enough.set()


async def answers(request: Received, answer: Answering) -> None:
    await answer.head(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
    await answer.chunk(START)
    await anyio.sleep(0.002)
    await answer.chunk(END)
    await answer.raw(b"0\r\n\r\n")


@asynccontextmanager
async def upstream() -> AsyncIterator[tuple[str, list[str]]]:
    """A provider: its address, and the prompts it was asked."""
    asked: list[str] = []

    async def script(request: Received, answer: Answering) -> None:
        asked.append(json.loads(request.body)["messages"][0]["content"])
        await answers(request, answer)

    async with raw_upstream(script) as running:
        yield running.url, asked


async def after_a_restart(folder: Path) -> Sequence[Interception]:
    """The trail once a new process has taken over."""
    url = f"sqlite:///{folder / 'aibridge.db'}"
    async with gateway(Settings(database_url=url), clock=LaterClock()) as up:
        with anyio.fail_after(20):
            while up.recording.waiting or up.recording.adopting:
                await anyio.sleep(0.01)
    async with open_storage(url, clock=SystemClock(), owner="reader") as storage:
        return await storage.store.list(InterceptionFilter(), Page(limit=10_000))


@pytest.mark.parametrize("policy", ["refuse", "spool", "spool without a database"])
async def test_killed_under_load(tmp_path: Path, policy: str) -> None:
    """Complete answers have their prompt and their tokens; all else is closed; every upstream call has its row."""
    settings = {"AIBRIDGE_RECORDING_POLICY": policy.split(maxsplit=1)[0], "AIBRIDGE_RECORDING_TIMEOUT": "300ms"}
    async with upstream() as (upstream_url, asked), served(tmp_path, upstream_url, **settings) as up:
        clients = Clients(f"{up.url}/anthropic/v1/messages")
        with ExitStack() as lock:
            async with anyio.create_task_group() as tasks:
                for name in range(CLIENTS):
                    tasks.start_soon(clients.one, name)
                if policy.endswith("database"):
                    connection = lock.enter_context(closing(sqlite3.connect(tmp_path / "aibridge.db", timeout=10)))
                    connection.isolation_level = None
                    connection.execute("BEGIN EXCLUSIVE")
                with anyio.fail_after(30):
                    await clients.enough.wait()
                up.process.kill()
            await up.process.wait()
    trail = await after_a_restart(tmp_path)
    complete = {
        fact.prompt
        for each in trail
        if each.status is Status.COMPLETED and any(isinstance(record.fact, TokenUsage) for record in each.records)
        for fact in (record.fact for record in each.records)
        if isinstance(fact, PromptUsage)
    }
    assert set(clients.answered) <= complete
    assert len(trail) >= len(asked) >= ENOUGH
    assert {each.status for each in trail} <= {Status.COMPLETED, Status.INTERRUPTED}
    assert len(complete) == sum(each.status is Status.COMPLETED for each in trail)
    assert len(list(tmp_path.glob("spool/*"))) == 0
