"""The whole gateway over HTTP, with a database that another program locks, or that is full."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from time import monotonic

import anyio
import pytest

from aibridge_adapters.compose import Gateway
from aibridge_adapters.config import RecordingSettings
from aibridge_adapters.storage.sqlite.recorder import SqliteRecorder
from aibridge_adapters.storage.sqlite.works import Call
from aibridge_core.errors import StoreUnavailable
from integration.recording.conversation import BODY, END, MESSAGES, START, Paused, at_once
from support.raw_upstream import raw_upstream
from support.running import running_gateway

pytestmark = pytest.mark.anyio


@contextmanager
def locked(folder: Path) -> Iterator[sqlite3.Connection]:
    """Another program holds the database for itself."""
    with closing(sqlite3.connect(folder / "aibridge.db", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield connection


def recording(folder: Path, policy: str, **more: object) -> RecordingSettings:
    return RecordingSettings(policy=policy, timeout=0.3, spool_dir=folder / "spool", **more)


async def test_refuse_answers_in_time_in_the_apis_shape(tmp_path):
    """Nothing goes upstream, the client gets a 503 that it can read, and the gateway says that it is not ready."""
    async with (
        raw_upstream(at_once) as upstream,
        running_gateway(tmp_path, upstream.url, recording=recording(tmp_path, "refuse")) as up,
        up.client() as client,
    ):
        with locked(tmp_path):
            began = monotonic()
            answers = [await client.post(MESSAGES, content=BODY, headers=up.anthropic) for _ in range(5)]
            assert monotonic() - began < 1.5  # the first waits, the rest hear at once
            assert {answer.status_code for answer in answers} == {503}
            assert answers[0].json()["type"] == "error"
            assert answers[0].headers["retry-after"] == "1"
            openai = await client.post("/openai/v1/responses", content=BODY, headers=up.openai)
            assert (openai.status_code, "message" in openai.json()["error"]) == (503, True)
            assert upstream.requests == []
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/healthz")).status_code == 200
        with anyio.fail_after(10):
            while (await client.get("/readyz")).status_code != 200:
                await anyio.sleep(0.05)
        answer = await client.post(MESSAGES, content=BODY, headers=up.anthropic)
        assert answer.content == START + END
        found = await up.ended(count=len(await up.interceptions()))
        assert [each["status"] for each in found] == ["completed"] + ["failed"] * (len(found) - 1)


async def test_refuse_finishes_what_runs(tmp_path):
    """The last piece goes out while the database is locked; the records are in it afterwards."""
    script = Paused()
    async with (
        raw_upstream(script) as upstream,
        running_gateway(tmp_path, upstream.url, recording=recording(tmp_path, "refuse")) as up,
        up.client() as client,
        client.stream("POST", MESSAGES, content=BODY, headers=up.anthropic) as answer,
    ):
        pieces = answer.aiter_raw()
        assert await anext(pieces) == START
        with locked(tmp_path):
            script.go_on.set()
            assert await anext(pieces) == END
            assert up.gateway.recording.recorder.counters.buffered > 0
        (found,) = await up.ended()
        assert found["status"] == "completed"
        assert found["user_prompts"][0]["prompt"] == "hi"
        assert found["token_usages"][0]["input_tokens"] == 5


async def test_spool_serves_on(tmp_path):
    """With the database locked, requests are answered and the gateway is ready; afterwards all stand in the trail."""
    async with (
        raw_upstream(at_once) as upstream,
        running_gateway(tmp_path, upstream.url, recording=recording(tmp_path, "spool")) as up,
        up.client() as client,
    ):
        with locked(tmp_path):
            for _ in range(10):
                answer = await client.post(MESSAGES, content=BODY, headers=up.anthropic)
                assert answer.content == START + END
            assert (await client.get("/readyz")).status_code == 200
            assert up.gateway.recording.recorder.counters.spooled > 20
        found = await up.ended(count=10)
        assert {each["status"] for each in found} == {"completed"}
        assert all(each["user_prompts"] and each["token_usages"] for each in found)


async def test_a_full_disk(tmp_path):
    """A database that can't grow refuses new requests, in time, and loses nothing of those that ran."""
    script = Paused()
    async with (
        raw_upstream(script) as upstream,
        running_gateway(tmp_path, upstream.url, recording=recording(tmp_path, "refuse")) as up,
        up.client() as client,
        client.stream("POST", MESSAGES, content=BODY, headers=up.anthropic) as answer,
    ):
        pieces = answer.aiter_raw()
        await anext(pieces)
        await no_more_pages(up.gateway)
        upstream.script = at_once
        with anyio.fail_after(10):
            while (await client.post(MESSAGES, content=BODY, headers=up.anthropic)).status_code != 503:
                pass
        script.go_on.set()
        assert await anext(pieces) == END
        await write(up.gateway, "PRAGMA max_page_count = 1000000")
        with anyio.fail_after(10):
            while (await client.get("/readyz")).status_code != 200 or up.gateway.recording.waiting:
                await anyio.sleep(0.05)
        found = await up.ended(count=len(await up.interceptions()))
        assert found[-1]["status"] == "completed"
        assert found[-1]["user_prompts"][0]["prompt"] == "hi"
        assert up.gateway.recording.recorder.counters.dropped == 0


async def no_more_pages(up: Gateway) -> None:
    """SQLite takes the present size as the largest one, and the pages that are free are filled."""
    await write(up, "CREATE TABLE filling (text)")
    await write(up, "PRAGMA max_page_count = 1")
    with suppress(StoreUnavailable, sqlite3.Error):
        while True:
            await write(up, "INSERT INTO filling VALUES (zeroblob(1000))")


async def write(up: Gateway, sql: str) -> None:
    """On the gateway's own connection, since the limit is that of a connection."""
    recorder = up.storage.recorder
    assert isinstance(recorder, SqliteRecorder)
    await recorder._writer.do(Call(lambda connection: connection.execute(sql) and None))
