"""A PostgreSQL that breaks connections, stops, or says nothing: nobody is told anything untrue, and all heals."""

import time
from collections.abc import Callable
from contextlib import suppress

import anyio
import pytest

from aibridge_adapters.storage import Limits, Storage
from aibridge_core.errors import RecordingFailed, StoreUnavailable
from aibridge_core.records import Interception, InterceptionFilter, InterceptionStart, Record, Status
from aibridge_core.testing.contract.base import completed, read
from aibridge_core.testing.samples import FACTS, Samples
from integration.postgres.opening import Raw, opened, raw
from support.faulty_way import faulty_way

pytestmark = pytest.mark.anyio

KILL = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'aibridge'
"""
BLOCKED = """
SELECT count(*) FROM pg_locks
WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
SLEEPY = """
CREATE FUNCTION sleepy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN new; END $$;
CREATE TRIGGER sleepy BEFORE INSERT ON user_prompts FOR EACH ROW EXECUTE FUNCTION sleepy()
"""
EVERYTHING = InterceptionFilter()


async def until(connection: Raw, query: str, enough: Callable[[int], bool]) -> None:
    """Wait until the query's number is enough; fails the test after ten seconds."""
    with anyio.fail_after(10):
        while True:
            (number,) = await (await connection.execute(query)).fetchone() or (0,)
            if enough(number):
                return
            await anyio.sleep(0.01)


async def insist(write: Callable[[], object]) -> int:
    """Write again and again until it succeeds; how often it failed."""
    failures = 0
    with anyio.fail_after(20):
        while True:
            try:
                await write()  # type: ignore[misc]
            except RecordingFailed:
                failures += 1
                await anyio.sleep(0.02)
            else:
                return failures


async def test_connections_are_killed_all_the_time(postgres_url):
    """Whatever was said to be kept is there, and what was tried again is there once."""
    samples = Samples()
    starts = [samples.start() for _ in range(100)]
    records = {start.id: [samples.record(start, fact) for fact in FACTS] for start in starts}
    ends = {start.id: samples.ended(start) for start in starts}
    finished = killed = written = 0

    async def request(storage: Storage, start: InterceptionStart) -> None:
        nonlocal finished, written

        async def rest() -> None:
            await storage.recorder.record(records[start.id])
            await storage.recorder.end(ends[start.id])

        await insist(lambda: storage.recorder.begin(start))
        written += 1
        await insist(rest)
        written += 1
        finished += 1

    async def kill() -> None:
        nonlocal killed
        pause, before = 0.03, 0
        async with raw(postgres_url) as connection:
            while finished < len(starts):
                killed += (await (await connection.execute(KILL)).fetchone() or (0,))[0]
                # A busy machine may need longer than this to connect and write: then nothing would ever be written.
                pause = 0.03 if written > before else min(2 * pause, 1.0)
                before = written
                await anyio.sleep(pause)

    async with opened(postgres_url, limits=Limits(patience=0.1)) as storage, anyio.create_task_group() as tasks:
        tasks.start_soon(kill)
        for worker in range(10):

            async def work(mine: list[InterceptionStart]) -> None:
                for start in mine:
                    await request(storage, start)
                    await anyio.sleep(0.03)

            tasks.start_soon(work, starts[worker::10])
    assert killed > 5
    async with opened(postgres_url) as storage:
        for start in starts:
            assert list((await read(storage, start)).records) == records[start.id]
        assert await storage.store.count(InterceptionFilter(status=Status.COMPLETED)) == len(starts)


async def test_a_connection_killed_in_mid_transaction(postgres_url):
    """What was under way is written on a new connection, and whoever waits never learns of it."""
    samples = Samples()
    start, record = samples.start(), None
    async with opened(postgres_url) as storage, raw(postgres_url) as other, anyio.create_task_group() as tasks:
        await storage.recorder.begin(start)
        record = samples.prompt(start, "once")
        await other.execute("BEGIN")
        await other.execute("LOCK TABLE token_usages")
        await storage.recorder.record([record, *(samples.record(start, fact) for fact in FACTS)])
        tasks.start_soon(storage.recorder.end, samples.ended(start))
        await until(other, BLOCKED, lambda waiting: waiting > 0)
        await other.execute(KILL)
        await other.execute("COMMIT")
    async with opened(postgres_url) as storage:
        found = await read(storage, start)
        assert (found.status, len(found.records)) == (Status.COMPLETED, 1 + len(FACTS))


async def test_idle_connections_that_are_gone(postgres_url):
    """A server that closed idle connections, as it does when it restarts, is noticed by nobody."""
    samples = Samples()
    async with opened(postgres_url) as storage, raw(postgres_url) as other:
        before = await completed(storage, samples)
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(storage.store.count, EVERYTHING)
        await other.execute(KILL)
        assert await storage.store.get(before.start.id) == before
        await storage.leases.renew(samples.clock.now())
        await completed(storage, samples)


async def test_the_server_stops_and_starts(own_postgres):
    """Without a server everything fails soon and says so; with it everything goes on, on the same storage."""
    samples = Samples()
    own_postgres.create("trail")
    async with opened(own_postgres.url("trail")) as storage:
        before = await completed(storage, samples)
        running = samples.start()
        await storage.recorder.begin(running)
        own_postgres.stop("immediate")
        await fails_soon(storage, samples, running)
        own_postgres.start()
        with anyio.fail_after(5):
            await insist(lambda: storage.recorder.begin(samples.start()))
        assert await storage.store.get(before.start.id) == before
        late = samples.prompt(running, "written again")
        await storage.recorder.record([late])
        await storage.recorder.end(samples.ended(running))
        assert (await read(storage, running)).status is Status.COMPLETED


async def fails_soon(storage: Storage, samples: Samples, running: InterceptionStart) -> None:
    """Every port on a database that is away."""
    began = time.monotonic()
    with pytest.raises(RecordingFailed, match="the database does not answer"):
        await storage.recorder.begin(samples.start())
    await storage.recorder.record([samples.prompt(running, "lost")])
    with pytest.raises(RecordingFailed):
        await storage.recorder.end(samples.ended(running))
    with pytest.raises(StoreUnavailable):
        await storage.store.count(EVERYTHING)
    with pytest.raises(StoreUnavailable):
        await storage.identity.users()
    with pytest.raises(StoreUnavailable):
        await storage.leases.renew(samples.clock.now())
    assert time.monotonic() - began < 4


async def test_a_lost_record_shows_at_the_end(own_postgres):
    """A record that could not be written makes its interception's end fail, though the server is back by then."""
    samples = Samples()
    own_postgres.create("trail")
    async with opened(own_postgres.url("trail"), limits=Limits(patience=0.2)) as storage:
        start = samples.start()
        await storage.recorder.begin(start)
        own_postgres.stop()
        await storage.recorder.record([samples.prompt(start, "lost")])
        with pytest.raises(RecordingFailed):  # so the record before it has been given up, too
            await storage.recorder.begin(samples.start())
        own_postgres.start()
        await insist(lambda: storage.recorder.begin(samples.start()))
        with pytest.raises(RecordingFailed, match=r"a record .*was not kept"):
            await storage.recorder.end(samples.ended(start))
        await storage.recorder.record([samples.prompt(start, "again")])
        await storage.recorder.end(samples.ended(start))


async def test_a_lock_of_somebody_else(postgres_url):
    """Whoever waits for a locked table is told after the lock timeout, and once it is free everything goes on."""
    samples = Samples()
    async with opened(postgres_url, limits=Limits(lock_timeout=0.2)) as storage, raw(postgres_url) as other:
        await other.execute("BEGIN")
        await other.execute("LOCK TABLE interceptions")
        began = time.monotonic()
        with pytest.raises(RecordingFailed):
            await storage.recorder.begin(samples.start())
        with pytest.raises(StoreUnavailable):
            await storage.store.count(EVERYTHING)
        assert time.monotonic() - began < 3
        await other.execute("COMMIT")
        await insist(lambda: storage.recorder.begin(samples.start()))


async def test_a_statement_that_takes_too_long(postgres_url):
    """It is stopped by the server, and nothing of its transaction is kept."""
    samples = Samples()
    async with opened(postgres_url, limits=Limits(statement_timeout=0.3)) as storage, raw(postgres_url) as other:
        await other.execute(SLEEPY)
        start = samples.start()
        await storage.recorder.begin(start)
        await storage.recorder.record([samples.prompt(start, "slow")])
        with pytest.raises(RecordingFailed):
            await storage.recorder.end(samples.ended(start))
        await other.execute("DROP TRIGGER sleepy ON user_prompts")
        assert (await read(storage, start)).status is Status.IN_FLIGHT
        await insist(lambda: storage.recorder.end(samples.ended(start)))


async def test_a_network_that_says_nothing(postgres_url):
    """A connection that hangs is given up, and everything goes on over a new one."""
    samples = Samples()
    limits = Limits(statement_timeout=0.1, patience=0.1)
    async with faulty_way(postgres_url) as way, opened(way.url, limits=limits) as storage:
        before = await completed(storage, samples)
        assert await storage.store.count(EVERYTHING) == 1
        way.stall()
        began = time.monotonic()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(failing, RecordingFailed, lambda: storage.recorder.begin(samples.start()))
            tasks.start_soon(failing, StoreUnavailable, lambda: storage.store.count(EVERYTHING))
        assert time.monotonic() - began < 5
        way.flow()
        await insist(lambda: storage.recorder.begin(samples.start()))
        assert await storage.store.get(before.start.id) == before


async def test_a_network_that_resets(postgres_url):
    """Connections that break with a reset at any moment cost nobody anything."""
    samples = Samples()
    async with faulty_way(postgres_url) as way, opened(way.url) as storage:
        found: list[Interception] = []
        for _ in range(20):
            way.reset()
            with suppress(StoreUnavailable):
                await storage.store.count(EVERYTHING)
            start = samples.start()
            prompt: Record = samples.prompt(start, "kept")
            await insist(lambda start=start: storage.recorder.begin(start))

            async def rest(start: InterceptionStart = start, prompt: Record = prompt) -> None:
                await storage.recorder.record([prompt])
                way.reset()
                await storage.recorder.end(samples.ended(start))

            await insist(rest)
            found.append(await read(storage, start))
        assert all(each.status is Status.COMPLETED and len(each.records) == 1 for each in found)
        assert await storage.store.count(EVERYTHING) == 20


async def failing(kind: type[Exception], action: Callable[[], object]) -> None:
    """Expect this error."""
    with pytest.raises(kind):
        await action()  # type: ignore[misc]


async def test_closing_without_a_database(own_postgres):
    """A storage closes in bounded time though the database is away, and tells who still waits."""
    samples = Samples()
    own_postgres.create("trail")
    limits = Limits(patience=60.0, farewell=0.3)
    async with anyio.create_task_group() as tasks:
        async with opened(own_postgres.url("trail"), limits=limits) as storage:
            await storage.recorder.begin(samples.start())
            own_postgres.stop()
            tasks.start_soon(failing, RecordingFailed, lambda: storage.recorder.begin(samples.start()))
            await anyio.wait_all_tasks_blocked()
            began = time.monotonic()
        assert time.monotonic() - began < 3
