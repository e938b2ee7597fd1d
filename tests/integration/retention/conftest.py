"""One storage after the other under a purge whose pauses take no time, only turn the clock."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from attrs import define, field

from aibridge_adapters.retention import Purge
from aibridge_adapters.storage import open_storage
from aibridge_core.retention import Pace
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.contract.purging import OpenPurgeable, PurgeableStorage
from aibridge_core.testing.memory import MemoryDatabase, MemoryStorage
from aibridge_core.testing.samples import Samples


@define
class Turning:
    """Sleeps by turning the clock."""

    clock: FakeClock
    slept: list[float] = field(factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.turn(seconds)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def samples(clock: FakeClock) -> Samples:
    """Values whose times are those of the clock that purges look at."""
    return Samples(clock=clock)


@pytest.fixture
def turning(clock: FakeClock) -> Turning:
    return Turning(clock)


def _memory(**_: object) -> OpenPurgeable:
    database = MemoryDatabase()

    @asynccontextmanager
    async def opened(owner: str) -> AsyncIterator[PurgeableStorage]:
        yield MemoryStorage(owner=owner, database=database)

    return opened


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def open_any(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> OpenPurgeable:
    """Opens the same database for the process that the argument names."""
    if request.param == "memory":
        return _memory()
    url = f"sqlite:///{tmp_path}/a.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")

    def opened(owner: str) -> AbstractAsyncContextManager[PurgeableStorage]:
        return open_storage(url, clock=clock, owner=owner)

    return opened


@pytest.fixture
async def storage(open_any: OpenPurgeable) -> AsyncIterator[PurgeableStorage]:
    async with open_any("gateway-1") as storage:
        yield storage


PurgeOf = Callable[..., Purge]


@pytest.fixture
def purge_of(clock: FakeClock, turning: Turning) -> PurgeOf:
    """A purge of a storage, in small batches."""

    def make(storage: PurgeableStorage, **options: object) -> Purge:
        pace = Pace(smallest=2, largest=8, first=4)
        return Purge(storage.retention, storage.store, clock, **{"pace": pace, "sleep": turning.sleep, **options})

    return make


@pytest.fixture
def purge(purge_of: PurgeOf, storage: PurgeableStorage) -> Purge:
    return purge_of(storage)
