"""A database that a test breaks and mends, and a guarded recorder in front of it.

Belongs here: the fake and the set-up. Never: a rule.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import attrs
from attrs import Factory, define, frozen

from aibridge_adapters.recording import GuardedRecorder, Policy, Recording, SpoolFolder, open_recording
from aibridge_adapters.recording.catching_up import Pauses
from aibridge_core.errors import RecordingFailed
from aibridge_core.records import Fact, Interception, InterceptionEnded, InterceptionStart, Record, Status
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.memory import MemoryStorage
from aibridge_core.testing.samples import FACTS, Samples

DEADLINE = 0.05
"""Seconds; what tests wait for a database that hangs. Where a real disk is involved, more."""
QUICK = Pauses(first=0.001, lost=0.002, stuck=0.002, doubt=0.01)
DATABASE = "sqlite:////tests.db"

Operation = Callable[[], Any]


@define(eq=False)
class ScriptedDatabase:
    """Implements `aibridge_core.ports.Recorder` in memory, as well as a test lets it."""

    storage: MemoryStorage = Factory(lambda: MemoryStorage(owner="gateway"))
    down: bool = False
    """Every call fails at once."""
    hanging: bool = False
    """No call comes back; what was asked is done in order when `mend` is called, also if the caller has gone."""
    stalled: bool = False
    """No call comes back until `mend`, and it does nothing for a caller that has gone."""
    forgetful: bool = False
    """Every call does its work, and fails all the same, as if the connection broke with the answer."""
    refused: set[str] = Factory(set)
    """Interceptions of which nothing is taken, ever."""
    calls: list[str] = Factory(list)
    """What was asked, by name and interception."""
    _waiting: list[tuple[Operation, "asyncio.Future[None]"]] = Factory(list)
    _going_on: asyncio.Event = Factory(asyncio.Event)

    async def begin(self, start: InterceptionStart) -> None:
        await self._do("begin", start.id, lambda: self.storage.recorder.begin(start))

    async def record(self, records: Sequence[Record]) -> None:
        await self._do("record", records[0].interception_id, lambda: self.storage.recorder.record(records))

    async def end(self, ended: InterceptionEnded) -> None:
        await self._do("end", ended.id, lambda: self.storage.recorder.end(ended))

    async def probe(self) -> None:
        """Something harmless."""
        await self._do("probe", "", lambda: asyncio.sleep(0))

    async def mend(self) -> None:
        """Everything works again."""
        self.down = self.hanging = self.stalled = self.forgetful = False
        self._going_on.set()
        self._going_on = asyncio.Event()
        waiting, self._waiting = self._waiting, []
        for operation, done in waiting:
            with suppress(RecordingFailed):  # nobody listens any more
                await operation()
            if not done.done():
                done.set_result(None)

    async def _do(self, name: str, interception_id: str, operation: Operation) -> None:
        self.calls.append(f"{name} {interception_id}".strip())
        if self.hanging:
            done = asyncio.get_running_loop().create_future()
            self._waiting.append((operation, done))
            await done
            return
        if self.stalled:
            await self._going_on.wait()
        if self.down or interception_id in self.refused:
            raise RecordingFailed("no")
        await asyncio.sleep(0)
        await operation()
        if self.forgetful:
            raise RecordingFailed("the connection broke")

    async def kept(self, start: InterceptionStart) -> Interception | None:
        """What stands in the database."""
        return await self.storage.store.get(start.id)

    async def outcome(self, start: InterceptionStart) -> tuple[Status, Sequence[Fact]] | None:
        """How it ended, and the facts of it."""
        found = await self.kept(start)
        return (found.status, [record.fact for record in found.records]) if found else None


COMPLETE = (Status.COMPLETED, list(FACTS))


@frozen
class Up:
    """A recorder at work."""

    recording: Recording
    database: ScriptedDatabase

    @property
    def recorder(self) -> GuardedRecorder:
        return self.recording.recorder

    @property
    def counters(self) -> dict[str, int]:
        """Those that are not zero."""
        return {name: count for name, count in attrs.asdict(self.recorder.counters).items() if count}

    async def caught_up(self) -> None:
        """Return when requests go straight into the database again, and nothing waits."""
        await until(lambda: self.recorder.accepting and not self.recording.waiting)


async def until(condition: Callable[[], bool]) -> None:
    """Return when it is so; fails the test after twenty seconds."""
    with anyio.fail_after(20):
        while not condition():
            await anyio.sleep(0.001)


@asynccontextmanager
async def guarded(
    database: ScriptedDatabase, *, spool: Path | None = None, probe: bool = True, runs: bool = True, **policy: Any
) -> AsyncIterator[Up]:
    """A recorder in front of it: with a folder, one that spools. `runs`: whether anything is written afterwards."""
    policy = {
        "deadline": 1.0 if spool else DEADLINE,
        "pauses": QUICK,
        "farewell": 0.5,
        "spools": spool is not None,
        **policy,
    }
    recording = open_recording(
        database,
        Policy(**policy),
        clock=FakeClock(),
        folder=folder(spool) if spool else None,
        probe=database.probe if probe else None,
    )
    try:
        async with anyio.create_task_group() as tasks:
            if runs:
                tasks.start_soon(recording.run)
            yield Up(recording, database)
            tasks.cancel_scope.cancel()
    finally:
        await recording.close()


def folder(path: Path, database: str = DATABASE, clock: FakeClock | None = None) -> SpoolFolder:
    """A folder of spool files."""
    return SpoolFolder(path=path, database=database, clock=clock or FakeClock(), new_id=NAMES.new_id)


NAMES = Samples()


async def whole_request(up: Up, samples: Samples, **start: Any) -> InterceptionStart:
    """An interception with one fact of each kind, completed."""
    begun = samples.start(**start)
    await up.recorder.begin(begun)
    await finish(up, samples, begun)
    return begun


async def finish(up: Up, samples: Samples, begun: InterceptionStart) -> None:
    """The records and the end of it."""
    await up.recorder.record([samples.record(begun, fact) for fact in FACTS])
    await up.recorder.end(samples.ended(begun))
