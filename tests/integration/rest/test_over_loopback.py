"""The API behind a real server: bytes on a socket, and long pages that leave the loop to others."""

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config

from aibridge_adapters.http.rest import RestApi
from aibridge_core.records import PromptUsage
from aibridge_core.testing.memory import MemoryStorage
from integration.rest.conftest import app_on
from integration.rest.people import ADMIN, ANN, token
from integration.rest.trail import RICH, Story, end, start, tell_all

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def served(app: RestApi) -> AsyncIterator[str]:
    """The API on a free port of the loopback; gives its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]  # the server closes it
    config.accesslog = config.errorlog = None
    ended = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: serve(app, config, shutdown_trigger=ended.wait))  # type: ignore[arg-type]
        yield f"http://127.0.0.1:{port}"
        ended.set()


async def test_it_works_over_a_socket() -> None:
    """GET, HEAD, an error and a refused method on one keep-alive connection."""
    storage = MemoryStorage()
    await tell_all(storage.recorder)
    async with served(app_on(storage.store)) as url, httpx.AsyncClient(base_url=url) as client:
        client.headers["Authorization"] = f"Bearer {token(ADMIN)}"
        page = await client.get("/interceptions")
        assert (page.status_code, page.json()["count"]) == (200, 5)
        assert int(page.headers["content-length"]) == len(page.content)
        head = await client.head("/interceptions")
        assert (head.content, head.headers["content-length"]) == (b"", page.headers["content-length"])
        assert (await client.get(f"/interceptions/{RICH.start.id}")).json()["id"] == RICH.start.id
        assert (await client.get("/interceptions?limit=x")).status_code == 400
        assert (await client.post("/interceptions", content=b"{}")).status_code == 405
        assert (await client.get("/users/me", headers={"Authorization": ""})).status_code == 401


async def test_a_full_page_of_long_prompts_arrives_whole_and_lets_others_run() -> None:
    """1000 rows of 20 KB each: every byte arrives, and other tasks get their turn while it is encoded."""
    storage = MemoryStorage()
    prompt = "ü" * 10_000
    for number in range(1, 1001):
        facts = (PromptUsage(response_id="m", prompt=f"{number} {prompt}"),)
        await Story(start=start(number, ANN, minutes=number), facts=facts, end=end(number, minutes=number)).tell(
            storage.recorder
        )
    app = app_on(storage.store)
    turns = 0
    answered = anyio.Event()

    async def count_turns() -> None:
        nonlocal turns
        while not answered.is_set():
            turns += 1
            await anyio.lowlevel.checkpoint()

    transport = httpx.ASGITransport(app)
    client = httpx.AsyncClient(transport=transport, base_url="http://gateway.test")
    async with client, anyio.create_task_group() as tasks:
        tasks.start_soon(count_turns)
        answer = await client.get("/interceptions?limit=1000", headers={"Coder-Session-Token": token(ADMIN)})
        answered.set()
    page = json.loads(answer.content)
    assert [row["user_prompts"][0]["prompt"] for row in page["results"]] == [
        f"{n} {prompt}" for n in range(1000, 0, -1)
    ]
    assert turns > len(answer.content) / (64 * 1024 * 2)
