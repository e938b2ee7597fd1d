"""The policy `spool`: requests go on, a file stands in for the database."""

import asyncio
import stat
from itertools import pairwise

import anyio
import pytest

from aibridge_adapters.recording import SpoolNotOpened
from aibridge_core.errors import RecordingFailed
from aibridge_core.records import PromptUsage, Status
from aibridge_core.testing.samples import FACTS, Samples
from integration.recording.scripted import COMPLETE, ScriptedDatabase, finish, folder, guarded, until, whole_request

pytestmark = pytest.mark.anyio


@pytest.fixture
def database() -> ScriptedDatabase:
    return ScriptedDatabase()


@pytest.fixture
def samples() -> Samples:
    return Samples()


async def test_a_well_database_needs_no_file(database, samples, tmp_path):
    """Nothing is written to it, and it is gone with the process."""
    async with guarded(database, spool=tmp_path) as up:
        (file,) = tmp_path.iterdir()
        size = file.stat().st_size
        assert await database.outcome(await whole_request(up, samples)) == COMPLETE
        assert (up.counters, file.stat().st_size) == ({}, size)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("trouble", ["down", "hanging", "stalled", "forgetful"])
async def test_requests_go_on(database, samples, tmp_path, trouble):
    """Without the database whole requests end well; when it is back they stand in it, and the file is empty."""
    async with guarded(database, spool=tmp_path) as up:
        (file,) = tmp_path.iterdir()
        empty = file.stat().st_size
        setattr(database, trouble, True)
        starts = [await whole_request(up, samples) for _ in range(20)]
        assert up.counters["spooled"] >= 19 * 6
        assert up.recorder.accepting
        await database.mend()
        await until(lambda: not up.recording.waiting)
        for start in starts:
            assert await database.outcome(start) == COMPLETE
        await until(lambda: file.stat().st_size == empty)
        calls = len(database.calls)
        start = await whole_request(up, samples)
        assert database.calls[calls:] == [f"begin {start.id}", f"record {start.id}", f"end {start.id}"]


async def test_the_file_is_the_users_own(database, samples, tmp_path):
    """It holds prompts: nobody else may read it, nor look into its folder."""
    async with guarded(database, spool=tmp_path / "spool"):
        (file,) = (tmp_path / "spool").iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("since", ["record", "end"])
async def test_a_database_that_goes_in_the_middle(database, samples, tmp_path, since):
    """What had begun in the database ends in the file, whole, and in the database afterwards."""
    async with guarded(database, spool=tmp_path) as up:
        start = samples.start()
        await up.recorder.begin(start)
        database.down = since == "record"
        await up.recorder.record([samples.record(start, fact) for fact in FACTS])
        database.down = True
        await up.recorder.end(samples.ended(start))
        await database.mend()
        await until(lambda: not up.recording.waiting)
        assert await database.outcome(start) == COMPLETE


async def test_a_database_that_comes_back_in_the_middle(database, samples, tmp_path):
    """What had begun in the file goes straight into the database again, once the file is in it."""
    async with guarded(database, spool=tmp_path) as up:
        start = samples.start()
        database.down = True
        await up.recorder.begin(start)
        await up.recorder.record([samples.record(start, FACTS[0])])
        await database.mend()
        await until(lambda: not up.recording.waiting)
        calls = len(database.calls)
        await up.recorder.record([samples.record(start, fact) for fact in FACTS[1:]])
        await up.recorder.end(samples.ended(start))
        assert database.calls[calls:] == [f"record {start.id}", f"end {start.id}"]
        assert await database.outcome(start) == COMPLETE


async def test_twice_in_one_request(database, samples, tmp_path):
    """The database goes, comes back and goes again while a request runs."""
    async with guarded(database, spool=tmp_path) as up:
        start = samples.start()
        for fact in FACTS:
            database.down = True
            await (up.recorder.begin(start) if fact is FACTS[0] else asyncio.sleep(0))
            await up.recorder.record([samples.record(start, fact)])
            await database.mend()
            await until(lambda: not up.recording.waiting)
        database.down = True
        await up.recorder.end(samples.ended(start))
        await database.mend()
        await until(lambda: not up.recording.waiting)
        assert await database.outcome(start) == COMPLETE


async def test_nothing_overtakes(database, samples, tmp_path):
    """While something is in the file, all that is new goes behind it, though the database would take it."""
    async with guarded(database, spool=tmp_path, runs=False) as up:
        database.down = True
        first = await whole_request(up, samples)
        await database.mend()
        second = await whole_request(up, samples)
        assert [await database.kept(start) for start in (first, second)] == [None, None]


async def test_threads_survive(database, samples, tmp_path):
    """A chain of requests, each answering a tool call of the one before, is one thread when it is replayed."""
    async with guarded(database, spool=tmp_path) as up:
        database.down = True
        chain = []
        for number in range(20):
            start = samples.start(correlating_tool_call_id=f"call-{number - 1}" if number else None)
            await up.recorder.begin(start)
            await up.recorder.record([samples.tool_call(start, f"call-{number}")])
            await up.recorder.end(samples.ended(start))
            chain.append(start)
        await database.mend()
        await until(lambda: not up.recording.waiting)
        for parent, start in pairwise(chain):
            assert (await database.kept(start)).thread_parent_id == parent.id


async def test_a_full_file_refuses(database, samples, tmp_path):
    """New requests are refused, and the gateway is not ready; once the file is replayed all is well again."""
    async with guarded(database, spool=tmp_path, spool_size=20_000) as up:
        database.down = True
        taken = []
        with pytest.raises(RecordingFailed, match="full"):
            while True:
                taken.append(await whole_request(up, samples))
        assert len(taken) > 3
        assert not up.recorder.accepting
        await database.mend()
        await up.caught_up()
        for start in taken:
            assert await database.outcome(start) == COMPLETE
        database.down = True
        start = await whole_request(up, samples)
        await database.mend()
        await up.caught_up()
        assert await database.outcome(start) == COMPLETE


async def test_an_end_that_does_not_fit(database, samples, tmp_path):
    """The answer is broken off and the row says so; the request that fits afterwards is complete."""
    async with guarded(database, spool=tmp_path, spool_size=20_000) as up:
        database.down = True
        start = samples.start()
        await up.recorder.begin(start)
        await up.recorder.record([samples.prompt(start, "x" * 20_000)])
        with pytest.raises(RecordingFailed, match="full"):
            await up.recorder.end(samples.ended(start))
        assert (up.counters["broken_off"], up.counters["dropped"]) == (1, 1)
        fits = await whole_request(up, samples)
        await database.mend()
        await up.caught_up()
        assert (await database.kept(start)).status is Status.FAILED
        assert await database.outcome(fits) == COMPLETE


async def test_room_that_comes_back_in_the_middle(database, samples, tmp_path):
    """Records that did not fit at first come along with the end that does."""
    async with guarded(database, spool=tmp_path) as up:
        database.down = True
        start = samples.start()
        await up.recorder.begin(start)
        up.recording._standby.backlog._limit = 0
        await up.recorder.record([samples.record(start, fact) for fact in FACTS])
        up.recording._standby.backlog._limit = 10**6
        await up.recorder.end(samples.ended(start))
        await database.mend()
        await up.caught_up()
        assert await database.outcome(start) == COMPLETE


async def test_one_flush_serves_many(database, samples, tmp_path, monkeypatch):
    """A hundred starts at once cost a few flushes to the disk, and each waits for its own."""
    from aibridge_adapters.recording.spool import file

    flushes, real = [], file.os.fsync
    monkeypatch.setattr(file.os, "fsync", lambda descriptor: flushes.append(descriptor) or real(descriptor))
    async with guarded(database, spool=tmp_path, deadline=20.0) as up:
        database.down = True
        await up.recorder.begin(samples.start())
        flushes.clear()
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(up.recorder.begin, samples.start())
        assert 1 <= len(flushes) <= 4
        await database.mend()


async def test_cancelled_while_it_is_written(database, samples, tmp_path):
    """A client that leaves while its start goes into the file leaves a cancelled interception, once."""
    async with guarded(database, spool=tmp_path) as up:
        database.down = True
        await up.recorder.begin(samples.start())
        start = samples.start()
        task = asyncio.get_running_loop().create_task(up.recorder.begin(start))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await database.mend()
        await until(lambda: not up.recording.waiting)
        assert (await database.kept(start)).status is Status.CANCELLED


async def test_an_end_that_is_cancelled(database, samples, tmp_path):
    """A task that is cancelled while its end goes into the file has ended it all the same."""
    async with guarded(database, spool=tmp_path) as up:
        start = samples.start()
        await up.recorder.begin(start)
        database.down = True
        await up.recorder.record([samples.record(start, fact) for fact in FACTS])
        task = asyncio.get_running_loop().create_task(up.recorder.end(samples.ended(start)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await database.mend()
        await until(lambda: not up.recording.waiting)
        assert await database.outcome(start) == COMPLETE


async def test_a_slow_disk(database, samples, tmp_path, monkeypatch):
    """A stand-in that hangs is no stand-in: the request is refused in time, and ended if it landed."""
    import threading

    from aibridge_adapters.recording.spool import file

    go_on, real = threading.Event(), file.os.fsync
    async with guarded(database, spool=tmp_path, deadline=0.05) as up:
        database.down = True
        monkeypatch.setattr(file.os, "fsync", lambda descriptor: go_on.wait(20) and real(descriptor))
        start = samples.start()
        with anyio.fail_after(5), pytest.raises(RecordingFailed, match="stand-in"):
            await up.recorder.begin(start)
        go_on.set()
        await database.mend()
        await until(lambda: not up.recording.waiting)
        assert (await database.kept(start)).status is Status.FAILED


async def test_a_value_that_is_never_taken_is_set_aside(database, samples, tmp_path):
    """It goes into a file of its own, the rest into the database; the next process tries it again."""
    async with guarded(database, spool=tmp_path) as up:
        database.down = True
        before, poison, after = [await whole_request(up, samples) for _ in range(3)]
        database.refused.add(poison.id)
        await database.mend()
        await up.caught_up()
        assert await database.outcome(before) == await database.outcome(after) == COMPLETE
        assert await database.kept(poison) is None
        assert up.counters["set_aside"] == 6
    (stuck,) = tmp_path.iterdir()
    assert stuck.suffix == ".stuck"
    database.refused.clear()
    async with guarded(database) as up:
        up.recording.folder = folder(tmp_path)
        await up.recording.adopt()
        await until(lambda: not up.recording.waiting)
        assert await database.outcome(poison) == COMPLETE
    assert list(tmp_path.iterdir()) == []


async def test_values_that_json_can_not_hold(database, samples, tmp_path):
    """One request whose metadata can't be spooled is refused; those beside it are not."""
    async with guarded(database, spool=tmp_path) as up:
        database.down = True
        with pytest.raises(RecordingFailed, match="can't hold"):
            await up.recorder.begin(samples.start(metadata={"what": object()}))
        start = await whole_request(up, samples)
        await database.mend()
        await until(lambda: not up.recording.waiting)
        assert await database.outcome(start) == COMPLETE


async def test_a_large_record(database, samples, tmp_path):
    """Ten megabytes of arguments are a line like any other."""
    text = "\u00e9\ud800\x00\n" * 2_500_000
    async with guarded(database, spool=tmp_path, deadline=5.0) as up:
        database.down = True
        start = samples.start()
        await up.recorder.begin(start)
        await up.recorder.record([samples.record(start, PromptUsage(response_id="", prompt=text))])
        await up.recorder.end(samples.ended(start))
        await database.mend()
        await until(lambda: not up.recording.waiting)
        (record,) = (await database.kept(start)).records
        assert record.fact.prompt == text.replace("\ud800", "\ufffd")


async def test_a_folder_that_can_not_be_made(tmp_path):
    """The start fails, and says why, before the first request does."""
    (tmp_path / "file").touch()
    with pytest.raises(SpoolNotOpened, match="file/spool"):
        folder(tmp_path / "file" / "spool").create()


async def test_finish_in_the_background_while_requests_run(database, samples, tmp_path):
    """New requests keep coming while the file is replayed; all end up in the database."""
    async with guarded(database, spool=tmp_path) as up:
        database.down = True
        starts = [await whole_request(up, samples) for _ in range(50)]
        await database.mend()
        for _ in range(50):
            start = samples.start()
            await up.recorder.begin(start)
            await finish(up, samples, start)
            starts.append(start)
            await anyio.sleep(0)
        await until(lambda: not up.recording.waiting)
        for start in starts:
            assert await database.outcome(start) == COMPLETE
