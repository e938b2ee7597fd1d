"""kill -9 under load: what clients saw complete stands completely in the trail, and nothing that began is missing."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager, nullcontext
from pathlib import Path

import anyio
import pytest
from attrs import frozen

from aibridge_adapters.compose import gateway
from aibridge_adapters.config import RecordingSettings, Settings
from aibridge_core.records import Interception, InterceptionFilter, Page, Status
from integration.postgres.opening import rows
from integration.recording.load import Provider, asking, complete, provider
from support.faulty_way import faulty_way
from support.process import Served, served
from support.running import ADMIN_TOKEN

pytestmark = pytest.mark.anyio

ENOUGH = 60
"""Complete answers before the process is killed."""
HELD = 3
"""Answers that are under way then, whatever happens."""


@frozen
class Database:
    """Where the trail is kept."""

    url: str
    away: Callable[[], AbstractContextManager[None]]
    """Makes it unusable as long as the context lasts."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database."""
    sqlite = f"sqlite:///{tmp_path / 'aibridge.db'}"
    return sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
async def database(url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """The same, with somebody who can take it away."""
    if url.startswith("sqlite"):
        yield Database(url, lambda: locked(tmp_path / "aibridge.db"))
        return
    async with faulty_way(url) as way:

        @contextmanager
        def stalled() -> Iterator[None]:
            way.stall()
            yield
            way.flow()

        yield Database(way.url, stalled)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another program holds the file for itself."""
    with closing(sqlite3.connect(file, timeout=10, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


@asynccontextmanager
async def replica(folder: Path, upstream: Provider, url: str, **settings: str) -> AsyncIterator[Served]:
    """`aibridge serve` on that database, with spool files in the folder."""
    more = {"AIBRIDGE_DATABASE_URL": url, "AIBRIDGE_SPOOL_DIR": str(folder / "spool"), **settings}
    folder.mkdir(exist_ok=True)
    async with served(folder, upstream.url, **more) as up:
        yield up


async def after_a_restart(folder: Path, url: str) -> Sequence[Interception]:
    """The trail once a new process has taken over."""
    recording = RecordingSettings(spool_dir=folder / "spool", lease=0.5)
    async with gateway(Settings(database_url=url, recording=recording)) as up:
        store = up.storage.store
        with anyio.fail_after(20):
            while up.recording.waiting or await store.count(InterceptionFilter(status=Status.IN_FLIGHT)):
                await anyio.sleep(0.02)
        return await store.list(InterceptionFilter(), Page(limit=10_000))


@pytest.mark.parametrize("policy", ["refuse", "spool without a database"])
async def test_killed_under_load(tmp_path: Path, database: Database, policy: str) -> None:
    """Complete answers have their prompt and their tokens; all else is closed; every upstream call has its row."""
    name, _, without = policy.partition(" without ")
    settings = {"AIBRIDGE_RECORDING_POLICY": name, "AIBRIDGE_RECORDING_TIMEOUT": "300ms" if without else "2s"}
    async with provider() as upstream, replica(tmp_path, upstream, database.url, **settings) as up:
        async with asking(up.url, ADMIN_TOKEN, held=HELD) as clients:
            with database.away() if without else nullcontext():
                await clients.until(ENOUGH)
                up.process.kill()
                await up.process.wait()
        trail = await after_a_restart(tmp_path, database.url)
    assert set(clients.answered) <= set(complete(trail)) <= set(upstream.asked)
    assert len(trail) >= len(upstream.asked) >= ENOUGH + HELD
    assert {each.status for each in trail} == {Status.COMPLETED, Status.INTERRUPTED}
    interrupted = [each for each in trail if each.status is Status.INTERRUPTED]
    assert len(interrupted) >= HELD
    assert all(each.ended_at and each.ended_at >= each.start.started_at for each in interrupted)
    assert len(clients.broken) >= HELD
    assert list(tmp_path.glob("spool/*")) == []


async def test_one_of_two_replicas_is_killed(tmp_path: Path, postgres_url: str) -> None:
    """The other one serves on and closes what the dead one left open; its own interceptions are never touched."""
    settings = {"AIBRIDGE_RECORDING_LEASE": "4s", "AIBRIDGE_RECORDING_TIMEOUT": "2s"}
    async with (
        provider() as upstream,
        replica(tmp_path / "a", upstream, postgres_url, **settings) as dead,
        replica(tmp_path / "b", upstream, postgres_url, **settings) as alive,
        asking(alive.url, ADMIN_TOKEN, held=HELD, name="alive ") as served_on,
    ):
        async with asking(dead.url, ADMIN_TOKEN, held=HELD, name="dead ") as clients:
            await clients.until(ENOUGH)
            await served_on.until(10)
            dead.process.kill()
        await until_closed(postgres_url)
        await served_on.until(10)
        ((living, open_ones),) = await rows(
            postgres_url, "SELECT owner, count(*) FROM interceptions WHERE status = 'in_flight' GROUP BY owner"
        )
        assert open_ones >= HELD
        assert await rows(postgres_url, "SELECT owner FROM gateway_processes") == [(living,)]
        upstream.go_on.set()
    assert (served_on.broken, served_on.refused) == ([], [])
    trail = await after_a_restart(tmp_path, postgres_url)
    found = complete(trail)
    assert set(served_on.answered) <= set(found)
    assert set(clients.answered) <= set(found)
    assert sum(prompt.startswith("hold on alive") for prompt in found) == HELD
    others = await rows(postgres_url, "SELECT DISTINCT status FROM interceptions WHERE owner = %s", living)
    assert others == [("completed",)]
    assert {each.status for each in trail} == {Status.COMPLETED, Status.INTERRUPTED}
    assert len(trail) >= len(upstream.asked)


async def until_closed(url: str) -> None:
    """Until only one process is known, and nobody else has anything open; fails the test after twenty seconds."""
    query = """
        SELECT count(*), (SELECT count(*) FROM interceptions WHERE status = 'interrupted') FROM gateway_processes
    """
    with anyio.fail_after(20):
        while True:
            ((processes, interrupted),) = await rows(url, query)
            if processes == 1 and interrupted >= HELD:
                return
            await anyio.sleep(0.1)
