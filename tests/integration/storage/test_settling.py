"""What has ended gets into some indexes and the counts many together, and is read the same before and after."""

import logging
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from attrs import evolve

from aibridge_adapters.storage.sqlite import open_sqlite
from aibridge_adapters.storage.sqlite.files import connect_writer
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


async def ended(storage, samples, **start):
    """One that is over."""
    begun = samples.start(**start)
    await storage.recorder.begin(begun)
    await storage.recorder.end(samples.ended(begun))
    return begun


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
        running = samples.start()
        await storage.recorder.begin(running)
        for _ in range(2):
            await ended(storage, samples)
    assert len(fresh(file)) == 3
    assert counted(file) == 0
    async with opened(file, 3) as storage:
        for _ in range(3):
            await ended(storage, samples)
    assert fresh(file) == {running.id}
    assert counted(file) == 5
    async with opened(file, 1) as storage:
        await storage.recorder.end(samples.ended(running))
    assert fresh(file) == set()
    assert counted(file) == 6


async def test_many_that_run_hold_up_nobody(file):
    """However many began before and are still in flight, what has ended is settled."""
    samples = Samples()
    async with opened(file, 2) as storage:
        running = [samples.start() for _ in range(20)]
        for start in running:
            await storage.recorder.begin(start)
        for _ in range(4):
            await ended(storage, samples)
    assert fresh(file) == {start.id for start in running}
    assert counted(file) == 4


async def test_what_was_left_is_settled_in_pieces(file):
    """Thousands that processes left fresh don't hold up those who write: about twice as many at a time as end."""
    samples = Samples()
    moment = samples.clock.now()
    async with opened(file, 500) as storage:
        for number in range(30):
            await ended(storage, samples, started_at=moment + timedelta(minutes=number))
    left = []
    while fresh(file):
        async with opened(file, 4) as storage:
            for number in range(4):
                later = timedelta(days=1 + len(left), minutes=number)
                await ended(storage, samples, started_at=moment + later)
        left.append(len(fresh(file)))
    assert left == [25, 20, 15, 10, 5, 0]
    assert counted(file) == 54


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


async def test_a_failure_is_made_up_for(file, caplog):
    """A database that can't be written at that moment: their records are safe, so nobody fails; it is tried again."""
    samples = Samples()
    async with opened(file, 500) as storage:
        await ended(storage, samples)
    settling = Settling(every=1)
    connection = connect_writer(file)
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        connection.execute("PRAGMA busy_timeout = 0")
        settling.after(1, connection)
        other.rollback()
    ((_, level, message),) = caplog.record_tuples
    assert level == logging.WARNING
    assert "database is locked" in message
    assert len(fresh(file)) == 1
    settling.after(1, connection)
    connection.close()
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
        start = samples.start()
        await storage.recorder.begin(start)
        for status, n in ((Status.IN_FLIGHT, 1), (Status.FAILED, 0)):
            assert await storage.store.count(InterceptionFilter(status=status)) == n
        await storage.recorder.end(samples.ended(start, Status.FAILED))
        for status, n in ((Status.IN_FLIGHT, 0), (Status.FAILED, 1)):
            where = InterceptionFilter(status=status, initiator_id=start.initiator.id)
            assert await storage.store.count(where) == len(await storage.store.list(where, Page())) == n
