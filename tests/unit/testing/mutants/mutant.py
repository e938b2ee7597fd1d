"""What a mutant is: the storage in memory, with one part replaced by a wrong one."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from attrs import frozen

from aibridge_core.testing.memory import MemoryDatabase, MemoryInterceptionStore, MemoryLeases, MemoryRecorder
from aibridge_core.testing.memory_identity import MemoryIdentityStore
from aibridge_core.testing.memory_network_log import MemoryNetworkLog
from aibridge_core.testing.memory_retention import MemoryRetention
from aibridge_core.testing.memory_tool_credentials import MemoryToolCredentials


@frozen(kw_only=True)
class Opened:
    """As `aibridge_adapters.storage.Storage`, which the core's tests don't know."""

    recorder: MemoryRecorder
    store: MemoryInterceptionStore
    leases: MemoryLeases
    identity: MemoryIdentityStore
    retention: MemoryRetention
    tool_credentials: MemoryToolCredentials
    network_log: MemoryNetworkLog


Opener = Callable[[str], AbstractAsyncContextManager[Opened]]


@frozen(kw_only=True)
class Mutant:
    """A storage with one mistake that a real adapter could make."""

    mistake: str
    caught_by: str
    """The test of the contract that must fail; it is about the rule that the mistake breaks."""
    database: Callable[[], MemoryDatabase] = MemoryDatabase
    recorder: type[MemoryRecorder] = MemoryRecorder
    store: type[MemoryInterceptionStore] = MemoryInterceptionStore
    leases: type[MemoryLeases] = MemoryLeases
    identity: type[MemoryIdentityStore] = MemoryIdentityStore
    retention: type[MemoryRetention] = MemoryRetention
    tool_credentials: type[MemoryToolCredentials] = MemoryToolCredentials
    network_log: type[MemoryNetworkLog] = MemoryNetworkLog

    def opener(self) -> Opener:
        """For the fixture `open_storage`."""
        database = self.database()

        @asynccontextmanager
        async def opened(owner: str) -> AsyncIterator[Opened]:
            yield self.on(database, owner)

        return opened

    def on(self, database: MemoryDatabase, owner: str) -> Opened:
        """All parts on one database."""
        return Opened(
            recorder=self.recorder(database, owner),
            store=self.store(database),
            leases=self.leases(database, owner),
            identity=self.identity(database.users, database.tokens, database.tool_credentials),
            retention=self.retention(database, owner),
            tool_credentials=self.tool_credentials(database.users, database.tool_credentials),
            network_log=self.network_log(database),
        )
