"""Which tool call a result answers is known from the first moment on, wherever the call stands right now."""

import sqlite3
from contextlib import AsyncExitStack, closing, suppress
from datetime import timedelta
from functools import partial

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aibridge_adapters.storage.sqlite import call_index, create_schema, open_sqlite
from aibridge_adapters.storage.sqlite.files import connect_writer
from aibridge_adapters.storage.sqlite.recent_calls import MANY, RecentCalls
from aibridge_adapters.storage.sqlite.recorder import SqliteRecorder
from aibridge_adapters.storage.sqlite.works import Call
from aibridge_adapters.storage.sqlite.writer import Writer
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.memory import MemoryStorage
from aibridge_core.testing.samples import Samples

pytestmark = pytest.mark.anyio

FOR_EACH = 10
"""Calls that gather for each interception that is settled at once."""


@pytest.fixture
def file(tmp_path):
    """Where the trail is."""
    return tmp_path / "a.db"


def opened(file, settle_every):
    """A gateway's storage."""
    return open_sqlite(str(file), clock=FakeClock(), owner="gateway-1", settle_every=settle_every)


async def called(storage, samples, *call_ids, **call):
    """An interception that made these calls, and is over."""
    start = samples.start()
    await storage.recorder.begin(start)
    await storage.recorder.record([samples.tool_call(start, call_id, **call) for call_id in call_ids])
    await storage.recorder.end(samples.ended(start))
    return start.id


async def caller(storage, samples, call_id):
    """Whom a new request belongs to that carries the result of this call."""
    start = samples.start(correlating_tool_call_id=call_id)
    await storage.recorder.begin(start)
    return (await storage.store.get(start.id)).thread_parent_id


async def done(storage, samples):
    """Return when the writer has done what it does after the ends that have been answered: it does all in turn."""
    await storage.recorder.begin(samples.start())


def indexed(file):
    """Ids of calls in the index, and whether it is whole as far as it goes."""
    with closing(sqlite3.connect(file)) as connection:
        (upto,) = connection.execute("SELECT number FROM tool_calls_indexed").fetchone()
        rows = connection.execute("SELECT * FROM tool_calls ORDER BY usage").fetchall()
        due = "SELECT provider_tool_call_id, created_at, number FROM tool_usages WHERE provider_tool_call_id <> ''"
        known = connection.execute(f"{due} ORDER BY number").fetchall()
    assert set(rows) <= set(known)
    assert {row for row in known if row[2] <= upto} <= set(rows)
    return [row[0] for row in rows]


WRITE = """
INSERT INTO tool_usages (interception_id, id, provider_response_id, provider_tool_call_id, provider_item_id,
    server_url, tool, input, injected, invocation_error, created_at)
VALUES (?1, ?2, '', ?2, '', '', 'Read', '', 0, '', 1)
"""
"""A call of that interception, as another program writes it."""


def written(connection, its, call_ids):
    """Calls of that interception, all at once."""
    connection.execute("BEGIN")
    connection.executemany(WRITE, [(its, call_id) for call_id in call_ids])
    connection.execute("COMMIT")


async def test_calls_get_into_the_index_together(file):
    """Found before, meanwhile and after, and by the next process, too."""
    samples, made = Samples(), {}
    async with opened(file, 1) as storage:
        for number in range(FOR_EACH - 1):
            made[f"call {number}"] = await called(storage, samples, f"call {number}")
        await done(storage, samples)
        assert indexed(file) == []
        for call_id, its in made.items():
            assert await caller(storage, samples, call_id) == its
    async with opened(file, 1) as storage:
        for call_id, its in made.items():
            assert await caller(storage, samples, call_id) == its
        last = await called(storage, samples, "the last")
        assert await caller(storage, samples, "the last") == last
        await called(storage, samples, "another")  # its end is when the others get there
    assert indexed(file) == [*made, "the last"]
    async with opened(file, 1) as storage:
        for call_id, its in {**made, "the last": last}.items():
            assert await caller(storage, samples, call_id) == its
        assert await caller(storage, samples, "unknown") is None


async def test_of_calls_with_one_id_the_newest_counts_wherever_it_is(file):
    """By its own time, not by when it was written: the newest may be in the index, and an older one in memory."""
    samples, moment = Samples(), FakeClock().now()
    async with opened(file, 1) as storage:
        newest = await called(storage, samples, "call_1", created_at=moment + timedelta(days=1))
        for number in range(FOR_EACH + 1):
            await called(storage, samples, f"call {number}")
        await done(storage, samples)
        assert "call_1" in indexed(file)
        await called(storage, samples, "call_1", created_at=moment)
        assert await caller(storage, samples, "call_1") == newest
        newer = await called(storage, samples, "call_1", created_at=moment + timedelta(days=2))
        assert await caller(storage, samples, "call_1") == newer


@pytest.mark.parametrize("written_last", [0, 1])
async def test_of_calls_at_one_moment_the_largest_record_id_counts_wherever_it_is(file, written_last):
    """One in the index, one in memory."""
    samples, moment = Samples(), FakeClock().now()
    starts = [samples.start(), samples.start()]
    calls = [samples.tool_call(start, "call_1", created_at=moment + timedelta(days=1)) for start in starts]
    async with opened(file, 1) as storage:
        for number in (1 - written_last, written_last):
            await storage.recorder.begin(starts[number])
            await storage.recorder.record([calls[number]])
            await storage.recorder.end(samples.ended(starts[number]))
            if number == 1 - written_last:
                for other in range(FOR_EACH + 1):
                    await called(storage, samples, f"call {other}", created_at=moment)
        await done(storage, samples)
        assert indexed(file).count("call_1") == 1
        assert await caller(storage, samples, "call_1") == starts[1].id


async def test_ids_that_come_again_and_again(file):
    """In the index, too, it is the newest by its own time, and of those the one with the largest record id."""
    samples, moment = Samples(), FakeClock().now()
    async with opened(file, 1) as storage:
        made = [
            await called(storage, samples, "call_1", "call_1", created_at=moment + timedelta(days=days))
            for days in (1, 3, 3, 2, 0, 0)
        ]
        await done(storage, samples)
        assert indexed(file) == ["call_1"] * FOR_EACH
        assert await caller(storage, samples, "call_1") == made[2]


async def test_a_broken_connection_breaks_off_a_move(file):
    """The next connection begins it anew."""
    samples = Samples()
    writer = Writer(partial(connect_writer, file), owner="gateway-1", settle_every=1)
    create_schema(file, FakeClock())
    await writer.start()
    recorder = SqliteRecorder(writer)
    start = samples.start()
    await recorder.begin(start)
    await recorder.record([samples.tool_call(start, f"call {number}") for number in range(FOR_EACH)])
    await recorder.end(samples.ended(start))  # a move has begun
    for broken in (Call(lambda connection: connection.close()), samples.start()):
        with suppress(Exception):
            await writer.do(broken)
    for _ in range(3):
        await recorder.begin(start := samples.start())
        await recorder.end(samples.ended(start))
    await writer.close()
    assert len(indexed(file)) == FOR_EACH


async def test_two_gateways_know_each_others_calls(file):
    """Whichever writes, and whichever moves them."""
    samples = Samples()
    async with opened(file, 1000) as one, opened(file, 1) as other:
        made = [await called((one, other)[number % 2], samples, f"call {number}") for number in range(3 * FOR_EACH)]
        await done(other, samples)
        assert indexed(file)
        for number, its in enumerate(made):
            assert await caller(one, samples, f"call {number}") == its
            assert await caller(other, samples, f"call {number}") == its
    async with opened(file, 1) as one:
        for number in range(2 * FOR_EACH):
            await called(one, samples, f"more {number}")
    assert len(indexed(file)) == len(set(indexed(file))) >= 4 * FOR_EACH


async def test_a_call_that_was_removed(file):
    """Is answered by nobody, though a process has known it; an older one with its id counts again."""
    samples, moment = Samples(), FakeClock().now()
    async with opened(file, 1000) as storage:
        older = await called(storage, samples, "call_1", created_at=moment)
        newer = await called(storage, samples, "call_1", "only here", created_at=moment + timedelta(days=1))
        assert await caller(storage, samples, "call_1") == newer
        with closing(connect_writer(file)) as other:
            other.execute("DELETE FROM interceptions WHERE id = ?", (newer,))
        assert await caller(storage, samples, "only here") is None
        assert await caller(storage, samples, "call_1") == older


async def test_a_removed_call_is_in_no_index(file):
    """The index loses it with its interception, and doesn't get it afterwards."""
    samples = Samples()
    async with opened(file, 1) as storage:
        first = await called(storage, samples, *(f"first {number}" for number in range(FOR_EACH)))
        second = await called(storage, samples, "second")
        await done(storage, samples)
        assert len(indexed(file)) == FOR_EACH
        with closing(connect_writer(file)) as other:
            other.executemany("DELETE FROM interceptions WHERE id = ?", [(first,), (second,)])
        assert indexed(file) == []
        for number in range(FOR_EACH):
            await called(storage, samples, f"third {number}")
    assert len(indexed(file)) == FOR_EACH - 1


async def test_many_that_another_program_wrote(file):
    """They go straight into the index, and not into memory."""
    samples = Samples()
    async with opened(file, 1) as storage:
        its = await called(storage, samples, "call 0")
        count = MANY * FOR_EACH + 1
        with closing(connect_writer(file)) as other:
            written(other, its, (f"import {number}" for number in range(count)))
        assert await caller(storage, samples, "import 7") == its
        assert await caller(storage, samples, "call 0") == its
        assert len(indexed(file)) >= count
        later = await called(storage, samples, "later")
        assert await caller(storage, samples, "later") == later


async def test_what_another_process_moved_counts_too(file):
    """The newest call of an id stays the newest when one gateway has moved it, and another has dropped it."""
    samples, moment = Samples(), FakeClock().now()
    async with opened(file, 1) as one, opened(file, 1) as other:
        await caller(one, samples, "unknown")
        newest = await called(other, samples, "call_1", created_at=moment + timedelta(seconds=10))
        for number in range(FOR_EACH + 2):
            await called(other, samples, f"other's {number}", created_at=moment)
        await done(other, samples)
        assert "call_1" in indexed(file)
        await caller(one, samples, "unknown")
        for number in range(FOR_EACH + 4):
            await called(one, samples, f"one's {number}", created_at=moment)
        await done(one, samples)
        assert "one's 0" in indexed(file)
        await called(one, samples, "call_1", created_at=moment + timedelta(seconds=9))
        assert await caller(one, samples, "call_1") == await caller(other, samples, "call_1") == newest


async def test_what_is_written_while_many_are_indexed(file):
    """A call that another process commits in the middle of it is behind the index, and found."""
    async with opened(file, 1) as storage:
        its = await called(storage, Samples(), "call 1")
    with closing(connect_writer(file)) as connection, closing(connect_writer(file)) as other:
        written(other, its, (f"import {number}" for number in range(MANY * FOR_EACH + 1)))
        late = iter(["late"])
        connection.set_trace_callback(lambda sql: "newest_at = max" in sql and written(other, its, late))
        recent = RecentCalls(FOR_EACH)
        recent.move(connection)
        assert next(late, None) is None
        assert len(indexed(file)) == MANY * FOR_EACH + 2
        for each in (recent, RecentCalls(FOR_EACH)):
            assert each.parents(connection, {"late", "import 7"}) == {"late": (its, its), "import 7": (its, its)}


async def test_beside_a_faster_gateway(file):
    """What the other one has moved is neither kept in memory nor moved again, however much it is."""
    async with opened(file, 1) as storage:
        its = await called(storage, Samples(), "call 1")
    with closing(connect_writer(file)) as connection, closing(connect_writer(file)) as other:
        slow, fast, said = RecentCalls(FOR_EACH), RecentCalls(FOR_EACH), list[str]()
        connection.set_trace_callback(said.append)
        for number in range(20):
            written(other, its, (f"call {number}.{each}" for each in range(2 * FOR_EACH)))
            for _ in range(2):
                fast.move(other)
            call_id = f"call {number}.7"
            assert slow.parents(connection, {call_id}) == {call_id: (its, its)}
            assert slow.known <= MANY * FOR_EACH
        written(other, its, (f"more {each}" for each in range(MANY * FOR_EACH)))
        for _ in range(2):
            fast.move(other)
        assert slow.parents(connection, {"more 0", "call 0.7"}).keys() == {"more 0", "call 0.7"}
        assert {sql.split()[0] for sql in said} == {"SELECT"}


@pytest.mark.parametrize("oddly", ["CAST(x'ff' AS TEXT)", "1e400"])
async def test_what_another_program_wrote_oddly(file, oddly):
    """A row that can't be read harms no other: nobody asks for it."""
    samples = Samples()
    async with opened(file, 1) as storage:
        its = await called(storage, samples, "call 1")
        with closing(connect_writer(file)) as other:
            written(other, its, ["odd", "call 2"])
            column = "created_at" if "e" in oddly else "provider_tool_call_id"
            other.execute(f"UPDATE tool_usages SET {column} = {oddly} WHERE id = 'odd'")
        for call_id in ("call 1", "call 2"):
            assert await caller(storage, samples, call_id) == its
        later = await called(storage, samples, "later")
        assert await caller(storage, samples, "later") == later


async def test_what_was_rolled_back_is_forgotten(file):
    """A transaction that sees its own calls, and then fails, takes them with it."""
    samples = Samples()
    async with opened(file, 1000) as storage:
        its = await called(storage, samples, "kept")
    recent = RecentCalls(FOR_EACH)
    with closing(connect_writer(file)) as connection:
        connection.execute("BEGIN")
        connection.execute(WRITE, (its, "undone"))
        assert recent.parents(connection, {"undone"}) == {"undone": (its, its)}
        connection.rollback()
        recent.forget()
        written(connection, its, ["done"])  # gets the number of the one that was undone
        assert recent.parents(connection, {"undone", "done", "kept"}).keys() == {"done", "kept"}


async def test_calls_are_moved_in_pieces(file):
    """A move begins, moves what has come since twice as fast, and can break off anywhere."""
    samples = Samples()
    async with opened(file, 1000) as storage:
        made = await called(storage, samples, *(f"call {number:02}" for number in range(20)))
    with closing(connect_writer(file)) as connection:
        sizes, recent = [], RecentCalls(20, piece=3)
        for _ in range(5):
            recent.move(connection)
            sizes.append(len(indexed(file)))
        assert sizes == [0, 3, 6, 9, 12]
        recent = RecentCalls(20, piece=3)  # another process: it begins anew
        recent.move(connection)
        written(connection, made, (f"new {number}" for number in range(5)))
        recent.move(connection)
        assert len(indexed(file)) == 12  # of 10 that were moved again
        recent.move(connection)
        assert len(indexed(file)) == 13
        everything = {f"call {number:02}" for number in range(20)} | {f"new {number}" for number in range(5)}
        assert recent.parents(connection, everything) == dict.fromkeys(everything, (made, made))
        for _ in range(4):
            recent.move(connection)
        assert indexed(file) == sorted(everything)[:20]
        assert recent.parents(connection, everything) == dict.fromkeys(everything, (made, made))


@pytest.mark.parametrize("later", [-1, 1])
async def test_the_newest_is_known_while_calls_are_moved(file, later):
    """It may be on its way already, and an older one behind it, or the other way round."""
    samples, moment = Samples(), FakeClock().now()
    async with opened(file, 1000) as storage:
        first = await called(storage, samples, "call_1", "call_2", created_at=moment)
        with closing(connect_writer(file)) as connection:
            recent = RecentCalls(2)
            recent.move(connection)
            second = await called(storage, samples, "call_1", created_at=moment + timedelta(days=later))
            newest = max((later, second), (0, first))[1]
            assert recent.parents(connection, {"call_1"}) == {"call_1": (newest, newest)}


async def test_two_that_fill_the_index(file):
    """Whoever is done last doesn't take back what the other has done."""
    async with opened(file, 1000) as storage:
        await called(storage, Samples(), *(f"call {number}" for number in range(7)))
    with closing(connect_writer(file)) as one, closing(connect_writer(file)) as other:
        move = call_index.Move.begun(one, 3)
        call_index.fill(other, 7, at_once=2)
        reached = call_index.reaches(other)
        assert reached[0] == len(indexed(file)) == 7
        assert move.go_on(one, 100)
        assert call_index.reaches(one) == reached


async def test_forgotten_in_the_middle(file):
    """Nothing is left of a move, nor counted twice, on whichever connection it goes on."""
    async with opened(file, 1000) as storage:
        await called(storage, Samples(), *(f"call {number:02}" for number in range(15)))
    recent = RecentCalls(15, piece=5)
    with closing(connect_writer(file)) as connection:
        for _ in range(2):
            recent.move(connection)
        assert len(indexed(file)) == 5
    recent.forget()
    recent.most = 16
    with closing(connect_writer(file)) as connection:
        for _ in range(3):
            recent.move(connection)
        assert (len(indexed(file)), recent.known) == (5, 15)
        recent.forget()
        for _ in range(3):
            recent.move(connection)
        assert (len(indexed(file)), recent.known) == (5, 15)
        recent.most = 15
        for _ in range(4):
            recent.move(connection)
        assert (len(indexed(file)), recent.known) == (15, 0)


async def test_a_call_that_is_removed_while_it_is_moved(file):
    """It was on its way to the index, and doesn't get there."""
    samples = Samples()
    async with opened(file, 1000) as storage:
        kept = await called(storage, samples, "call 1", "call 3")
        removed = await called(storage, samples, "call 2", "call 4")
    with closing(connect_writer(file)) as connection:
        recent = RecentCalls(4, piece=1)
        recent.move(connection)
        connection.execute("DELETE FROM interceptions WHERE id = ?", (removed,))
        for _ in range(4):
            recent.move(connection)
        assert indexed(file) == ["call 1", "call 3"]
        assert recent.parents(connection, {"call 1", "call 2", "call 3", "call 4"}) == {
            "call 1": (kept, kept),
            "call 3": (kept, kept),
        }


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.just("answer"), st.integers(0, 4), st.just(0)),
        st.tuples(st.just("remove"), st.integers(1, 9), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
    ),
    max_size=80,
)


@given(steps=STEPS)
@settings(max_examples=60)
def test_like_the_plainest_words(tmp_path_factory, steps):
    """Calls with few ids, at any times, answers, removals, restarts: linked as the storage in memory links them."""
    file = tmp_path_factory.mktemp("calls") / "a.db"
    anyio.run(replay, file, [*steps, *[("answer", which, 0) for which in range(4)]])
    indexed(file)


async def replay(file, steps):
    """Both do the same; each answer's parent and root have to be the same."""
    samples, memory, moment = Samples(), MemoryStorage(), FakeClock().now()
    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(opened(file, 1))
        for what, which, when in steps:
            both = (memory, storage)
            if what == "call":
                start = samples.start()
                call = samples.tool_call(start, f"call_{which}", created_at=moment + timedelta(days=when))
                ended = samples.ended(start)
                for each in both:
                    await each.recorder.begin(start)
                    await each.recorder.record([call])
                    await each.recorder.end(ended)
            elif what == "answer":
                start = samples.start(correlating_tool_call_id=f"call_{which}")
                for each in both:
                    await each.recorder.begin(start)
                ours, theirs = [await each.store.get(start.id) for each in both]
                assert (ours.thread_parent_id, ours.thread_root_id) == (theirs.thread_parent_id, theirs.thread_root_id)
            elif what == "remove":
                removed = [
                    await each.retention.delete_interceptions(started_before=samples.clock.now(), limit=which)
                    for each in both
                ]
                assert removed[0] == removed[1]
            else:
                await stack.aclose()
                storage = await stack.enter_async_context(opened(file, 1))
