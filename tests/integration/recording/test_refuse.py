"""The policy `refuse`: nothing new without the database, nothing lost of what runs."""

import logging

import anyio
import pytest

from aibridge_adapters.recording.guarded import LOST, REFUSED
from aibridge_core.errors import RecordingFailed
from aibridge_core.records import PromptUsage, Status
from aibridge_core.testing.samples import FACTS, Samples
from integration.recording.scripted import COMPLETE, DEADLINE, ScriptedDatabase, finish, guarded, until, whole_request

pytestmark = pytest.mark.anyio


@pytest.fixture
def database() -> ScriptedDatabase:
    return ScriptedDatabase()


@pytest.fixture
def samples() -> Samples:
    return Samples()


async def test_a_well_database_gets_everything_once(database, samples):
    """Every call goes through, in order, and nothing is counted."""
    async with guarded(database) as up:
        start = await whole_request(up, samples)
        assert database.calls == [f"begin {start.id}", f"record {start.id}", f"end {start.id}"]
        assert await database.outcome(start) == COMPLETE
        assert up.counters == {}


@pytest.mark.parametrize("trouble", ["down", "hanging", "stalled"])
async def test_new_requests_are_refused_within_the_deadline(database, samples, trouble):
    """A database that fails or hangs refuses the first request in time; once it counts as lost, all others at once."""
    async with guarded(database) as up:
        setattr(database, trouble, True)
        with anyio.fail_after(DEADLINE + 2), pytest.raises(RecordingFailed):
            await up.recorder.begin(samples.start())
        await until(lambda: not up.recorder.accepting)
        asked = len(database.calls)
        for _ in range(100):
            with pytest.raises(RecordingFailed, match="away"):
                await up.recorder.begin(samples.start())
        assert not any(call.startswith("begin") for call in database.calls[asked + 1 :])
        assert up.counters["refused"] == 101
        await database.mend()
        await up.caught_up()
        assert await database.outcome(await whole_request(up, samples)) == COMPLETE


async def test_a_start_that_lands_late_is_ended(database, samples):
    """The request was refused, but the database takes its start afterwards: the row says that it failed, and why."""
    async with guarded(database) as up:
        database.hanging = True
        start = samples.start()
        with pytest.raises(RecordingFailed):
            await up.recorder.begin(start)
        await database.mend()
        await up.caught_up()
        kept = await database.kept(start)
        assert (kept.status, kept.error_type, kept.error_message) == (Status.FAILED, "server_error", REFUSED)
        assert kept.ended_at is not None


async def test_a_start_whose_answer_was_lost_is_ended(database, samples):
    """The connection breaks while it says that the start is durable: the same."""
    async with guarded(database) as up:
        database.forgetful = True
        start = samples.start()
        with pytest.raises(RecordingFailed):
            await up.recorder.begin(start)
        await database.mend()
        await up.caught_up()
        assert (await database.kept(start)).error_message == REFUSED


async def test_a_client_that_leaves_while_its_start_is_written(database, samples):
    """Its interception is cancelled, not open for ever."""
    async with guarded(database, deadline=20.0) as up:
        database.hanging = True
        start = samples.start()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(up.recorder.begin, start)
            await until(lambda: database.calls == [f"begin {start.id}"])
            tasks.cancel_scope.cancel()
        await database.mend()
        await up.caught_up()
        assert (await database.kept(start)).status is Status.CANCELLED


@pytest.mark.parametrize("trouble", ["down", "hanging", "stalled", "forgetful"])
@pytest.mark.parametrize("since", ["record", "end"])
async def test_running_requests_finish(database, samples, trouble, since):
    """Their records are kept in memory, and written when the database is back, each once."""
    async with guarded(database) as up:
        start = samples.start()
        await up.recorder.begin(start)
        if since == "record":
            setattr(database, trouble, True)
        await up.recorder.record([samples.record(start, fact) for fact in FACTS])
        setattr(database, trouble, True)
        await up.recorder.end(samples.ended(start))
        assert up.counters["buffered"] >= 6
        await database.mend()
        await up.caught_up()
        assert await database.outcome(start) == COMPLETE


async def test_order_within_an_interception(database, samples):
    """While a part of it waits, later records queue up behind, though the database would take them."""
    async with guarded(database, runs=False) as up:
        start = samples.start()
        await up.recorder.begin(start)
        database.down = True
        await up.recorder.record([samples.record(start, FACTS[0])])
        await database.mend()
        await up.recorder.record([samples.record(start, FACTS[1])])
        await up.recorder.end(samples.ended(start))
        assert await database.outcome(start) == (Status.IN_FLIGHT, [])


async def test_a_new_request_waits_for_what_is_behind(database, samples):
    """An answer to a tool call that is still in memory finds its thread: it begins after it."""
    async with guarded(database) as up:
        first = samples.start()
        await up.recorder.begin(first)
        database.hanging = True
        await up.recorder.record([samples.tool_call(first, "call-7")])
        await up.recorder.end(samples.ended(first))
        second = samples.start(correlating_tool_call_id="call-7")
        database.hanging = False
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(up.recorder.begin, second)
            tasks.start_soon(database.mend)
        assert (await database.kept(second)).thread_parent_id == first.id


async def test_a_full_buffer(database, samples):
    """What does not fit breaks its answer off; its row says so. What fitted is written."""
    async with guarded(database, buffer=20_000) as up:
        fits, too_large = samples.start(), samples.start()
        await up.recorder.begin(fits)
        await up.recorder.begin(too_large)
        database.down = True
        await finish(up, samples, fits)
        await up.recorder.record([samples.prompt(too_large, "x" * 20_000)])
        with pytest.raises(RecordingFailed, match="memory"):
            await up.recorder.end(samples.ended(too_large))
        assert (up.counters["broken_off"], up.counters["dropped"]) == (1, 1)
        await database.mend()
        await up.caught_up()
        assert await database.outcome(fits) == COMPLETE
        kept = await database.kept(too_large)
        assert (kept.status, kept.error_message, list(kept.records)) == (Status.FAILED, LOST, [])


async def test_room_in_the_buffer_comes_back(database, samples):
    """The bound is on what waits, not on what has waited."""
    async with guarded(database, buffer=20_000) as up:
        for _ in range(5):
            start = samples.start()
            await up.recorder.begin(start)
            database.down = True
            await up.recorder.record([samples.prompt(start, "x" * 10_000)])
            await up.recorder.end(samples.ended(start))
            await database.mend()
            await up.caught_up()
            assert (await database.kept(start)).status is Status.COMPLETED
        assert "dropped" not in up.counters


async def test_the_task_that_ends_is_cancelled(database, samples):
    """Whoever cancels it, also from outside any cancel scope, loses no record."""
    async with guarded(database, deadline=20.0) as up:
        start = samples.start()
        await up.recorder.begin(start)
        database.hanging = True

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(finish, up, samples, start)
            await until(lambda: f"record {start.id}" in database.calls)
            tasks.cancel_scope.cancel()
        await database.mend()
        await up.recorder.end(samples.ended(start, Status.CANCELLED))
        await up.caught_up()
        status, facts = await database.outcome(start)
        assert status in (Status.COMPLETED, Status.CANCELLED)
        assert facts == list(FACTS)


async def test_the_task_that_records_is_cancelled(database, samples):
    """Nobody knows whether the database took the records, so they come along with the end."""
    async with guarded(database, deadline=20.0) as up:
        start = samples.start()
        await up.recorder.begin(start)
        database.stalled = True
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(up.recorder.record, [samples.record(start, fact) for fact in FACTS])
            await until(lambda: f"record {start.id}" in database.calls)
            tasks.cancel_scope.cancel()
        await database.mend()
        await up.recorder.end(samples.ended(start))
        await up.caught_up()
        assert await database.outcome(start) == COMPLETE


async def test_the_first_end_counts(database, samples):
    """Also while it waits in memory."""
    async with guarded(database) as up:
        start = samples.start()
        await up.recorder.begin(start)
        database.down = True
        await up.recorder.end(samples.ended(start, Status.CANCELLED))
        await up.recorder.end(samples.ended(start, Status.COMPLETED))
        await database.mend()
        await up.caught_up()
        assert (await database.kept(start)).status is Status.CANCELLED


async def test_a_value_that_is_never_taken_harms_nobody(database, samples):
    """A start that the database refuses by itself is refused; others go on, at once and later."""
    async with guarded(database) as up:
        poison = samples.start()
        database.refused.add(poison.id)
        with pytest.raises(RecordingFailed):
            await up.recorder.begin(poison)
        for _ in range(20):
            assert await database.outcome(await whole_request(up, samples)) == COMPLETE
        await up.caught_up()
        assert up.counters["refused"] == 1
        assert await database.kept(poison) is None


async def test_records_that_are_never_taken_get_out_of_the_way(database, samples, caplog):
    """They are kept and tried again, and others don't wait for them; when the database takes them, they are there."""
    async with guarded(database) as up:
        poison = samples.start()
        await up.recorder.begin(poison)
        database.refused.add(poison.id)
        await finish(up, samples, poison)
        await until(lambda: up.recorder.counters.set_aside > 0)
        await until(lambda: up.recorder.accepting)
        assert await database.outcome(await whole_request(up, samples)) == COMPLETE
        (line,) = [record for record in caplog.records if record.levelno == logging.ERROR][:1]
        assert line.first == poison.id
        database.refused.clear()
        await up.caught_up()
        assert await database.outcome(poison) == COMPLETE


async def test_one_line_when_it_is_lost_and_one_when_it_is_back(database, samples, caplog):
    """However many requests come in between."""
    caplog.set_level(logging.INFO)
    async with guarded(database) as up:
        starts = [samples.start() for _ in range(20)]
        for start in starts:
            await up.recorder.begin(start)
        database.down = True
        for start in starts:
            await finish(up, samples, start)
        await until(lambda: up.recorder.counters.retried > 100)
        with pytest.raises(RecordingFailed):
            await up.recorder.begin(samples.start())
        await database.mend()
        await up.caught_up()
    lost, back = [record for record in caplog.records if record.name == "aibridge.recording"]
    assert "lost" in lost.getMessage()
    assert "back" in back.getMessage()
    assert back.replayed == 20 * 6


async def test_what_has_not_begun_here_is_passed_on(database, samples):
    """An end or a record without a start is the caller's mistake, and is not kept."""
    async with guarded(database) as up:
        with pytest.raises(RecordingFailed, match="not begun"):
            await up.recorder.end(samples.ended(samples.start()))
        with pytest.raises(RecordingFailed, match="not begun"):
            await up.recorder.record([samples.prompt(samples.start(), "of nobody")])
        assert up.counters == {}


async def test_a_recorder_of_ones_own_may_refuse(database, samples):
    """Without a probe, what a recorder refuses says nothing about the others."""
    async with guarded(database, probe=False) as up:
        vetoed = [samples.start() for _ in range(50)]
        database.refused |= {start.id for start in vetoed}
        for start in vetoed:
            with pytest.raises(RecordingFailed):
                await up.recorder.begin(start)
            assert up.recorder.accepting
        assert await database.outcome(await whole_request(up, samples)) == COMPLETE


async def test_many_at_once_through_an_outage(database, samples):
    """Two hundred requests run while the database goes and comes back: each is refused or complete."""
    complete, refused = [], []

    async def request() -> None:
        start = samples.start()
        try:
            await up.recorder.begin(start)
        except RecordingFailed:
            refused.append(start)
            return
        await anyio.lowlevel.checkpoint()
        await finish(up, samples, start)
        complete.append(start)

    async with guarded(database) as up:
        async with anyio.create_task_group() as tasks:
            for number in range(200):
                tasks.start_soon(request)
                if number % 10 == 0:
                    await anyio.lowlevel.checkpoint()
                if number in (50, 120):
                    database.down = True
                if number in (80, 160):
                    await database.mend()
        await database.mend()
        await up.caught_up()
        for start in complete:
            assert await database.outcome(start) == COMPLETE
        for start in refused:
            kept = await database.kept(start)
            assert kept is None or kept.error_message == REFUSED
        assert len(complete) + len(refused) == 200


async def test_a_prompt_of_any_text_counts_by_its_size(database, samples):
    """Memory is what is bounded: four bytes a character are four bytes."""
    async with guarded(database, buffer=100_000, runs=False) as up:
        start = samples.start()
        await up.recorder.begin(start)
        database.down = True
        await up.recorder.record([samples.record(start, PromptUsage(response_id="", prompt="\U0001f600" * 30_000))])
        with pytest.raises(RecordingFailed):
            await up.recorder.end(samples.ended(start))
