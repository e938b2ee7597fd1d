"""The writing thread: groups, back-pressure, and a database that refuses."""

import logging
import sqlite3
import threading
from contextlib import asynccontextmanager, suppress
from functools import partial

import anyio
import anyio.lowlevel
import pytest

from aibridge_adapters.storage.sqlite import create_schema
from aibridge_adapters.storage.sqlite.files import connect_writer
from aibridge_adapters.storage.sqlite.identity import SqliteIdentityStore
from aibridge_adapters.storage.sqlite.leases import SqliteLeases
from aibridge_adapters.storage.sqlite.readers import Readers
from aibridge_adapters.storage.sqlite.recorder import SqliteRecorder
from aibridge_adapters.storage.sqlite.store import SqliteInterceptionStore
from aibridge_adapters.storage.sqlite.works import Call
from aibridge_adapters.storage.sqlite.writer import Writer
from aibridge_core.errors import RecordingFailed, StoreUnavailable
from aibridge_core.identity import AlreadyExists, User
from aibridge_core.records import InterceptionFilter, Page, PromptUsage, Status
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.samples import Samples

pytestmark = pytest.mark.anyio

CAPACITY = 64 * 1024
"""Small, so that the queue is full soon."""


class Bench:
    """A writer whose connection the test can watch and hamper, and the ports on top of it."""

    def __init__(self, file):
        self.file = file
        self.statements = []
        self.writer = Writer(self._connect, owner="gateway-1", capacity=CAPACITY)
        self.readers = Readers(file)
        self.recorder = SqliteRecorder(self.writer)
        self.store = SqliteInterceptionStore(self.readers)
        self.identity = SqliteIdentityStore(self.writer, self.readers)
        self.leases = SqliteLeases(self.writer, "gateway-1")

    def _connect(self):
        connection = connect_writer(self.file)
        connection.set_trace_callback(self.statements.append)
        return connection

    @property
    def commits(self):
        """How many transactions were committed."""
        return self.statements.count("COMMIT")

    async def pragma(self, text):
        """Set something on the writer's connection."""
        await self.writer.do(Call(lambda connection: connection.execute(f"PRAGMA {text}").fetchall()))

    @asynccontextmanager
    async def busy(self):
        """While this is open the thread does nothing else, so that work piles up."""
        entered, leave = threading.Event(), threading.Event()

        def wait(_connection):
            entered.set()
            assert leave.wait(60)

        self.writer.put(Call(wait))
        await anyio.to_thread.run_sync(entered.wait, 60)
        try:
            yield
        finally:
            leave.set()


@pytest.fixture
async def bench(tmp_path):
    """An open one, on a new database."""
    file = tmp_path / "aibridge.db"
    create_schema(file, FakeClock())
    bench = Bench(file)
    await bench.writer.start()
    yield bench
    bench.readers.close()
    await bench.writer.close()


@pytest.fixture
def samples():
    """Values to write."""
    return Samples()


async def test_a_group_is_one_commit(bench, samples):
    """A hundred starts that wait together cost one flush to disk."""
    starts = [samples.start() for _ in range(100)]
    async with anyio.create_task_group() as tasks, bench.busy():
        before = bench.commits
        for start in starts:
            tasks.start_soon(bench.recorder.begin, start)
        await anyio.wait_all_tasks_blocked()
    assert bench.commits - before == 2  # what kept the thread busy, and the group
    assert await bench.store.count(InterceptionFilter()) == 100


async def test_records_share_the_flush_of_the_end(bench, samples):
    """One request that is alone costs two flushes: one for its start, one for everything else."""
    start = samples.start()
    before = bench.commits
    await bench.recorder.begin(start)
    for number in range(5):
        await bench.recorder.record([samples.prompt(start, f"prompt {number}")])
    await bench.recorder.end(samples.ended(start))
    assert bench.commits - before == 2


async def test_records_do_not_wait_for_an_end(bench, samples):
    """A record gets to the disk soon after it was taken, also while its answer goes on."""
    start = samples.start()
    await bench.recorder.begin(start)
    await bench.recorder.record([samples.prompt(start, "early")])
    with anyio.fail_after(30):
        while not (await bench.store.get(start.id)).records:
            await anyio.lowlevel.checkpoint()
    assert (await bench.store.get(start.id)).status is Status.IN_FLIGHT


async def test_a_full_queue_slows_its_callers(bench, samples):
    """While the disk lags behind, `record` holds its callers back; nothing is dropped."""
    start, text = samples.start(), "x" * (CAPACITY // 8)
    await bench.recorder.begin(start)
    returned = []

    async def record(number):
        await bench.recorder.record([samples.prompt(start, f"{number}{text}")])
        returned.append(number)

    async with anyio.create_task_group() as tasks, bench.busy():
        for number in range(12):
            tasks.start_soon(record, number)
        await anyio.wait_all_tasks_blocked()
        assert len(returned) < 12
    await bench.recorder.end(samples.ended(start))
    assert sorted(returned) == list(range(12))
    assert len((await bench.store.get(start.id)).records) == 12


async def test_records_of_cancelled_callers_are_kept_while_the_queue_is_full(bench, samples):
    """Cancelling a caller that is held back loses nothing of what it brought."""
    start, text = samples.start(), "x" * CAPACITY
    await bench.recorder.begin(start)
    async with bench.busy():
        for number in range(3):
            with anyio.CancelScope() as scope:
                scope.cancel()
                await bench.recorder.record([samples.prompt(start, f"{number}{text}")])
            assert scope.cancelled_caught
    await bench.recorder.end(samples.ended(start))
    assert [record.fact.prompt[0] for record in (await bench.store.get(start.id)).records] == ["0", "1", "2"]


async def test_a_cancelled_waiter_harms_nobody(bench, samples):
    """Of a group, those who no longer wait are written too, and the others are answered."""
    starts = [samples.start() for _ in range(6)]
    async with anyio.create_task_group() as tasks, bench.busy():
        with anyio.CancelScope() as cancelled:
            async with anyio.create_task_group() as impatient:
                for start in starts[:3]:
                    impatient.start_soon(bench.recorder.begin, start)
                for start in starts[3:]:
                    tasks.start_soon(bench.recorder.begin, start)
                await anyio.wait_all_tasks_blocked()
                cancelled.cancel()
    assert await bench.store.count(InterceptionFilter()) == 6


async def test_a_call_of_the_same_group_makes_a_thread(bench, samples):
    """A start finds the tool call it answers also when both wait in one group, and only what came before it."""
    parent, other = samples.start(), samples.start()
    child = samples.start(correlating_tool_call_id="call_1")
    await bench.recorder.begin(parent)
    await bench.recorder.begin(other)
    async with anyio.create_task_group() as tasks, bench.busy():
        await bench.recorder.record([samples.tool_call(parent, "call_1")])
        tasks.start_soon(bench.recorder.begin, child)
        await anyio.wait_all_tasks_blocked()
        await bench.recorder.record([samples.tool_call(other, "call_1")])
    assert (await bench.store.get(child.id)).thread_parent_id == parent.id


@pytest.mark.parametrize("place", [0, 20, 40])
async def test_a_bad_row_fails_alone(bench, samples, place):
    """A start that no column takes fails its own request; the others of its group are kept."""
    good = [samples.start() for _ in range(40)]
    bad = samples.start(model=object())
    failed = []

    async def begin(start):
        try:
            await bench.recorder.begin(start)
        except RecordingFailed:
            failed.append(start.id)

    async with anyio.create_task_group() as tasks, bench.busy():
        for start in [*good[:place], bad, *good[place:]]:
            tasks.start_soon(begin, start)
        await anyio.wait_all_tasks_blocked()
    assert failed == [bad.id]
    assert await bench.store.count(InterceptionFilter()) == len(good)


async def test_a_lost_record_shows_at_the_end(bench, samples, caplog):
    """A record that failed after `record` had returned makes its interception's end fail, and no other's.

    The log says so without quoting the record.
    """
    start, other = samples.start(), samples.start()
    for each in (start, other):
        await bench.recorder.begin(each)
    kept = samples.prompt(start, "kept")
    lost = samples.record(start, PromptUsage(response_id=object(), prompt="a secret"))
    with caplog.at_level(logging.DEBUG):
        await bench.recorder.record([lost, kept])
        await bench.recorder.end(samples.ended(other))
        with pytest.raises(RecordingFailed, match=f"a record of interception {start.id} was lost"):
            await bench.recorder.end(samples.ended(start))
    assert f"a record of interception {start.id} is lost" in caplog.text
    assert "a secret" not in caplog.text
    found = await bench.store.get(start.id)
    assert (found.status, list(found.records)) == (Status.COMPLETED, [kept])
    await bench.recorder.end(samples.ended(start))  # was said once


async def test_of_many_the_bad_ones_fail(bench, samples, caplog):
    """In a group that takes several statements it is the bad end, and the one with a bad record, that fail."""
    starts = [samples.start() for _ in range(40)]
    for start in starts:
        await bench.recorder.begin(start)
    outcomes = {}

    async def finish(number, start):
        fact = PromptUsage(response_id=object() if number == 38 else "msg_1", prompt="hello")
        await bench.recorder.record([samples.record(start, fact)])
        changes = {"error_message": object()} if number == 37 else {}
        try:
            await bench.recorder.end(samples.ended(start, **changes))
        except RecordingFailed as error:
            outcomes[number] = str(error)

    async with anyio.create_task_group() as tasks, bench.busy():
        for number, start in enumerate(starts):
            tasks.start_soon(finish, number, start)
        await anyio.wait_all_tasks_blocked()
    assert outcomes.keys() == {37, 38}
    assert outcomes[38].startswith(f"a record of interception {starts[38].id} was lost")
    assert f"the end of interception {starts[37].id} is not recorded" in caplog.text
    found = {each.start.id: each for each in await bench.store.list(InterceptionFilter(), Page())}
    assert [found[start.id].status is Status.COMPLETED for start in starts] == [n != 37 for n in range(40)]
    assert [len(found[start.id].records) for start in starts] == [int(n != 38) for n in range(40)]


async def test_an_end_without_a_beginning(bench, samples, caplog):
    """Fails, and the log says so."""
    stray = samples.start()
    with pytest.raises(RecordingFailed, match="has not begun"):
        await bench.recorder.end(samples.ended(stray))
    assert f"the end of interception {stray.id} is not recorded" in caplog.text


async def test_a_group_that_came_to_nothing_is_forgotten(bench, samples):
    """A call that was seen in a transaction, and then not kept, doesn't hide the one that gets its number."""
    allowed = iter([1])  # the call, the first time; when the group is tried in halves the disk is full, say
    await bench.recorder.begin(its := samples.start())
    await bench.recorder.record([samples.tool_call(its, "before")])
    await bench.recorder.end(samples.ended(its))
    await bench.recorder.begin(samples.start(correlating_tool_call_id="before"))

    def arm(connection):
        connection.create_function("allowed", 0, lambda: next(allowed, 0))
        for table, when in (("tool_usages", "allowed() = 0"), ("interceptions", "new.model = 'poison'")):
            connection.execute(
                f"CREATE TEMP TRIGGER stop_{table} BEFORE INSERT ON {table} WHEN {when} "
                "BEGIN SELECT RAISE(ROLLBACK, 'no'); END"
            )

    await bench.writer.do(Call(arm))
    answer = samples.start(correlating_tool_call_id="undone", model="poison")
    refused = []

    async def attempt():
        try:
            await bench.recorder.begin(answer)
        except RecordingFailed as error:
            refused.append(error)

    async with anyio.create_task_group() as tasks, bench.busy():
        await bench.recorder.record([samples.tool_call(its, "undone")])
        tasks.start_soon(attempt)
        await anyio.wait_all_tasks_blocked()
    assert len(refused) == 1
    await bench.writer.do(Call(lambda connection: connection.execute("DROP TRIGGER stop_tool_usages") and None))
    await bench.recorder.record([samples.tool_call(its, "done")])
    for call_id, parent in (("done", its.id), ("undone", None), ("before", its.id)):
        await bench.recorder.begin(start := samples.start(correlating_tool_call_id=call_id))
        assert (await bench.store.get(start.id)).thread_parent_id == parent


async def test_a_value_that_cannot_be_written(bench, samples):
    """Values without a form on disk fail as a recording, not as a crash: a time without zone, an object."""
    naive = samples.start(started_at=samples.clock.now().replace(tzinfo=None))
    strange = samples.start(metadata={"x": object()})
    for start in (naive, strange):
        with pytest.raises(RecordingFailed, match="can't hold this"):
            await bench.recorder.begin(start)
    assert await bench.store.count(InterceptionFilter()) == 0


async def test_a_full_disk(bench, samples):
    """While the database can't grow, starts are refused with the reason; when it can again, the writer goes on."""
    await bench.recorder.begin(samples.start())
    await bench.pragma("max_page_count = 1")  # SQLite takes the present size instead, which is enough to fill it
    running = samples.start()
    await bench.recorder.begin(running)
    with pytest.raises(RecordingFailed, match="full"):
        for _ in range(100):
            await bench.recorder.begin(samples.start(user_agent="x" * 10_000))
    await bench.recorder.record([samples.prompt(running, "y" * 100_000)])
    with pytest.raises(RecordingFailed, match="full"):
        await bench.recorder.end(samples.ended(running))
    await bench.pragma("max_page_count = 1000000")
    start = samples.start()
    await bench.recorder.begin(start)
    await bench.recorder.record([samples.prompt(start, "y" * 100_000)])
    await bench.recorder.end(samples.ended(start))
    assert (await bench.store.get(start.id)).status is Status.COMPLETED


async def test_a_full_disk_fails_no_more_than_it_must(bench, samples):
    """Of a group too large for the disk, what fits is kept; each caller learns which it was."""
    await bench.pragma("max_page_count = 1")
    starts = [samples.start(user_agent="x" * (50_000 if number == 5 else 10)) for number in range(16)]
    outcomes = {}

    async def begin(start):
        outcomes[start.id] = True
        try:
            await bench.recorder.begin(start)
        except RecordingFailed:
            outcomes[start.id] = False

    async with anyio.create_task_group() as tasks, bench.busy():
        for start in starts:
            tasks.start_soon(begin, start)
        await anyio.wait_all_tasks_blocked()
    assert outcomes[starts[5].id] is False
    found = await bench.store.list(InterceptionFilter(), Page())
    assert {each.start.id for each in found} == {id for id, kept in outcomes.items() if kept}
    assert found


async def test_a_locked_database(bench, samples):
    """Another program that holds the database makes starts fail after the lock timeout; afterwards all is well."""
    await bench.pragma("busy_timeout = 1")
    holder = sqlite3.connect(bench.file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(RecordingFailed, match="locked"):
        await bench.recorder.begin(samples.start())
    with pytest.raises(StoreUnavailable, match="locked"):
        await bench.leases.renew(samples.clock.now())
    with pytest.raises(StoreUnavailable, match="locked"):
        await bench.identity.add_user(User(id="1", username="ann", created_at=samples.clock.now()))
    holder.execute("ROLLBACK")
    holder.close()
    await bench.recorder.begin(samples.start())
    assert await bench.store.count(InterceptionFilter()) == 1


async def test_half_of_a_change_is_none(bench, samples):
    """A change of several statements that fails midway leaves nothing, and what shares its group stays."""
    start = samples.start()

    def change(connection):
        connection.execute("INSERT INTO gateway_processes VALUES ('half', 1)")
        raise AlreadyExists("no")

    failed = []

    async def attempt():
        try:
            await bench.writer.do(Call(change))
        except AlreadyExists:
            failed.append(True)

    async with anyio.create_task_group() as tasks, bench.busy():
        tasks.start_soon(bench.recorder.begin, start)
        tasks.start_soon(attempt)
        await anyio.wait_all_tasks_blocked()
    assert failed == [True]
    count = "SELECT count(*) FROM gateway_processes"
    assert await bench.readers.run(lambda connection: connection.execute(count).fetchone()) == (0,)
    assert await bench.store.count(InterceptionFilter()) == 1


async def test_the_thread_survives_a_broken_connection(bench, samples, caplog):
    """If its connection breaks in a way nobody foresaw, the thread reports, opens another and goes on."""
    with suppress(Exception):
        await bench.writer.do(Call(lambda connection: connection.close()))
    with suppress(RecordingFailed):
        await bench.recorder.begin(samples.start())
    start = samples.start()
    await bench.recorder.begin(start)
    assert (await bench.store.get(start.id)).start == start


async def test_after_closing(bench, samples):
    """A closed storage refuses, instead of hanging or forgetting."""
    start = samples.start()
    await bench.recorder.begin(start)
    bench.readers.close()
    await bench.writer.close()
    for attempt in (
        partial(bench.recorder.begin, samples.start()),
        partial(bench.recorder.record, [samples.prompt(start, "late")]),
        partial(bench.recorder.end, samples.ended(start)),
    ):
        with pytest.raises(RecordingFailed, match="closed"):
            await attempt()
    for attempt in (partial(bench.leases.renew, samples.clock.now()), partial(bench.store.count, InterceptionFilter())):
        with pytest.raises(StoreUnavailable, match="closed"):
            await attempt()


async def test_a_database_that_is_gone(bench, samples):
    """Reading a broken database says that it is unavailable."""
    await bench.writer.do(Call(lambda connection: connection.execute("DROP TABLE user_prompts") and None))
    await bench.recorder.begin(samples.start())
    with pytest.raises(StoreUnavailable, match="user_prompts"):
        await bench.store.list(InterceptionFilter(), Page())
