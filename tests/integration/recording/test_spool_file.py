"""Spool files: what a line holds, what a crash leaves, and who may take a file over."""

import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from textwrap import dedent
from typing import Any

import anyio
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_adapters.recording.parcels import Parcel
from aibridge_adapters.recording.spool.coding import BrokenLine, decode, encode
from aibridge_adapters.recording.spool.folder import write_new
from aibridge_core.records import (
    INTERRUPTED_MESSAGE,
    ErrorType,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    Status,
    TokenUsage,
    ToolUsage,
)
from aibridge_core.testing.samples import BEN, FACTS, Samples
from integration.recording.scripted import COMPLETE, DATABASE, ScriptedDatabase, folder, guarded, until, whole_request

pytestmark = pytest.mark.anyio

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
METADATA = st.dictionaries(TEXT, JSON, max_size=3)
ZONES = st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))
MOMENTS = st.datetimes(timezones=ZONES, min_value=datetime(2, 1, 1))  # noqa: DTZ001 - bounds have no zone
FACT = st.one_of(
    st.builds(PromptUsage, response_id=TEXT, prompt=TEXT, metadata=METADATA),
    st.builds(
        TokenUsage,
        response_id=TEXT,
        input_tokens=st.integers(),
        output_tokens=st.integers(),
        extra=st.dictionaries(TEXT, st.integers(), max_size=3),
        metadata=METADATA,
    ),
    st.builds(ToolUsage, response_id=TEXT, tool=TEXT, arguments=TEXT, injected=st.booleans(), metadata=METADATA),
    st.builds(ModelThought, response_id=TEXT, content=TEXT, metadata=METADATA),
)


@pytest.fixture
def samples() -> Samples:
    return Samples()


def whole(samples: Samples, **start: Any) -> Parcel:
    """A complete interception."""
    begun = samples.start(**start)
    records = tuple(samples.record(begun, fact) for fact in FACTS)
    return Parcel(id=begun.id, start=begun, records=records, ended=samples.ended(begun))


@given(fact=FACT)
def test_any_fact_comes_back_as_it_was(fact):
    """Surrogates, NUL, line ends, numbers of any size: the line is one line of ASCII, and means the same value."""
    samples = Samples()
    record = samples.record(samples.start(), fact)
    line = encode(record)
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert decode(line) == record


@given(text=TEXT, metadata=METADATA, when=MOMENTS)
def test_any_start_and_end_come_back_as_they_were(text, metadata, when):
    """Every field, times in any zone to the microsecond."""
    samples = Samples()
    start = samples.start(model=text, user_agent=text, metadata=metadata, started_at=when, initiator=BEN)
    ended = samples.ended(start, Status.FAILED, error_message=text, error_type=ErrorType.OVERLOADED, ended_at=when)
    assert decode(encode(start)) == start
    assert decode(encode(ended)) == ended


def test_no_field_is_forgotten(samples):
    """Whatever fields the values have, none of them is at its default after a way through a line."""
    start = samples.start(client_session_id="s", correlating_tool_call_id="c", initiator=BEN)
    for value in [start, *(samples.record(start, fact) for fact in FACTS)]:
        back = decode(encode(value))
        for name in attrs.fields_dict(type(value)):
            assert getattr(back, name) == getattr(value, name), name


@pytest.mark.parametrize("change", [lambda line: line[:-1], lambda line: line[:20] + b"x" + line[21:], lambda _: b"\n"])
def test_a_changed_line_is_noticed(samples, change):
    """Incomplete, changed, empty: never a value."""
    with pytest.raises(BrokenLine):
        decode(change(encode(samples.start())))


async def adopted(path: Path, database: ScriptedDatabase, label: str = DATABASE) -> dict[str, int]:
    """Let a new process find what is in the folder; its counters when everything is in the database."""
    async with guarded(database) as up:
        up.recording.folder = folder(path, label)
        await up.recording.adopt()
        await until(lambda: not up.recording.adopting)
        return up.counters


async def test_a_dead_process_is_taken_over(tmp_path, samples):
    """What it left is written, what it left open is interrupted, and the file is gone."""
    database = ScriptedDatabase()
    done, open_one = whole(samples), attrs.evolve(whole(samples), ended=None)
    write_new(folder(tmp_path), [done, open_one], ".spool")
    assert await adopted(tmp_path, database) == {"replayed": 12}
    assert await database.outcome(done.start) == COMPLETE
    kept = await database.kept(open_one.start)
    assert (kept.status, kept.error_message) == (Status.INTERRUPTED, INTERRUPTED_MESSAGE)
    assert [record.fact for record in kept.records] == list(FACTS)
    assert list(tmp_path.iterdir()) == []


async def test_a_crash_at_every_byte_of_the_last_append(tmp_path, samples):
    """However much of the last lines is on the disk, all before them is replayed, and a torn line is counted."""
    first, last = whole(samples), whole(samples)
    write_new(folder(tmp_path), [first], ".spool")
    (file,) = tmp_path.iterdir()
    complete = file.read_bytes()
    appended = b"".join(map(encode, [last.start, last.ended]))
    for cut in range(len(appended) + 1):
        database = ScriptedDatabase()
        file.write_bytes(complete + appended[:cut])
        counters = await adopted(tmp_path, database)
        assert await database.outcome(first.start) == COMPLETE
        torn = cut > 0 and not appended[:cut].endswith(b"\n")
        assert counters.get("torn", 0) == torn
        kept = await database.kept(last.start)
        assert (kept is not None) == (b"\n" in appended[:cut])
        if kept:
            assert kept.status is (Status.COMPLETED if cut == len(appended) else Status.INTERRUPTED)
        assert list(tmp_path.iterdir()) == []


async def test_a_damaged_line_in_the_middle(tmp_path, samples):
    """It is counted; what comes after it is still read."""
    database = ScriptedDatabase()
    parcels = [whole(samples) for _ in range(3)]
    write_new(folder(tmp_path), parcels, ".spool")
    (file,) = tmp_path.iterdir()
    lines = file.read_bytes().splitlines(keepends=True)
    lines[8] = lines[8].replace(b"What does this do?", b"What does that do?")
    file.write_bytes(b"".join(lines))
    assert (await adopted(tmp_path, database))["torn"] == 1
    assert [(await database.outcome(parcel.start))[0] for parcel in parcels] == [Status.COMPLETED] * 3
    assert len((await database.outcome(parcels[1].start))[1]) == 3


@pytest.mark.parametrize("rest", [b"", b"0123"])
async def test_a_crash_before_the_first_line(tmp_path, rest):
    """An empty file, or half of a first line, is cleared away."""
    (tmp_path / "x.spool").write_bytes(rest)
    assert await adopted(tmp_path, ScriptedDatabase()) == {}
    assert list(tmp_path.iterdir()) == []


async def test_a_crash_in_the_middle_of_a_replay(tmp_path, samples):
    """The file is replayed again from its beginning, and everything is there once."""
    parcels = [whole(samples) for _ in range(30)]
    write_new(folder(tmp_path), parcels, ".spool")
    (file,) = tmp_path.iterdir()
    lines = file.read_bytes()
    database = ScriptedDatabase()
    for _ in range(3):
        file.write_bytes(lines)
        assert (await adopted(tmp_path, database))["replayed"] == 180
    for parcel in parcels:
        assert await database.outcome(parcel.start) == COMPLETE


async def test_a_living_process_keeps_its_file(tmp_path, samples):
    """Two processes on one machine: neither touches the other's."""
    ours, theirs = ScriptedDatabase(), ScriptedDatabase()
    async with guarded(theirs, spool=tmp_path) as other:
        theirs.down = True
        start = await whole_request(other, samples)
        assert await adopted(tmp_path, ours) == {}
        await theirs.mend()
        await until(lambda: not other.recording.waiting)
    assert await theirs.outcome(start) == COMPLETE
    assert await ours.kept(start) is None


async def test_a_file_for_another_database_is_left_alone(tmp_path, samples):
    """A prompt never ends up in somebody else's trail."""
    database = ScriptedDatabase()
    write_new(folder(tmp_path, "postgresql://elsewhere/trail"), [whole(samples)], ".spool")
    assert await adopted(tmp_path, database) == {}
    assert len(list(tmp_path.iterdir())) == 1
    assert database.storage.database.interceptions == {}
    assert (await adopted(tmp_path, database, "postgresql://elsewhere/trail"))["replayed"] == 6


async def test_a_file_of_a_later_version_is_left_alone(tmp_path, samples, monkeypatch):
    """What this version can't read, another one can."""
    from aibridge_adapters.recording.spool import coding
    from aibridge_adapters.recording.spool import folder as module

    newer = attrs.make_class("Header", {"database": attrs.field(), "version": attrs.field(default=2)}, frozen=True)
    monkeypatch.setitem(coding._NAMES, newer, "header")
    monkeypatch.setattr(module, "Header", newer)
    write_new(folder(tmp_path), [whole(samples)], ".spool")
    monkeypatch.undo()
    assert await adopted(tmp_path, ScriptedDatabase()) == {}
    assert len(list(tmp_path.iterdir())) == 1


async def test_a_database_that_goes_during_a_takeover(tmp_path, samples):
    """The rest waits, and is written when it is back."""
    parcels = [whole(samples) for _ in range(600)]
    write_new(folder(tmp_path), parcels, ".spool")
    database = ScriptedDatabase()
    async with guarded(database) as up:
        up.recording.folder = folder(tmp_path)
        await up.recording.adopt()
        await until(lambda: len(database.storage.database.interceptions) > 100)
        database.down = True
        await anyio.sleep(0.02)
        assert up.recording.adopting
        await database.mend()
        await until(lambda: not up.recording.adopting)
        assert up.counters["replayed"] == 3600
    for parcel in parcels:
        assert await database.outcome(parcel.start) == COMPLETE


async def test_a_process_that_ends_during_an_outage(tmp_path, samples):
    """What it spooled is found by the next one."""
    database = ScriptedDatabase()
    async with guarded(database, spool=tmp_path) as up:
        database.down = True
        starts = [await whole_request(up, samples) for _ in range(10)]
    assert len(list(tmp_path.iterdir())) == 1
    await database.mend()
    await adopted(tmp_path, database)
    for start in starts:
        assert await database.outcome(start) == COMPLETE


async def test_memory_is_left_to_the_next_process(tmp_path, samples, caplog):
    """Under `refuse` as well: what is in memory when the process ends goes to a file for the next one."""
    database = ScriptedDatabase()
    async with guarded(database) as up:
        up.recording.folder = folder(tmp_path)
        start = samples.start()
        await up.recorder.begin(start)
        database.down = True
        await up.recorder.record([samples.record(start, fact) for fact in FACTS])
        await up.recorder.end(samples.ended(start))
    assert "left to the next process" in caplog.text
    await database.mend()
    await adopted(tmp_path, database)
    assert await database.outcome(start) == COMPLETE


async def test_without_a_folder_the_loss_is_said(samples, caplog):
    """Nothing disappears silently."""
    database = ScriptedDatabase()
    async with guarded(database) as up:
        start = samples.start()
        await up.recorder.begin(start)
        database.down = True
        await up.recorder.end(samples.ended(start))
    assert up.counters["dropped"] == 2
    assert "lost with the end of this process" in caplog.text


async def test_a_stuck_file_has_a_rest(tmp_path, samples):
    """What the database would not take is tried at a start, and then only every ten minutes."""
    stuck_folder = folder(tmp_path)
    write_new(stuck_folder, [whole(samples)], ".stuck")
    (path,) = tmp_path.iterdir()
    written_at = stuck_folder.clock.now().timestamp()
    os.utime(path, (written_at, written_at))
    assert stuck_folder.abandoned(first=False) == []
    stuck_folder.clock.turn(601)
    (file,) = stuck_folder.abandoned(first=False)
    assert file.path == path
    file.close()


KILLED = dedent(
    """
    import anyio, sys
    from pathlib import Path
    from aibridge_adapters.recording import SpoolFolder
    from aibridge_core.testing.samples import FACTS, Samples
    from integration.recording.scripted import ScriptedDatabase, folder, guarded, whole_request

    async def main():
        samples = Samples()
        async with guarded(ScriptedDatabase(down=True), spool=Path(sys.argv[1])) as up:
            while True:
                start = await whole_request(up, samples)
                print(start.id, flush=True)

    anyio.run(main)
    """
)


async def test_killed_while_it_spools(tmp_path):
    """After kill -9 every interception whose end was answered for is complete in the database; no other is open."""
    tests = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": tests}
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        ids = [process.stdout.readline().strip() for _ in range(20)]
        os.kill(process.pid, signal.SIGKILL)
        ids += [line.strip() for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    database = ScriptedDatabase()
    await adopted(tmp_path, database)
    for interception_id in ids:
        found = await database.storage.store.get(interception_id)
        assert (found.status, [record.fact for record in found.records]) == COMPLETE
    assert all(each.ended_at for each in database.storage.database.interceptions.values())


def test_a_line_says_what_it_is(samples):
    """An operator can read a file without us."""
    assert encode(samples.start()).split(b" ", 1)[1].startswith(b'{"start":{')
    assert isinstance(decode(encode(samples.start())), InterceptionStart)
