"""A guarded recorder is a recorder: it keeps the storage contract, with either policy, on a database that is well."""

from contextlib import asynccontextmanager

import anyio
import attrs
import pytest

from aibridge_adapters.recording import Policy, open_recording
from aibridge_adapters.storage import open_storage
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.memory import MemoryDatabase, MemoryStorage
from aibridge_core.testing.storage_contract import InterceptionStorageContract, OpenStorage
from integration.recording.scripted import folder


@asynccontextmanager
async def guarded_storage(storage, spool):
    """The storage with another recorder in front of its own."""
    recording = open_recording(
        storage.recorder, Policy(spools=spool is not None), clock=FakeClock(), folder=folder(spool) if spool else None
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(recording.run)
        yield attrs.evolve(storage, recorder=recording.recorder)
        tasks.cancel_scope.cancel()
    await recording.close()


@attrs.frozen
class Opened:
    """What the contract asks for."""

    recorder: object
    store: object
    leases: object
    identity: object = None


@pytest.mark.parametrize("spools", [False, True], ids=["refuse", "spool"])
class TestInFrontOfMemory(InterceptionStorageContract):
    """Over the storage in memory."""

    @pytest.fixture
    def open_storage(self, tmp_path, spools) -> OpenStorage:
        database = MemoryDatabase()

        @asynccontextmanager
        async def opened(owner):
            storage = MemoryStorage(owner=owner, database=database)
            parts = Opened(recorder=storage.recorder, store=storage.store, leases=storage.leases)
            async with guarded_storage(parts, tmp_path if spools else None) as guarded:
                yield guarded

        return opened


@pytest.mark.parametrize("spools", [False, True], ids=["refuse", "spool"])
class TestInFrontOfSqlite(InterceptionStorageContract):
    """Over a database file."""

    @pytest.fixture
    def open_storage(self, tmp_path, spools) -> OpenStorage:
        @asynccontextmanager
        async def opened(owner):
            async with (
                open_storage(f"sqlite:///{tmp_path}/aibridge.db", clock=FakeClock(), owner=owner) as storage,
                guarded_storage(storage, tmp_path / "spool" if spools else None) as guarded,
            ):
                yield guarded

        return opened
