"""The fake of shared limits keeps the contract that PostgreSQL keeps."""

import pytest
from attrs import Factory, define

from aibridge_core.testing.memory_shared_limits import MemorySharedLimits, SharedCounts
from aibridge_core.testing.shared_limits_contract import LEASE, SharedLimitsContract, World

pytestmark = pytest.mark.anyio


@define
class MemoryWorld:
    """Time passes when it is told to."""

    counts: SharedCounts = Factory(SharedCounts)
    known: dict[str, MemorySharedLimits] = Factory(dict)

    async def replica(self, name: str) -> MemorySharedLimits:
        self.counts.seen[name] = self.counts.clock.monotonic()
        return self.known.setdefault(name, MemorySharedLimits(self.counts, name))

    async def kill(self, name: str) -> None:
        self.counts.seen[name] = self.counts.clock.monotonic() - LEASE

    async def wait(self, seconds: float) -> None:
        self.counts.clock.turn(seconds)


class TestMemorySharedLimits(SharedLimitsContract):
    """In memory."""

    @pytest.fixture
    def world(self) -> World:
        return MemoryWorld()
