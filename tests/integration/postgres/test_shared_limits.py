"""PostgreSQL counts for all replicas: the contract, exactness under load, and what is left in the table."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import anyio
import pytest

from aibridge_core.errors import StoreUnavailable
from aibridge_core.limits import Limits
from aibridge_core.sharing import Question, SharedLimits
from aibridge_core.testing.shared_limits_contract import LEASE, SharedLimitsContract, World, limits
from integration.postgres.opening import raw, rows
from integration.postgres.shared_world import LOCK, PostgresWorld
from support.faulty_way import faulty_way
from support.pooler import pooled

pytestmark = pytest.mark.anyio


class TestPostgresSharedLimits(SharedLimitsContract):
    """A database of its own for each test."""

    @pytest.fixture
    async def world(self, postgres_url: str) -> AsyncIterator[World]:
        async with AsyncExitStack() as stack:
            yield PostgresWorld(postgres_url, stack)


class TestSharedLimitsBehindPooler(SharedLimitsContract):
    """Each question runs in another session of the server than the one before."""

    @pytest.fixture
    async def world(self, postgres_url: str) -> AsyncIterator[World]:
        async with pooled(postgres_url) as (pooler, url), AsyncExitStack() as stack:
            yield PostgresWorld(url, stack)
        assert pooler.transactions > 0


def question(bounds: Limits, *users: str) -> Question:
    """Of a replica where nothing runs."""
    return Question(limits=bounds, users=users, running=dict.fromkeys(users, 0), together=0, lease=LEASE)


async def test_exact_under_load(postgres_url: str) -> None:
    """Four replicas ask all the time: in no second more is let in than may be; who keeps asking gets all of it."""
    limit, enough = 20, 45
    async with AsyncExitStack() as stack:
        world = PostgresWorld(postgres_url, stack)
        replicas = [await world.replica(name) for name in ("one", "two", "three", "four")]
        let_in = 0

        async def ask(shared: SharedLimits) -> None:
            nonlocal let_in
            while let_in < enough:
                ruling = await shared.rule(question(limits(rps=limit), "ann", "bob", "eve"), within=20)
                let_in += list(ruling.verdicts).count(None)
                await anyio.sleep(0.005)

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                for shared in replicas:
                    tasks.start_soon(ask, shared)
    given = [at for at, granted in await rows(postgres_url, GIVEN) for _ in range(granted)]
    assert len(given) == let_in
    for first, last in zip(given, given[limit:], strict=False):
        assert last - first >= 1.0


GIVEN = """
SELECT extract(epoch FROM at)::double precision, granted FROM shared_admissions
WHERE members = '*' AND granted > 0 ORDER BY at
"""


async def test_a_clock_that_was_set_back(postgres_url: str) -> None:
    """By a little: nobody gets more for it. By an hour: nobody is kept out for an hour."""
    async with AsyncExitStack() as stack:
        world = PostgresWorld(postgres_url, stack)
        shared = await world.replica("one")
        asked = question(limits(rps=1), "ann")
        assert list((await shared.rule(asked, within=20)).verdicts) == [None]
        await world.wait(-0.5)
        refused = (await shared.rule(asked, within=20)).verdicts[0]
        assert refused
        assert 1 < refused.wait < 1.6
        await world.wait(-3600)
        assert list((await shared.rule(asked, within=20)).verdicts) == [None]


async def test_the_table_stays_small(postgres_url: str) -> None:
    """What nobody reads any more is removed, that of dead replicas too; what says how many run stays."""
    async with AsyncExitStack() as stack:
        world = PostgresWorld(postgres_url, stack)
        one, two = await world.replica("one"), await world.replica("two")
        for _ in range(20):
            await one.rule(question(limits(concurrent=100), "ann"), within=20)
        await two.rule(question(limits(concurrent=100, rps=100), "bob"), within=20)
        await world.wait(6)
        await world.kill("two")
        await one.tidy(lease=LEASE)
        assert await rows(postgres_url, "SELECT members, owner, running FROM shared_admissions") == [("*", "one", 1)]


async def test_a_crash_of_the_server(own_postgres) -> None:
    """Counts begin anew: the next question tells what runs, and everything goes on."""
    own_postgres.create("trail")
    bounds = limits(rps=1)
    async with AsyncExitStack() as stack:
        world = PostgresWorld(own_postgres.url("trail"), stack)
        shared = await world.replica("one")
        assert list((await shared.rule(question(bounds, "ann"), within=20)).verdicts) == [None]
        own_postgres.stop("immediate")
        with pytest.raises(StoreUnavailable):
            await shared.rule(question(bounds, "ann"), within=2)
        own_postgres.start()
        assert list((await shared.rule(question(bounds, "ann"), within=20)).verdicts) == [None]


async def test_a_network_that_says_nothing(postgres_url: str) -> None:
    """A question takes no longer than it may, and holds nobody else up; afterwards a new connection serves."""
    bounds = limits(rps=100)
    async with faulty_way(postgres_url) as way, AsyncExitStack() as stack:
        stalled = await PostgresWorld(way.url, stack).replica("stalled")
        fine = await PostgresWorld(postgres_url, stack).replica("fine")
        await stalled.rule(question(bounds, "ann"), within=20)
        way.stall()
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await stalled.rule(question(bounds, "ann"), within=0.2)
        assert 0.15 < time.monotonic() - began < 1.0
        await fine.rule(question(bounds, "ann"), within=20)
        way.flow()
        await stalled.rule(question(bounds, "ann"), within=20)


async def test_a_lock_that_somebody_holds(postgres_url: str) -> None:
    """The server itself gives up waiting, so that nothing is left of questions that nobody waits for."""
    async with AsyncExitStack() as stack:
        shared = await PostgresWorld(postgres_url, stack).replica("one")
        await shared.rule(question(limits(rps=100), "ann"), within=20)
        async with raw(postgres_url) as other, other.transaction():
            await other.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
            with pytest.raises(StoreUnavailable):
                await shared.rule(question(limits(rps=100), "ann"), within=0.2)
            with anyio.fail_after(5):
                while (await (await other.execute(WAITING)).fetchone() or (0,))[0]:
                    await anyio.sleep(0.01)
        await shared.rule(question(limits(rps=100), "ann"), within=20)


WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
