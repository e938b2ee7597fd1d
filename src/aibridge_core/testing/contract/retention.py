"""The storage contract: removing what was kept long enough.

Belongs here: who may purge, and the parts of this suite. Never: how long anything is kept.
"""

from datetime import timedelta

import anyio

from aibridge_core.testing.contract.deleting import DeletionContract
from aibridge_core.testing.contract.erasing import ErasureContract
from aibridge_core.testing.contract.purging import OpenPurgeable, PurgeableStorage
from aibridge_core.testing.samples import Samples


class RetentionContract(DeletionContract, ErasureContract):
    """The Retention port. Storages that keep everything do without this suite."""

    async def test_one_process_purges(self, open_storage: OpenPurgeable, samples: Samples) -> None:
        """A second one may as soon as the first has given the right back."""
        now = samples.clock.now()
        async with open_storage("gateway-1") as one, open_storage("gateway-2") as two:
            assert await one.retention.claim(now, seconds=60)
            assert not await two.retention.claim(now, seconds=60)
            await two.retention.release()
            assert not await two.retention.claim(now, seconds=60)
            await one.retention.release()
            assert await two.retention.claim(now, seconds=60)
            assert not await one.retention.claim(now, seconds=60)

    async def test_a_claim_can_be_prolonged(self, open_storage: OpenPurgeable, samples: Samples) -> None:
        """The process that has it may claim again; the time then counts from there."""
        now = samples.clock.now()
        async with open_storage("gateway-1") as one, open_storage("gateway-2") as two:
            assert await one.retention.claim(now, seconds=60)
            assert await one.retention.claim(now + timedelta(seconds=50), seconds=60)
            assert not await two.retention.claim(now + timedelta(seconds=109), seconds=60)
            assert await two.retention.claim(now + timedelta(seconds=110), seconds=60)

    async def test_a_dead_process_does_not_hold_it_for_ever(
        self, open_storage: OpenPurgeable, samples: Samples
    ) -> None:
        """A claim ends by itself; whoever had it then can't give it back for another."""
        now = samples.clock.now()
        async with open_storage("gateway-1") as one, open_storage("gateway-2") as two:
            assert await one.retention.claim(now, seconds=60)
            assert await two.retention.claim(now + timedelta(seconds=60), seconds=60)
            await one.retention.release()
            assert not await one.retention.claim(now + timedelta(seconds=61), seconds=60)

    async def test_claims_at_once(self, open_storage: OpenPurgeable, samples: Samples) -> None:
        """Of two processes that ask at the same moment one gets it."""
        answers: list[bool] = []
        async with open_storage("gateway-1") as one, open_storage("gateway-2") as two:

            async def claim(storage: PurgeableStorage) -> None:
                answers.append(await storage.retention.claim(samples.clock.now(), seconds=60))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(claim, one)
                tasks.start_soon(claim, two)
        assert sorted(answers) == [False, True]
