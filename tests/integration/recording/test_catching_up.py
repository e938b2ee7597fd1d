"""How what waits is written: how much at a time, how often, and in which order."""

from collections.abc import Collection, Sequence

import anyio
import pytest
from attrs import Factory, define, evolve

from aibridge_adapters.recording.backlog import Buffer, LooseEnds
from aibridge_adapters.recording.catching_up import FEW, MANY, CatchingUp, Pauses
from aibridge_adapters.recording.counters import Tally
from aibridge_adapters.recording.outage import Outage
from aibridge_adapters.recording.parcels import Parcel
from aibridge_adapters.recording.standby import Standby
from aibridge_core.testing.samples import Samples
from integration.recording.scripted import DEADLINE, QUICK, ScriptedDatabase, until

pytestmark = pytest.mark.anyio


@define
class Listed:
    """Implements `Source`: a list, and what was asked of it."""

    parcels: list[Parcel]
    gating: bool = True
    asked: list[int] = Factory(list)
    stuck: list[Parcel] = Factory(list)

    @property
    def waiting(self) -> bool:
        return bool(self.parcels)

    async def batch(self, most: int) -> Sequence[Parcel]:
        self.asked.append(most)
        return self.parcels[:most]

    async def settle(self, written: Collection[Parcel], stuck: Collection[Parcel]) -> int:
        self.stuck += stuck
        self.parcels = [parcel for parcel in self.parcels if parcel not in written and parcel not in stuck]
        return len(written)


@define
class Set:
    database: ScriptedDatabase
    outage: Outage
    tally: Tally
    standby: Standby
    catching_up: CatchingUp


@pytest.fixture
def parts() -> Set:
    """Everything but a recorder."""
    database, tally = ScriptedDatabase(), Tally()
    loose = LooseEnds(limit=10**6, most=100, tally=tally)
    outage = Outage(tally, consequence="nothing happens")
    buffer = Buffer(limit=10**6, loose=loose, tally=tally)
    standby = Standby(backlog=buffer, loose=loose, outage=outage, tally=tally)
    catching_up = CatchingUp(database, standby, timeout=DEADLINE, probe=database.probe, pauses=QUICK)
    return Set(database, outage, tally, standby, catching_up)


def parcels(count: int) -> list[Parcel]:
    """Complete interceptions without records."""
    samples = Samples()
    starts = [samples.start() for _ in range(count)]
    return [Parcel(id=start.id, start=start, ended=samples.ended(start)) for start in starts]


async def test_few_at_a_time_while_it_is_lost(parts):
    """Attempts don't pile up in the queue of a database that hangs; once it has taken one, many go at once."""
    source = Listed(parcels(600))
    parts.database.hanging = True
    parts.catching_up.add(source)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parts.catching_up.run)
        await until(lambda: len(source.asked) > 3)
        await parts.database.mend()
        await until(lambda: not source.waiting)
        tasks.cancel_scope.cancel()
    assert source.asked[0] == MANY
    assert source.asked[1:4] == [FEW] * 3
    assert source.asked.count(MANY) >= 3
    assert parts.outage.over


async def test_what_nobody_may_overtake_goes_first(parts):
    """The rest of the work waits for it."""
    first, other = parcels(40)[:20], parcels(40)[20:]
    gating, free = Listed(first), Listed(other, gating=False)
    parts.catching_up.add(free)
    parts.catching_up.add(gating)
    await parts.catching_up.finish()
    begun = [call.split()[1] for call in parts.database.calls if call.startswith("begin")]
    assert begun == [parcel.id for parcel in (*first, *other)]


async def test_a_living_database_that_refuses_one_of_many(parts):
    """After three failures it is stuck; a probe is asked only where nothing else shows that the database lives."""
    source = Listed(parcels(10))
    poison = source.parcels[4]
    parts.database.refused.add(poison.id)
    parts.catching_up.add(source)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parts.catching_up.run)
        await until(lambda: not source.waiting)
        tasks.cancel_scope.cancel()
    assert source.stuck == [poison]
    assert parts.database.calls.count(f"begin {poison.id}") == 3
    assert parts.database.calls.count("probe") == 2


async def test_a_probe_alone_is_not_believed_at_once(parts):
    """A database that answers the probe but takes nothing at hand may only have come back: that is given time."""
    source = Listed(parcels(10))
    parts.database.refused |= {parcel.id for parcel in source.parcels}
    patient = evolve(QUICK, doubt=60.0)
    catching_up = CatchingUp(
        parts.database, parts.standby, timeout=DEADLINE, probe=parts.database.probe, pauses=patient
    )
    catching_up.add(source)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(catching_up.run)
        await until(lambda: parts.tally.counters.retried > 100)
        assert not parts.outage.lost
        parts.database.refused.clear()
        await until(lambda: not source.waiting)
        tasks.cancel_scope.cancel()
    assert (source.stuck, parts.tally.counters.replayed) == ([], 10)


async def test_one_at_a_time_where_only_a_probe_passes(parts):
    """If the first was in the way of the others, only the first gets out of it."""
    source = Listed(parcels(10))
    first, *others = source.parcels
    parts.database.refused |= {parcel.id for parcel in source.parcels}
    parts.catching_up.add(source)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parts.catching_up.run)
        await until(lambda: bool(source.stuck))
        parts.database.refused -= {parcel.id for parcel in others}
        await until(lambda: not source.waiting)
        tasks.cancel_scope.cancel()
    assert source.stuck == [first]


@pytest.mark.parametrize("gating", [True, False])
async def test_an_outage_leaves_no_long_pauses_behind(parts, gating):
    """However long it was, and though the first attempt after it fails: what waits is written at once."""
    source = Listed(parcels(10), gating=gating)
    pauses = evolve(QUICK, stuck=60.0, doubt=60.0)
    catching_up = CatchingUp(parts.database, parts.standby, timeout=DEADLINE, probe=parts.database.probe, pauses=pauses)
    parts.database.down = True
    catching_up.add(source)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(catching_up.run)
        await until(lambda: parts.tally.counters.retried > 200)
        parts.database.refused |= {parcel.id for parcel in source.parcels}
        await parts.database.mend()
        await until(lambda: not parts.outage.lost)
        parts.database.refused.clear()
        await until(lambda: not source.waiting)
        tasks.cancel_scope.cancel()
    assert parts.tally.counters.replayed == 10


def test_what_was_refused_makes_room_for_records(parts):
    """Where too much waits, starts of requests that nobody served go first, and their loss is none."""
    loose = LooseEnds(limit=10**6, most=3, tally=parts.tally)
    served, *others = parcels(5)
    loose.put(served)
    for parcel in others:
        loose.put(evolve(parcel, refused=True))
    assert [parcel.id for parcel in loose.in_memory()] == [served.id, others[2].id, others[3].id]
    assert parts.tally.counters.dropped == 0


async def test_a_lost_database_makes_nothing_stuck(parts):
    """However often an attempt fails while the probe fails as well."""
    source = Listed(parcels(10))
    parts.database.down = True
    parts.catching_up.add(source)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parts.catching_up.run)
        await until(lambda: parts.tally.counters.retried > 100)
        assert parts.outage.lost
        await parts.database.mend()
        await until(lambda: not source.waiting)
        tasks.cancel_scope.cancel()
    assert source.stuck == []


async def test_a_source_that_can_not_be_read(parts):
    """Its trouble is not the end of the task that all others rely on."""

    class Broken(Listed):
        async def batch(self, most: int) -> Sequence[Parcel]:
            if len(self.asked) < 3:
                self.asked.append(most)
                raise OSError(5, "Input/output error")
            return await Listed.batch(self, most)

    source = Broken(parcels(3))
    parts.catching_up.add(source)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(parts.catching_up.run)
        await until(lambda: not source.waiting)
        tasks.cancel_scope.cancel()
    assert parts.tally.counters.replayed == 3


def test_pauses_grow_up_to_a_bound_and_are_never_quite_the_same():
    """Seconds while anybody waits, up to a minute for what is stuck."""
    pauses = Pauses()
    lost = [[pauses.after(failures, short=True) for failures in range(1, 60)] for _ in range(20)]
    assert all(0.025 <= row[0] <= 0.05 and 1.0 <= row[-1] <= 2.0 for row in lost)
    assert len({row[-1] for row in lost}) > 10
    assert 30.0 <= pauses.after(500, short=False) <= 60.0
