"""What the contract can't see of the example: kills, full disks, other processes, and what stands in the file."""

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from textwrap import dedent

import anyio
import pytest
from aibridge_jsonl import journal, open_storage

from aibridge_adapters.storage import Storage, StorageConfigError, StorageNotOpened
from aibridge_core.errors import RecordingFailed, StoreUnavailable
from aibridge_core.records import InterceptionFilter, Page, Status
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.contract.base import completed, read
from aibridge_core.testing.samples import FACTS, Samples

pytestmark = pytest.mark.anyio

EVERYTHING = InterceptionFilter()
EXAMPLE = Path(__file__).parents[3] / "examples" / "jsonl_storage"

Open = Callable[..., AbstractAsyncContextManager[Storage]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The trail of this test."""
    return tmp_path / "trail.jsonl"


@pytest.fixture
def opened(file: Path) -> Open:
    """Opens that trail."""
    return lambda owner="gateway-1": open_storage(f"jsonl:///{file}", clock=FakeClock(), owner=owner)


def program(source: str, file: Path) -> "subprocess.Popen[str]":
    """A process of its own that begins with the storage open, as `storage`, and `samples` of its own."""
    whole = dedent(
        """
        import anyio, os, resource, sys
        from aibridge_core.errors import RecordingFailed
        from aibridge_core.records import InterceptionFilter
        from aibridge_core.testing.clock import FakeClock
        from aibridge_core.testing.samples import FACTS, Samples
        from aibridge_jsonl import open_storage

        async def main():
            samples = Samples()
            samples._numbers = iter(range(10**6, 10**9))
            async with open_storage("jsonl:///" + sys.argv[1], clock=FakeClock(), owner="other") as storage:
                recorder = storage.recorder
                {source}

        anyio.run(main)
        """
    ).replace("{source}", dedent(source).strip().replace("\n", "\n        "))
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLE)}
    command = [sys.executable, "-c", whole, str(file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def kinds(file: Path) -> list[str]:
    """The kinds of the lines, in order; every line is JSON."""
    return [json.loads(line)["kind"] for line in file.read_text("utf-8").split("\n")[:-1]]


async def test_a_line_for_each_thing_that_happened(file: Path, opened: Open) -> None:
    """Whoever has a text editor can read the trail; it is for the eyes of one user only."""
    async with opened() as storage:
        interception = await completed(storage, samples := Samples())
        await storage.recorder.record([samples.prompt(interception.start, "Grüße, späte 👋")])
    assert kinds(file) == ["Begun", "Ended", "Recorded"]
    assert '"prompt":"Grüße, späte 👋"' in file.read_text("utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_a_killed_process_loses_nothing(file: Path, opened: Open) -> None:
    """Of a process killed among writes, all that was answered for is there, whole; the next one closes what is open."""
    source = """
    while True:
        start = samples.start()
        await recorder.begin(start)
        print("begun", start.id, flush=True)
        await recorder.record([samples.record(start, fact) for fact in FACTS])
        await recorder.end(samples.ended(start))
        print("ended", start.id, flush=True)
    """
    with program(source, file) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(40)]
        os.kill(process.pid, signal.SIGKILL)
        said += process.stdout.readlines()
    begun = {line.split()[1] for line in said if line.startswith("begun") and line.endswith("\n")}
    ended = {line.split()[1] for line in said if line.startswith("ended") and line.endswith("\n")}
    async with opened() as storage:
        await storage.leases.interrupt_orphans(Samples().clock.now(), older_than=30)
        found = {each.start.id: each for each in await storage.store.list(EVERYTHING, Page(limit=10_000))}
    assert begun <= found.keys()
    assert all(len(found[each].records) == len(FACTS) for each in ended)
    assert all(found[each].status is Status.COMPLETED for each in ended)
    assert not [each for each in found.values() if each.status is Status.IN_FLIGHT]


@pytest.mark.parametrize("rest", [b"{", b'{"kind":"Begun","start":{"id":"\xc3', b"\x00" * 4096])
async def test_half_a_line_is_no_line(file: Path, opened: Open, rest: bytes) -> None:
    """What a crash left after the last line end was promised to nobody: it is overlooked, then written over."""
    samples = Samples()
    async with opened() as storage:
        before = await completed(storage, samples)
    with file.open("ab") as end:
        end.write(rest)
    async with opened() as storage:
        assert await read(storage, before.start) == before
        after = await completed(storage, samples)
    async with opened() as storage:
        assert list(await storage.store.list(EVERYTHING, Page())) == [after, before]
    assert kinds(file) == ["Begun", "Ended"] * 2


async def test_a_full_disk(file: Path, opened: Open) -> None:
    """Nothing is said to be written that isn't; what was is untouched; when there is room again, it goes on."""
    source = """
    start = samples.start()
    await recorder.begin(start)
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(sys.argv[1]) + 700, resource.RLIM_INFINITY))
    outcomes = []
    async def begin(metadata):
        try:
            await recorder.begin(samples.start(metadata=metadata))
            outcomes.append("begun")
        except RecordingFailed:
            outcomes.append("refused")
    async with anyio.create_task_group() as tasks:
        for size in (10, 1000, 10, 1000):
            tasks.start_soon(begin, {"text": "x" * size})
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await recorder.end(samples.ended(start))
    print(1 + outcomes.count("begun"), await storage.store.count(InterceptionFilter()), "refused" in outcomes)
    """
    with program(source, file) as process:
        output, _ = process.communicate(timeout=60)
    begun, found, refused = output.split()
    assert (process.returncode, refused) == (0, "True")
    assert begun == found
    async with opened() as storage:
        assert await storage.store.count(EVERYTHING) == int(found)
        assert await storage.store.count(InterceptionFilter(status=Status.COMPLETED)) == 1


async def test_two_processes_write_at_once(file: Path, opened: Open) -> None:
    """Both see all of it, and no line is torn by another."""
    source = """
    for _ in range(60):
        start = samples.start()
        await recorder.begin(start)
        await recorder.end(samples.ended(start))
    """
    samples = Samples()
    async with opened() as storage:
        with program(source, file) as process:
            written = 0
            while process.poll() is None:
                await completed(storage, samples)
                written += 1
        assert process.returncode == 0
        assert await storage.store.count(InterceptionFilter(status=Status.COMPLETED)) == written + 60
    assert sorted(kinds(file)) == sorted(["Begun", "Ended"] * (written + 60))


async def test_one_flush_serves_many(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred requests at once wait for a handful of flushes, not for two hundred."""
    flushed = []
    flush = os.fsync
    samples = Samples()
    async with opened() as storage:
        monkeypatch.setattr(os, "fsync", lambda file: flushed.append(flush(file)))
        async with anyio.create_task_group() as tasks:
            for _ in range(200):
                tasks.start_soon(storage.recorder.begin, samples.start())
        assert 0 < len(flushed) < 20
        assert await storage.store.count(EVERYTHING) == 200
        flushed.clear()
        assert await storage.leases.interrupt_orphans(samples.clock.now(), older_than=30) == 0
        assert flushed == []


async def test_a_file_that_is_no_trail(file: Path, opened: Open) -> None:
    """It isn't opened, and isn't changed either; the error says where the first line is that nobody understands."""
    for foreign in (b"Dear diary,\n", b"[1, 2]\n", b'{"kind":"Unheard"}\n', b'{"kind":"Ended","ended":{}}\n'):
        file.write_bytes(foreign)
        with pytest.raises(StorageNotOpened, match="no line of a trail at byte 0"):
            async with opened():
                pytest.fail("it was opened")
        assert file.read_bytes() == foreign


async def test_a_file_that_is_damaged_meanwhile(file: Path, opened: Open) -> None:
    """Reading and recording fail with the errors of their ports; the file is left as it is."""
    samples = Samples()
    async with opened() as storage:
        await completed(storage, samples)
        with file.open("ab") as end:
            end.write(b"Dear diary,\n")
        damaged = file.read_bytes()
        with pytest.raises(StoreUnavailable):
            await storage.store.count(EVERYTHING)
        with pytest.raises(RecordingFailed) as caught:
            await storage.recorder.begin(samples.start())
        assert str(file.parent) not in caught.value.message
        assert file.read_bytes() == damaged


async def test_a_process_that_holds_the_file(file: Path, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that stopped in the middle of a write makes the others refuse instead of waiting for ever."""
    monkeypatch.setattr(journal, "LOCK_TIMEOUT", 0.05)
    samples = Samples()
    async with opened() as storage:
        before = await completed(storage, samples)
        with file.with_name("trail.jsonl.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(RecordingFailed):
                await storage.recorder.begin(samples.start())
            with pytest.raises(StoreUnavailable):
                await storage.store.get(before.start.id)
        assert await read(storage, before.start) == before
        assert await storage.store.count(EVERYTHING) == 1


async def test_what_json_cannot_hold(opened: Open) -> None:
    """Such a start is refused; those that are written with it are not."""
    samples = Samples()
    refused: list[RecordingFailed] = []

    async with opened() as storage:

        async def begin(metadata: dict[str, object]) -> None:
            try:
                await storage.recorder.begin(samples.start(metadata=metadata))
            except RecordingFailed as error:
                refused.append(error)

        async with anyio.create_task_group() as tasks:
            for metadata in ({}, {"a": object()}, {"b": 1}):
                tasks.start_soon(begin, metadata)
        assert await storage.store.count(EVERYTHING) == 2
        assert [error.message for error in refused] == ["the audit trail can't hold this"]


async def test_after_a_purge_the_file_is_small_and_silent(file: Path, opened: Open) -> None:
    """Deleted interceptions and erased prompts are not in the file any more; other processes go on with the new one."""
    samples = Samples()
    async with opened("gateway-1") as one, opened("gateway-2") as two:
        gone, erased, kept = [
            await completed(one, samples, samples.prompt(samples.start(id=id), f"secret {id}"), id=id)
            for id in (samples.new_id(), samples.new_id(), samples.new_id())
        ]
        assert await two.store.count(EVERYTHING) == 3
        now = samples.clock.now()
        assert await one.retention.claim(now, seconds=60)
        assert await one.retention.delete_interceptions(started_before=erased.start.started_at, limit=5) == 1
        await one.retention.erase_contents([erased.start.id])
        before = [await read(one, each.start) for each in (erased, kept)]
        assert f"secret {gone.start.id}" in file.read_text()
        await one.retention.release()

        text = file.read_text()
        assert f"secret {kept.start.id}" in text
        assert f"secret {erased.start.id}" not in text
        assert gone.start.id not in text
        assert kinds(file) == ["Begun", "Recorded", "Ended"] * 2
        for storage in (two, one):
            assert await storage.store.get(gone.start.id) is None
            assert [await read(storage, each.start) for each in (erased, kept)] == before
        after = await completed(two, samples)
        assert list(await one.store.list(EVERYTHING, Page())) == [after, *reversed(before)]


@pytest.mark.parametrize("url", ["jsonl://", "jsonl:///", "jsonl://host/trail", "jsonl:///folder/", "sqlite:///a"])
def test_urls_that_name_no_file(url: str) -> None:
    """They are refused at once, with the two forms there are."""
    with pytest.raises(StorageConfigError, match="jsonl:////absolute/path"):
        open_storage(url, clock=FakeClock(), owner="gateway-1")


async def test_a_folder_that_cannot_be_made() -> None:
    """The error is the operator's to read, and names the file."""
    with pytest.raises(StorageNotOpened, match="/proc/none/trail"):
        async with open_storage("jsonl:////proc/none/trail", clock=FakeClock(), owner="gateway-1"):
            pytest.fail("it was opened")
