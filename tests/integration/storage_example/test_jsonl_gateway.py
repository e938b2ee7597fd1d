"""A whole gateway on the example: the installed distribution, found by its entry point, in processes of their own."""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from aibridge_jsonl import open_storage

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.compose import gateway
from aibridge_adapters.config import ProviderSettings, Settings
from aibridge_adapters.scripted_provider import scripted_provider
from aibridge_core.records import InterceptionFilter, Page, PromptUsage, Status
from support.process import AIBRIDGE, Served, environment, served
from support.raw_upstream import Answering, Received, raw_upstream

pytestmark = pytest.mark.anyio

QUESTION = {"model": "claude-x", "max_tokens": 99, "messages": [{"role": "user", "content": "Hello. no tools"}]}
VERSION = {"anthropic-version": "2023-06-01"}
ASKED_OF_A_STREAM = {**QUESTION, "stream": True}


def settings_of(folder: Path, example_installed: Path) -> dict[str, str]:
    """Variables of a gateway on a file of JSON lines, with the example on its path."""
    return {
        "AIBRIDGE_DATABASE_URL": f"jsonl:///{folder / 'trail.jsonl'}",
        "PYTHONPATH": str(example_installed),
    }


def aibridge(folder: Path, more: dict[str, str], *arguments: str) -> str:
    """What a command prints."""
    variables = environment(folder, "http://127.0.0.1:9", **more)
    command = [str(AIBRIDGE), *arguments]
    done = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def kept(folder: Path, more: dict[str, str]):
    """What stands in the file, newest first."""
    async with open_storage(more["AIBRIDGE_DATABASE_URL"], clock=SystemClock(), owner="reader") as storage:
        return await storage.store.list(InterceptionFilter(), Page())


async def test_a_gateway_on_json_lines(tmp_path: Path, example_installed: Path) -> None:
    """Users are made beside the running gateway, a question is answered and kept, the REST API shows it."""
    more = settings_of(tmp_path, example_installed)
    async with (
        scripted_provider() as provider,
        served(tmp_path, provider.base_url, **more) as up,
        httpx.AsyncClient(base_url=up.url, timeout=20) as client,
    ):
        await anyio.to_thread.run_sync(aibridge, tmp_path, more, "users", "create", "ann")
        token = await anyio.to_thread.run_sync(aibridge, tmp_path, more, "tokens", "create", "ann", "--name", "laptop")
        answer = await client.post("/anthropic/v1/messages", json=QUESTION, headers={**VERSION, "x-api-key": token})
        assert answer.status_code == 200, answer.text
        listed = await client.get("/api/v2/aibridge/interceptions", headers={"authorization": f"Bearer {token}"})
        (row,) = listed.json()["results"]
        assert (row["initiator"]["username"], row["status"]) == ("ann", "completed")
        assert row["user_prompts"][0]["prompt"] == "Hello. no tools"
        assert (await client.get("/readyz")).status_code == 200
    lines = [json.loads(line) for line in (tmp_path / "trail.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines][:1] == ["Begun"]
    assert [line["kind"] for line in lines][-1:] == ["Ended"]


async def test_a_killed_gateway(tmp_path: Path, example_installed: Path) -> None:
    """What its clients saw answered is there; what was running is closed as soon as its lease is over."""
    more = settings_of(tmp_path, example_installed)
    begun = anyio.Event()

    async def script(request: Received, answer: Answering) -> None:
        await answer.head(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        begun.set()
        await answer.hung_up()

    async with (
        raw_upstream(script) as upstream,
        served(tmp_path, upstream.url, **more) as up,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(ask_in_vain, up)
        await begun.wait()
        up.process.kill()
    (found,) = await kept(tmp_path, more)
    assert found.status is Status.IN_FLIGHT
    async with open_storage(more["AIBRIDGE_DATABASE_URL"], clock=SystemClock(), owner="next") as storage:
        later = found.start.started_at.replace(year=found.start.started_at.year + 1)
        assert await storage.leases.interrupt_orphans(later, older_than=20) == 1
    (found,) = await kept(tmp_path, more)
    assert found.status is Status.INTERRUPTED


async def ask_in_vain(up: Served) -> None:
    """A client whose answer never comes to its end."""
    headers = {"x-api-key": environment(Path(), "")["AIBRIDGE_BOOTSTRAP_ADMIN_TOKEN"]}
    async with httpx.AsyncClient(base_url=up.url, timeout=20) as client:
        with pytest.raises(httpx.TransportError):
            await client.post("/anthropic/v1/messages", json=ASKED_OF_A_STREAM, headers=headers)


def test_what_nothing_is_installed_for(tmp_path: Path, example_installed: Path) -> None:
    """A URL that nobody serves refuses the start, and the error says what is installed."""
    more = settings_of(tmp_path, example_installed) | {"AIBRIDGE_DATABASE_URL": "jsonlines:///trail.jsonl"}
    variables = environment(tmp_path, "http://127.0.0.1:9", **more)
    command = [str(AIBRIDGE), "serve"]
    done = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "no such storage is installed (plugins: jsonl://)" in done.stderr
    assert list(tmp_path.iterdir()) == []


@asynccontextmanager
async def library(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A program of somebody's own: the example's storage, passed to the gateway as an argument."""
    clock = SystemClock()
    async with (
        scripted_provider() as provider,
        open_storage(f"jsonl:///{folder}/mine.jsonl", clock=clock, owner="my-program") as storage,
        gateway(
            Settings(
                providers=(
                    ProviderSettings(type="anthropic", name="anthropic", base_url=provider.base_url, keys=("sk-1",)),
                )
            ),
            storage=storage,
        ) as running,
    ):
        ann = await running.users.create("ann")
        token = (await running.users.create_token(ann.id, name="test")).text
        transport = httpx.ASGITransport(running.asgi)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://gateway", headers={**VERSION, "x-api-key": token}
        ) as client:
            yield client


async def test_a_program_brings_the_storage_itself(tmp_path: Path) -> None:
    """The other way in: no entry point, no URL in the settings, and the trail is in the file just the same."""
    async with library(tmp_path) as client:
        answer = await client.post("/anthropic/v1/messages", json=QUESTION)
        assert answer.status_code == 200
    async with open_storage(f"jsonl:///{tmp_path}/mine.jsonl", clock=SystemClock(), owner="reader") as storage:
        (found,) = await storage.store.list(InterceptionFilter(), Page())
    assert found.status is Status.COMPLETED
    assert [each.fact.prompt for each in found.records if isinstance(each.fact, PromptUsage)] == ["Hello. no tools"]
