"""Several gateways on one PostgreSQL database, with no coordination beyond it."""

from contextlib import AsyncExitStack
from datetime import timedelta

import anyio
import pytest

from aibridge_core.records import InterceptionFilter, InterceptionStart, Page, Status
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.contract.base import completed, read
from aibridge_core.testing.samples import ANN, BEN, FACTS, Samples
from integration.postgres.opening import opened, raw, rows

pytestmark = pytest.mark.anyio


async def test_many_gateways_write_at_once(postgres_url):
    """All is kept, and counted once, though twelve of them add to the same counts all the time."""
    samples = Samples()
    async with AsyncExitStack() as stack:
        storages = [await stack.enter_async_context(opened(postgres_url, f"gateway-{n}")) for n in range(12)]

        async def requests(storage, initiator):
            for number in range(15):
                start = samples.start(initiator=initiator, model=f"model-{number % 3}")
                await storage.recorder.begin(start)
                await storage.recorder.record([samples.record(start, fact) for fact in FACTS])
                status = (Status.COMPLETED, Status.FAILED)[number % 2]
                await storage.recorder.end(samples.ended(start, status))

        async with anyio.create_task_group() as tasks:
            for number, storage in enumerate(storages):
                tasks.start_soon(requests, storage, (ANN, BEN)[number % 2])
        store = storages[0].store
        assert await store.count(InterceptionFilter()) == 180
        assert await store.count(InterceptionFilter(initiator_id=BEN.id)) == 90
        assert await store.count(InterceptionFilter(status=Status.FAILED, model="model-1")) == 12 * 3
        found = await store.list(InterceptionFilter(), Page(limit=1000))
        assert [len(each.records) for each in found] == [len(FACTS)] * 180


async def test_a_tool_call_of_another_gateway(postgres_url):
    """A request continues the thread that another gateway recorded."""
    samples = Samples()
    async with opened(postgres_url, "gateway-1") as one, opened(postgres_url, "gateway-2") as two:
        parent = samples.start()
        await one.recorder.begin(parent)
        await one.recorder.record([samples.tool_call(parent, "toolu_1")])
        await one.recorder.end(samples.ended(parent))
        child = await completed(two, samples, correlating_tool_call_id="toolu_1")
        assert (child.thread_parent_id, child.session_id) == (parent.id, parent.id)


class Replicas:
    """Two gateways, each with a clock of its own, that renew their leases when they are told."""

    def __init__(self, one, two, one_clock, two_clock):
        self.one, self.two = one, two
        self.clocks = {id(one): one_clock, id(two): two_clock}

    async def renew(self, storage, *, after: float) -> None:
        """So many seconds later than this process's clock says; time does not really pass in tests."""
        await storage.leases.renew(self.clocks[id(storage)].now() + timedelta(seconds=after))

    async def judge(self, storage, *, after: float) -> int:
        """Look for orphans, so many seconds later."""
        now = self.clocks[id(storage)].now() + timedelta(seconds=after)
        return await storage.leases.interrupt_orphans(now, older_than=20.0)


@pytest.fixture
async def replicas(postgres_url):
    """Their clocks disagree by an hour."""
    fast = FakeClock()
    fast.turn(3600)
    slow = FakeClock()
    async with opened(postgres_url, "fast", clock=fast) as one, opened(postgres_url, "slow", clock=slow) as two:
        yield Replicas(one, two, fast, slow)


async def in_flight(storage, samples: Samples) -> InterceptionStart:
    """An interception that runs."""
    start = samples.start()
    await storage.recorder.begin(start)
    return start


async def test_clocks_that_disagree(replicas):
    """Whose clock is an hour fast takes nobody for dead who renews; whose clock is slow finds the dead all the same."""
    samples = Samples()
    for second in range(0, 60, 5):
        await replicas.renew(replicas.one, after=second)
        await replicas.renew(replicas.two, after=second)
    theirs = [await in_flight(replicas.one, samples), await in_flight(replicas.two, samples)]
    assert await replicas.judge(replicas.one, after=60) == 0
    assert await replicas.judge(replicas.two, after=60) == 0
    for second in range(60, 80, 5):
        await replicas.renew(replicas.two, after=second)
    assert await replicas.judge(replicas.two, after=80) == 1
    assert (await read(replicas.two, theirs[0])).status is Status.INTERRUPTED
    assert (await read(replicas.two, theirs[1])).status is Status.IN_FLIGHT


async def test_after_an_outage_nobody_is_taken_for_dead(replicas):
    """Nobody could renew while the database was away; who comes back first waits until the others had their turn."""
    samples = Samples()
    for storage in (replicas.one, replicas.two):
        await replicas.renew(storage, after=0)
    start = await in_flight(replicas.two, samples)
    await replicas.renew(replicas.one, after=300)
    assert await replicas.judge(replicas.one, after=300) == 0
    assert (await read(replicas.two, start)).status is Status.IN_FLIGHT
    for second in range(305, 320, 5):
        await replicas.renew(replicas.one, after=second)
        assert await replicas.judge(replicas.one, after=second) == 0
    for second in (320, 325):
        await replicas.renew(replicas.one, after=second)
    assert await replicas.judge(replicas.one, after=325) == 1


async def test_a_newcomer_judges_nobody_at_once(replicas):
    """A process that has just begun to renew can't tell who is dead from who could not renew; it waits its time."""
    samples = Samples()
    await replicas.renew(replicas.two, after=-300)
    await in_flight(replicas.two, samples)
    await replicas.renew(replicas.one, after=0)
    assert await replicas.judge(replicas.one, after=0) == 0
    for second in range(5, 26, 5):
        await replicas.renew(replicas.one, after=second)
    assert await replicas.judge(replicas.one, after=25) == 1


async def test_a_killed_gateway(postgres_url):
    """Its interceptions are interrupted by another one, its completed ones stay, and nobody else's are touched."""
    samples = Samples()
    clock = FakeClock()
    async with opened(postgres_url, "alive", clock=clock) as alive:
        mine = await in_flight(alive, samples)
        async with opened(postgres_url, "dead", clock=clock) as dead:
            await dead.leases.renew(clock.now())
            done = await completed(dead, samples)
            orphan = await in_flight(dead, samples)
        for second in range(0, 30, 5):
            await alive.leases.renew(clock.now() + timedelta(seconds=second))
        later = clock.now() + timedelta(seconds=26)
        assert await alive.leases.interrupt_orphans(later, older_than=20.0) == 1
        assert (await read(alive, orphan)).status is Status.INTERRUPTED
        assert await read(alive, done.start) == done
        assert (await read(alive, mine)).status is Status.IN_FLIGHT
    assert await rows(postgres_url, "SELECT owner FROM gateway_processes") == [("alive",)]


async def test_one_of_several_finds_each_orphan(postgres_url):
    """Of gateways that look at the same time, one closes each orphan, and the counts are right."""
    samples, clock = Samples(), FakeClock()
    async with opened(postgres_url, "dead", clock=clock) as dead:
        for _ in range(20):
            await in_flight(dead, samples)
    found = []
    async with AsyncExitStack() as stack, raw(postgres_url):
        storages = [await stack.enter_async_context(opened(postgres_url, f"g-{n}", clock=clock)) for n in range(4)]

        async def judge(storage):
            found.append(await storage.leases.interrupt_orphans(clock.now(), older_than=20.0))

        async with anyio.create_task_group() as tasks:
            for storage in storages:
                tasks.start_soon(judge, storage)
        assert sum(found) == 20
        assert await storages[0].store.count(InterceptionFilter(status=Status.INTERRUPTED)) == 20
        assert await storages[0].store.count(InterceptionFilter()) == 20
