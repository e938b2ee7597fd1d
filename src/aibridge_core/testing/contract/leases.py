"""The storage contract: living processes and dead ones.

Belongs here: whose interceptions are closed, and how they look then. Never: how often anybody looks.
"""

from datetime import timedelta

import pytest

from aibridge_core.records import InterceptionFilter, InterceptionStart, Page, Status
from aibridge_core.testing.contract.base import ContractBase, OpenStorage, StorageUnderTest, completed, read
from aibridge_core.testing.samples import Samples


class LeaseContract(ContractBase):
    """`gateway-1` looks for orphans; `gateway-2` leaves some, or does not."""

    @pytest.fixture
    async def orphan(self, open_storage: OpenStorage, storage: StorageUnderTest, samples: Samples) -> InterceptionStart:
        """An interception that `gateway-2` left in flight when it ended without a word."""
        start = samples.start()
        async with open_storage("gateway-2") as other:
            await other.leases.renew(samples.clock.now())
            await other.recorder.begin(start)
        return start

    async def test_a_stale_lease(self, storage: StorageUnderTest, samples: Samples, orphan: InterceptionStart) -> None:
        """What a process without a fresh lease left open is interrupted, with a reason and a time."""
        now = samples.clock.turn(31)
        assert await storage.leases.interrupt_orphans(now, older_than=30.0) == 1
        found = await read(storage, orphan)
        assert (found.status, found.ended_at, found.error_type) == (Status.INTERRUPTED, now, "unknown")
        assert "ended before the answer" in found.error_message
        assert await storage.leases.interrupt_orphans(now, older_than=30.0) == 0

    async def test_a_fresh_lease(self, storage: StorageUnderTest, samples: Samples, orphan: InterceptionStart) -> None:
        """A process that said it lives, almost as long ago as is allowed, is left alone."""
        assert await storage.leases.interrupt_orphans(samples.clock.turn(29), older_than=30.0) == 0
        assert (await read(storage, orphan)).status is Status.IN_FLIGHT

    async def test_renewal(
        self, open_storage: OpenStorage, storage: StorageUnderTest, samples: Samples, orphan: InterceptionStart
    ) -> None:
        """A renewed lease counts from its last renewal."""
        async with open_storage("gateway-2") as other:
            await other.leases.renew(samples.clock.turn(29))
            assert await storage.leases.interrupt_orphans(samples.clock.turn(29), older_than=30.0) == 0
            assert await storage.leases.interrupt_orphans(samples.clock.turn(2), older_than=30.0) == 1

    async def test_a_clock_that_is_ahead(
        self, open_storage: OpenStorage, storage: StorageUnderTest, samples: Samples
    ) -> None:
        """A process on a machine whose clock is ahead lives, until its own time is over."""
        now = samples.clock.now()
        async with open_storage("gateway-2") as other:
            await other.leases.renew(now + timedelta(hours=1))
            await other.recorder.begin(samples.start())
        assert await storage.leases.interrupt_orphans(now, older_than=30.0) == 0
        assert await storage.leases.interrupt_orphans(now + timedelta(hours=1, seconds=31), older_than=30.0) == 1

    async def test_others_stay_alive(
        self, open_storage: OpenStorage, storage: StorageUnderTest, samples: Samples, orphan: InterceptionStart
    ) -> None:
        """A process that comes and goes says nothing of others, and what they have in flight is theirs."""
        async with open_storage("gateway-3") as passing:
            await passing.leases.renew(samples.clock.now())
            await passing.recorder.begin(samples.start())
            await passing.leases.release()
        assert await storage.leases.interrupt_orphans(samples.clock.now(), older_than=30.0) == 1
        assert (await read(storage, orphan)).status is Status.IN_FLIGHT

    async def test_a_replay_takes_nothing_over(
        self, open_storage: OpenStorage, storage: StorageUnderTest, samples: Samples, orphan: InterceptionStart
    ) -> None:
        """A start that another process writes again stays with the process that wrote it first."""
        async with open_storage("gateway-3") as passing:
            await passing.recorder.begin(orphan)
        assert await storage.leases.interrupt_orphans(samples.clock.now(), older_than=30.0) == 0
        assert await storage.leases.interrupt_orphans(samples.clock.turn(31), older_than=30.0) == 1

    async def test_a_released_lease(
        self, open_storage: OpenStorage, storage: StorageUnderTest, samples: Samples, orphan: InterceptionStart
    ) -> None:
        """A process that has said goodbye is dead at once; saying it twice is no error."""
        async with open_storage("gateway-2") as other:
            await other.leases.release()
            await other.leases.release()
        assert await storage.leases.interrupt_orphans(samples.clock.now(), older_than=30.0) == 1

    async def test_a_process_without_a_lease(
        self, open_storage: OpenStorage, storage: StorageUnderTest, samples: Samples
    ) -> None:
        """A process that never took a lease is dead."""
        async with open_storage("gateway-3") as other:
            await other.recorder.begin(samples.start())
        assert await storage.leases.interrupt_orphans(samples.clock.now(), older_than=30.0) == 1

    async def test_the_caller_lives(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A process never interrupts its own interceptions, even if it slept and its lease is stale."""
        start = samples.start()
        await storage.leases.renew(samples.clock.now())
        await storage.recorder.begin(start)
        assert await storage.leases.interrupt_orphans(samples.clock.turn(3600), older_than=30.0) == 0
        assert (await read(storage, start)).status is Status.IN_FLIGHT

    async def test_what_has_ended_stays(
        self, open_storage: OpenStorage, storage: StorageUnderTest, samples: Samples
    ) -> None:
        """A dead process's interceptions that have ended are not touched."""
        async with open_storage("gateway-2") as other:
            interception = await completed(other, samples)
        assert await storage.leases.interrupt_orphans(samples.clock.turn(3600), older_than=30.0) == 0
        assert await read(storage, interception.start) == interception

    async def test_a_late_end(
        self, open_storage: OpenStorage, storage: StorageUnderTest, samples: Samples, orphan: InterceptionStart
    ) -> None:
        """A process that was taken for dead can't rewrite what was decided; its records are kept."""
        now = samples.clock.turn(31)
        await storage.leases.interrupt_orphans(now, older_than=30.0)
        late = samples.prompt(orphan, "late")
        async with open_storage("gateway-2") as other:
            await other.recorder.record([late])
            await other.recorder.end(samples.ended(orphan, Status.COMPLETED))
        found = await read(storage, orphan)
        assert (found.status, found.ended_at, list(found.records)) == (Status.INTERRUPTED, now, [late])

    async def test_it_is_counted_and_listed(
        self, storage: StorageUnderTest, samples: Samples, orphan: InterceptionStart
    ) -> None:
        """An interrupted interception is found by its status."""
        await storage.leases.interrupt_orphans(samples.clock.turn(31), older_than=30.0)
        where = InterceptionFilter(status=Status.INTERRUPTED, started_after=orphan.started_at - timedelta(days=2))
        assert [each.start for each in await storage.store.list(where, Page())] == [orphan]
        assert await storage.store.count(where) == 1
        assert await storage.store.count(InterceptionFilter(status=Status.IN_FLIGHT)) == 0
