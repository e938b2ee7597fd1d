"""The whole gateway on a disk that is full: that of SQLite, of the spool file, or of the PostgreSQL server.

`test_gateway.py` has the same for a limit of SQLite's own, for machines where no small disk can be mounted.
"""

import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from time import monotonic

import anyio
import httpx
import psycopg
import pytest

from aibridge_adapters.config import RecordingSettings
from integration.recording.conversation import BODY, END, MESSAGES, START, Paused, at_once
from integration.recording.load import COMPLETE
from support.postgres import Server
from support.raw_upstream import RawUpstream, raw_upstream
from support.running import Running, running_gateway
from support.small_disk import SmallDisk, small_disk

pytestmark = pytest.mark.anyio


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    """With room for a database that is empty."""
    with small_disk(mebibytes=24) as disk:
        yield disk


@asynccontextmanager
async def a_stream(up: Running, client: httpx.AsyncClient) -> AsyncIterator[AsyncIterator[bytes]]:
    """An answer that has begun; what is left of it."""
    async with client.stream("POST", MESSAGES, content=BODY, headers=up.anthropic) as answer:
        pieces = answer.aiter_raw()
        assert await anext(pieces) == START
        yield pieces


async def fill(disk: SmallDisk, up: Running, client: httpx.AsyncClient) -> None:
    """Fill the disk, and then the pages that the database had already."""
    disk.fill()
    with anyio.fail_after(20):
        while True:
            began = monotonic()
            answer = await client.post(MESSAGES, content=BODY, headers=up.anthropic)
            if answer.status_code == 503:
                break
            assert answer.content == COMPLETE
    assert monotonic() - began < 1.5
    assert answer.json()["type"] == "error"
    with anyio.fail_after(10):  # as soon as nothing else is taken either
        while (await client.get("/readyz")).status_code != 503:
            await anyio.sleep(0.02)


async def until_lost(up: Running) -> None:
    """Until the database has failed to take what waits for it."""
    with anyio.fail_after(20):
        while not up.gateway.recording.recorder.counters.retried:
            await anyio.sleep(0.02)


async def until_well(up: Running, client: httpx.AsyncClient) -> None:
    """Until everything that waited is written, and new requests are let in."""
    with anyio.fail_after(20):
        while up.gateway.recording.waiting or (await client.get("/readyz")).status_code != 200:
            await anyio.sleep(0.02)


@asynccontextmanager
async def running_on(url: str, folder: Path, upstream: RawUpstream, policy: str) -> AsyncIterator[Running]:
    recording = RecordingSettings(policy=policy, timeout=0.5, spool_dir=folder)
    async with running_gateway(folder, upstream.url, database_url=url, recording=recording) as up:
        yield up


async def refuses_and_recovers(url: str, disk: SmallDisk, folder: Path) -> None:
    """New requests are refused in time, the running one ends well, and all is in the trail once there is room again."""
    script = Paused()
    async with (
        raw_upstream(script) as upstream,
        running_on(url, folder / "spool", upstream, "refuse") as up,
        up.client() as client,
    ):
        async with a_stream(up, client) as pieces:
            upstream.script = at_once
            await fill(disk, up, client)
            script.go_on.set()
            assert await anext(pieces) == END
        assert up.gateway.recording.recorder.counters.buffered > 0
        disk.make_room()
        await until_well(up, client)
        assert (await client.post(MESSAGES, content=BODY, headers=up.anthropic)).content == COMPLETE
        counters = up.gateway.recording.recorder.counters
        assert (counters.dropped, counters.broken_off, counters.set_aside) == (0, 0, 0)
        found = await up.interceptions(limit=1000)
        served = [each for each in found if each["status"] == "completed"]
        assert len(served) == len(upstream.requests)
        assert all(len(each["user_prompts"]) == len(each["token_usages"]) == 1 for each in served)
        assert {each["status"] for each in found} <= {"completed", "failed"}


async def test_sqlite(disk: SmallDisk, tmp_path: Path) -> None:
    """SQLite loses nothing on a full disk, and goes on once there is room."""
    await refuses_and_recovers(f"sqlite:///{disk.folder / 'aibridge.db'}", disk, tmp_path)


async def test_postgresql(disk: SmallDisk, tmp_path: Path, own_postgres: Server) -> None:
    """Nor does a PostgreSQL whose tables have no room to grow."""
    folder = disk.folder / "tables"
    folder.mkdir()
    os.chown(folder, own_postgres.folder.stat().st_uid, -1)
    with psycopg.connect(own_postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
        connection.execute("CREATE DATABASE trail TABLESPACE small")
    await refuses_and_recovers(own_postgres.url("trail"), disk, tmp_path)


async def test_the_spool_file(disk: SmallDisk, tmp_path: Path) -> None:
    """Without database and without room for its stand-in requests are refused, and an answer that ends is broken off.

    With room they go on, though the database is still away; afterwards all of them are in it.
    """
    script = Paused()
    file = tmp_path / "aibridge.db"
    async with (
        raw_upstream(script) as upstream,
        running_on(f"sqlite:///{file}", disk.folder / "spool", upstream, "spool") as up,
        up.client() as client,
    ):
        async with a_stream(up, client) as pieces:
            upstream.script = at_once
            with closing(sqlite3.connect(file, isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                assert (await client.post(MESSAGES, content=BODY, headers=up.anthropic)).content == COMPLETE
                await until_lost(up)
                await fill(disk, up, client)
                script.go_on.set()
                with pytest.raises(httpx.RemoteProtocolError):
                    await anext(pieces)
                disk.make_room()
                for _ in range(20):
                    assert (await client.post(MESSAGES, content=BODY, headers=up.anthropic)).content == COMPLETE
                assert (await client.get("/readyz")).status_code == 200
        await until_well(up, client)
        counters = up.gateway.recording.recorder.counters
        assert (counters.broken_off, counters.dropped) == (1, 2)
        found = await up.interceptions(limit=1000)
        served = [each for each in found if each["status"] == "completed"]
        assert len(served) == len(upstream.requests) - 1
        assert all(len(each["user_prompts"]) == len(each["token_usages"]) == 1 for each in served)
        assert {each["status"] for each in found} == {"completed", "failed"}
        assert "the answer was broken off" in found[-1]["error_message"]
