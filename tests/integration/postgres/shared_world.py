"""Replicas that share limits on one PostgreSQL database, and ways to let time pass there without waiting."""

from contextlib import AsyncExitStack

from attrs import Factory, define

from aibridge_adapters.storage import Storage, open_storage
from aibridge_core.sharing import SharedLimits
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.shared_limits_contract import LEASE
from integration.postgres.opening import raw

LOCK = 4271859316225502
"""The advisory lock that all questions take."""
AGE = "UPDATE gateway_processes SET heartbeat_at = heartbeat_at - interval '1 s' * %s WHERE owner = %s"
AGE_ROWS = "UPDATE shared_admissions SET at = at - interval '1 s' * %s"


@define
class PostgresWorld:
    """Each replica has a storage of its own. Time doesn't pass: what is known gets older."""

    url: str
    stack: AsyncExitStack
    clock: FakeClock = Factory(FakeClock)
    storages: dict[str, Storage] = Factory(dict)

    async def replica(self, name: str) -> SharedLimits:
        if name not in self.storages:
            opened = open_storage(self.url, clock=self.clock, owner=name)
            self.storages[name] = await self.stack.enter_async_context(opened)
        storage = self.storages[name]
        await storage.leases.renew(self.clock.now())
        assert storage.shared_limits
        return storage.shared_limits

    async def kill(self, name: str) -> None:
        async with raw(self.url) as connection:
            await connection.execute(AGE, (LEASE, name))

    async def wait(self, seconds: float) -> None:
        async with raw(self.url) as connection:
            await connection.execute(AGE_ROWS, (seconds,))
