"""What has ended gets into some indexes and the counts many together, and is read the same before and after."""

import logging
import sqlite3
from contextlib import closing
from datetime import timedelta

import anyio
import pytest
from attrs import evolve

from aibridge_adapters.storage.sqlite import open_sqlite
from aibridge_adapters.storage.sqlite.files import connect_writer
from aibridge_adapters.storage.sqlite.recent_calls import RecentCalls
from aibridge_adapters.storage.sqlite.settling import Settling
from aibridge_core.records import InterceptionFilter, Page, Status
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.samples import ANN, BEN, Samples

pytestmark = pytest.mark.anyio

EVERYTHING = InterceptionFilter()


@pytest.fixture
def file(tmp_path):
    """Where the trail is."""
    return tmp_path / "a.db"


def opened(file, settle_every):
    """A gateway's storage."""
    return open_sqlite(str(file), clock=FakeClock(), owner="gateway-1", settle_every=settle_every)


async def begun(storage, samples, count):
    """So many that run."""
    starts = [samples.start() for _ in range(count)]
    for start in starts:
        await storage.recorder.begin(start)
    return starts


async def ended(storage, samples, **start):
    """One that is over."""
    its_start = samples.start(**start)
    await storage.recorder.begin(its_start)
    await storage.recorder.end(samples.ended(its_start))


def fresh(file):
    """Ids of what isn't settled."""
    with closing(sqlite3.connect(file)) as connection:
        return {row[0] for row in connection.execute("SELECT id FROM interceptions WHERE fresh IS NOT NULL")}


def counted(file):
    """How many the tables of counts know."""
    tables = ("daily_counts", "initiator_daily_counts")
    with closing(sqlite3.connect(file)) as connection:
        (all_of_them, by_person) = (connection.execute(f"SELECT total(n) FROM {t}").fetchone()[0] for t in tables)
    assert all_of_them == by_person
    return all_of_them


async def test_many_are_settled_together(file):
    """The last of so many brings all that have ended with it; what runs stays fresh, however old."""
    samples = Samples()
    async with opened(file, 3) as storage:
        (running,) = await begun(storage, samples, 1)
        for _ in range(2):
            await ended(storage, samples)
    assert len(fresh(file)) == 3
    assert counted(file) == 0
    async with opened(file, 3) as storage:
        await ended(storage, samples)
    assert fresh(file) == {running.id}
    assert counted(file) == 3
    async with opened(file, 1) as storage:
        await storage.recorder.end(samples.ended(running))
    assert fresh(file) == set()
    assert counted(file) == 4


async def test_restarts_leave_nothing_lying(file):
    """Processes that end before enough have are counted together; so is what dead ones left running."""
    samples = Samples()
    for number in range(12):
        async with open_sqlite(str(file), clock=FakeClock(), owner=f"gateway-{number}", settle_every=4) as storage:
            await storage.leases.renew(samples.clock.now())
            await storage.leases.interrupt_orphans(samples.clock.now(), older_than=-1)
            await begun(storage, samples, 1)
            await ended(storage, samples)
    assert len(fresh(file)) <= 6
    assert counted(file) >= 18


async def test_more_at_once_than_are_settled(file):
    """A commit with many ends settles as many; nothing is left behind for ever."""
    samples = Samples()
    async with opened(file, 2) as storage:
        starts = await begun(storage, samples, 100)
        async with anyio.create_task_group() as tasks:
            for start in starts:
                tasks.start_soon(storage.recorder.end, samples.ended(start))
    assert fresh(file) == set()


async def test_many_that_run_hold_up_nobody(file):
    """However many began before and are still in flight, what has ended is settled."""
    samples = Samples()
    async with opened(file, 2) as storage:
        running = await begun(storage, samples, 20)
        for _ in range(4):
            await ended(storage, samples)
    assert fresh(file) == {start.id for start in running}
    assert counted(file) == 4


async def test_what_was_left_is_settled_in_pieces(file):
    """Thousands that processes left fresh don't hold up those who write: a piece goes with each commit."""
    samples = Samples()
    moment = samples.clock.now()
    async with opened(file, 500) as storage:
        for number in range(30):
            await ended(storage, samples, started_at=moment + timedelta(minutes=number))
    left = []
    for number in range(4):
        async with opened(file, 4) as storage:
            await ended(storage, samples, started_at=moment + timedelta(days=1, minutes=number))
        left.append(len(fresh(file)))
    assert left == [13, 0, 1, 2]  # a start is a commit, and an end is one: twice nine, plus the new one
    async with opened(file, 500) as storage:
        for number in range(30):
            await ended(storage, samples, started_at=moment + timedelta(minutes=number))
    async with opened(file, 4) as storage:
        for number in range(4):
            await ended(storage, samples, started_at=moment + timedelta(days=2, minutes=number))
    assert len(fresh(file)) == 2  # the last two wait for two more
    assert counted(file) == 66


async def test_deleting_what_is_fresh_changes_no_counts(file):
    """By hand too: the counts know only what is settled."""
    samples = Samples()
    async with opened(file, 2) as storage:
        for number in range(3):
            await ended(storage, samples, started_at=samples.clock.now() + timedelta(days=number))
        where = InterceptionFilter(initiator_id=samples.start().initiator.id)
        assert await storage.store.count(where) == 3
    (left,) = fresh(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DELETE FROM interceptions WHERE id = ?", (left,))
        connection.commit()
    assert counted(file) == 2
    async with opened(file, 2) as storage:
        assert await storage.store.count(where) == await storage.store.count(EVERYTHING) == 2


async def test_another_process_writes_right_now(file, caplog):
    """Its lock isn't waited for, since whoever writes next waits for it anyway: the next commit tries again."""
    samples = Samples()
    async with opened(file, 500) as storage:
        await ended(storage, samples)
    settling, said = Settling(3, RecentCalls(60)), list[str]()
    with closing(connect_writer(file)) as connection, closing(sqlite3.connect(file)) as other:
        connection.set_trace_callback(said.append)
        settling.begin(connection)
        other.execute("BEGIN IMMEDIATE")
        settling.after(2, connection)
        other.rollback()
        assert len(fresh(file)) == 1
        assert said[1] == "PRAGMA busy_timeout = 0"
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (5000,)
        settling.after(0, connection)
    assert fresh(file) == set()
    assert counted(file) == 1
    assert not caplog.records


class NoMemory:
    """A connection whose process has no memory left."""

    def execute(self, *_):
        """As sqlite3 says it."""
        raise MemoryError


async def test_a_failure_is_made_up_for(file, caplog):
    """It is no error of those whose records are safe, nor the end of the thread; the next ones try again."""
    samples = Samples()
    async with opened(file, 500) as storage:
        await ended(storage, samples)
    settling = Settling(1, RecentCalls(20))
    closed = connect_writer(file)
    closed.close()
    for broken in (closed, NoMemory()):
        settling.begin(broken)
        settling.after(1, broken)
    assert [level for _, level, _ in caplog.record_tuples] == [logging.WARNING] * 4
    assert "closed database" in caplog.text
    assert "MemoryError" in caplog.text
    with closing(connect_writer(file)) as connection:
        settling.after(1, connection)
    assert fresh(file) == set()
    assert counted(file) == 1


async def test_two_gateways_settle_each_others(file):
    """Processes on one file: what one left is settled by the other, once."""
    samples = Samples()
    async with opened(file, 500) as one, opened(file, 2) as other:
        for _ in range(3):
            await ended(one, samples)
        for _ in range(2):
            await ended(other, samples)
        assert await one.store.count(EVERYTHING) == await other.store.count(EVERYTHING) == 5
    assert len(fresh(file)) <= 1
    assert counted(file) + len(fresh(file)) == 5


async def test_pages_go_on_where_settled_begins(file):
    """A list by person is whole and in order, page by page, across what is settled and what isn't."""
    samples = Samples()
    moment = samples.clock.now()
    # Old ones that end late are fresh among settled newer ones.
    starts = [
        samples.start(initiator=(ANN, BEN)[number % 2], started_at=moment + timedelta(minutes=number // 3))
        for number in range(40)
    ]
    order = sorted(range(40), key=lambda number: (number * 7) % 40)
    async with opened(file, 15) as storage:
        for number in order:
            await storage.recorder.begin(starts[number])
        for number in order:
            await storage.recorder.end(samples.ended(starts[number]))
        newest = sorted(starts, key=lambda start: (start.started_at, start.id), reverse=True)
        wanted = [start.id for start in newest if start.initiator == ANN]
        where = InterceptionFilter(initiator_id=ANN.id)
        found = [each.start.id for each in await storage.store.list(where, Page(limit=100))]
        assert found == wanted
        by_cursor, after = list[str](), None
        while page := await storage.store.list(where, Page(limit=3, after_id=after)):
            by_cursor += [each.start.id for each in page]
            after = by_cursor[-1]
        assert by_cursor == wanted
        for offset in range(0, 21):
            page = await storage.store.list(where, Page(limit=3, offset=offset))
            assert [each.start.id for each in page] == wanted[offset : offset + 3]
        assert 0 < len(fresh(file)) < 40


@pytest.mark.parametrize("old_is_settled", [True, False])
async def test_a_name_is_that_of_the_newest(file, old_is_settled):
    """Whoever was renamed is found by the new name alone, whether that or the old one is settled."""
    samples = Samples()
    names = {"old": 1, "new": 500}
    if not old_is_settled:
        names = {"old": 500, "new": 1}
    for number, (name, settle_every) in enumerate(names.items()):
        async with opened(file, settle_every) as storage:
            moment = samples.clock.now() + timedelta(days=number)
            await ended(storage, samples, initiator=evolve(ANN, username=name), started_at=moment)
            await ended(storage, samples, initiator=evolve(BEN, username="ben"), started_at=moment)
    async with opened(file, 500) as storage:
        assert await storage.store.find_initiator("new") == ANN.id
        assert await storage.store.find_initiator("old") is None
        assert await storage.store.find_initiator("ben") == BEN.id
        assert await storage.store.find_initiator(BEN.id) == BEN.id


async def test_status_of_what_is_fresh(file):
    """Its end shows at once in lists by status."""
    samples = Samples()
    async with opened(file, 500) as storage:
        (start,) = await begun(storage, samples, 1)
        for status, n in ((Status.IN_FLIGHT, 1), (Status.FAILED, 0)):
            assert await storage.store.count(InterceptionFilter(status=status)) == n
        await storage.recorder.end(samples.ended(start, Status.FAILED))
        for status, n in ((Status.IN_FLIGHT, 0), (Status.FAILED, 1)):
            where = InterceptionFilter(status=status, initiator_id=start.initiator.id)
            assert await storage.store.count(where) == len(await storage.store.list(where, Page())) == n
