"""Whatever a database does in between: once it is back, it holds what was promised, as if it had never been away."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from attrs import Factory, define
from hypothesis import given, settings
from hypothesis import strategies as st

from aibridge_core.errors import RecordingFailed
from aibridge_core.records import InterceptionStart, Status
from aibridge_core.testing.memory import MemoryStorage
from aibridge_core.testing.samples import FACTS, Samples
from integration.recording.scripted import ScriptedDatabase, Up, guarded

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["begin", "record", "end", "begin and leave", "record and leave", "end and leave"]),
            st.integers(0, 3),
        ),
        st.sampled_from([("down", 0), ("hang", 0), ("stall", 0), ("forget", 0), ("mend", 0), ("breathe", 0)]),
    ),
    max_size=40,
)
"""What happens, and to which of four interceptions that run at a time."""


@define
class World:
    """A recorder whose database breaks, and one that never fails, with the same requests."""

    up: Up
    database: ScriptedDatabase
    samples: Samples = Factory(Samples)
    ideal: MemoryStorage = Factory(MemoryStorage)
    running: dict[int, InterceptionStart] = Factory(dict)
    refused: list[str] = Factory(list)
    left: list[str] = Factory(list)
    """The client left while the start was written, so nobody knows."""

    async def step(self, name: str, slot: int) -> None:
        match name:
            case "begin" | "begin and leave":
                await self.begin(slot, leaves=name.endswith("leave"))
            case "record" | "record and leave" if slot in self.running:
                records = [self.samples.record(self.running[slot], FACTS[slot])]
                await self.ideal.recorder.record(records)
                await self.finished(self.up.recorder.record(records), name.endswith("leave"))
            case "end" | "end and leave" if slot in self.running:
                await self.end(slot, leaves=name.endswith("leave"))
            case "down" | "hang" | "stall" | "forget":
                self.database.down = name == "down"
                self.database.hanging = name == "hang"
                self.database.stalled = name == "stall"
                self.database.forgetful = name == "forget"
            case "mend":
                await self.database.mend()
            case "breathe":
                await anyio.sleep(0.003)

    async def begin(self, slot: int, *, leaves: bool) -> None:
        if slot in self.running:
            return
        start = self.samples.start()
        try:
            if await self.finished(self.up.recorder.begin(start), leaves):
                self.running[slot] = start
                await self.ideal.recorder.begin(start)
            else:
                self.left.append(start.id)
        except RecordingFailed:
            self.refused.append(start.id)

    async def end(self, slot: int, *, leaves: bool) -> None:
        start = self.running.pop(slot)
        ended = self.samples.ended(start, Status.COMPLETED)
        await self.ideal.recorder.end(ended)
        await self.finished(self.up.recorder.end(ended), leaves)

    async def finished(self, call, leaves: bool) -> bool:
        """Whether it came to its end; with `leaves` its task is cancelled at the first chance."""
        task = asyncio.get_running_loop().create_task(call)
        if leaves:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait([task])
        return not task.cancelled() and task.result() is None

    async def check(self) -> None:
        kept, ideal = self.database.storage.database, self.ideal.database
        for interception_id, expected in ideal.interceptions.items():
            assert kept.interceptions[interception_id] == expected
            assert kept.records.get(interception_id, {}) == ideal.records.get(interception_id, {})
        others = kept.interceptions.keys() - ideal.interceptions.keys()
        assert others <= {*self.refused, *self.left}
        for interception_id in others:
            assert kept.interceptions[interception_id].status in (Status.FAILED, Status.CANCELLED)


async def play(steps, spool) -> None:
    database = ScriptedDatabase()
    async with guarded(database, spool=spool, deadline=0.03) as up:
        world = World(up, database)
        for step in steps:
            await world.step(*step)
        await database.mend()
        for slot in list(world.running):
            await world.end(slot, leaves=False)
        await up.caught_up()
        await world.check()
        assert "dropped" not in up.counters


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_refuse(steps):
    """Every request that was let through is complete, every other one is closed or absent."""
    anyio.run(play, steps, None)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_spool(steps):
    """The same, with a file in between."""
    with TemporaryDirectory() as path:
        anyio.run(play, steps, Path(path))
