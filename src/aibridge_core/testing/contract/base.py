"""What every part of the storage contract stands on.

Belongs here: the fixture that an adapter provides, and those made of it. Never: a rule of the contract.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Protocol

import pytest

from aibridge_core.identity import IdentityStore
from aibridge_core.ports import InterceptionStore, Leases, Recorder
from aibridge_core.records import Interception, InterceptionEnded, InterceptionStart, Record
from aibridge_core.testing.samples import Samples


class StorageUnderTest(Protocol):
    """The ports of one adapter on one database."""

    @property
    def recorder(self) -> Recorder:
        """The write side."""

    @property
    def store(self) -> InterceptionStore:
        """The read side."""

    @property
    def leases(self) -> Leases:
        """This process's lease."""

    @property
    def identity(self) -> IdentityStore:
        """Users and tokens."""


OpenStorage = Callable[[str], AbstractAsyncContextManager[StorageUnderTest]]
"""Opens the adapter for the process that the argument names."""

_HOW = """
    @pytest.fixture
    def open_storage(self, tmp_path):
        return lambda owner: open_my_storage(tmp_path, owner=owner)
"""


class ContractBase:
    """An adapter's test class overrides `open_storage` and inherits the rest."""

    pytestmark = pytest.mark.anyio
    ports: ClassVar[tuple[str, ...]] = ("recorder", "store", "leases")
    """Attributes that every storage has; those that not every one has are asked for by the tests that need them."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        """The event loop to run on."""
        return "asyncio"

    @pytest.fixture
    def open_storage(self) -> OpenStorage:
        """A way to open the adapter, on a database that is empty at the beginning of each test.

        All that one test opens share the database, also when open at the same time.
        """
        pytest.fail(f"{type(self).__name__} has to say how its storage is opened, for instance:\n{_HOW}", pytrace=False)

    @pytest.fixture
    async def storage(self, open_storage: OpenStorage) -> AsyncIterator[StorageUnderTest]:
        """The adapter, open as `gateway-1`."""
        opened: Any = open_storage("gateway-1")
        if not isinstance(opened, AbstractAsyncContextManager):
            kind = type(opened).__name__
            pytest.fail(f"open_storage(owner) has to be an asynchronous context; it is a {kind}", pytrace=False)
        async with opened as storage:
            missing = [port for port in self.ports if not hasattr(storage, port)]
            if missing:
                pytest.fail(f"what open_storage(owner) opens, {storage!r}, has no {', '.join(missing)}", pytrace=False)
            yield storage

    @pytest.fixture
    def samples(self) -> Samples:
        """Values to write."""
        return Samples()


async def completed(storage: StorageUnderTest, samples: Samples, *records: Record, **start: object) -> Interception:
    """Begin, record and end an interception; as it is read back."""
    begun = samples.start(**start)
    return await finished(storage, begun, records, samples.ended(begun))


async def finished(
    storage: StorageUnderTest, start: InterceptionStart, records: tuple[Record, ...], ended: InterceptionEnded
) -> Interception:
    """Write it all; as it is read back."""
    await storage.recorder.begin(start)
    await storage.recorder.record(records)
    await storage.recorder.end(ended)
    return await read(storage, start)


async def read(storage: StorageUnderTest, start: InterceptionStart) -> Interception:
    """The interception as it is read back."""
    found = await storage.store.get(start.id)
    assert found is not None, f"interception {start.id} is not there"
    return found
