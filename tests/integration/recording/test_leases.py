"""Whose interceptions may be closed after an outage: nobody's who could not have said that he lives."""

from datetime import datetime

import pytest
from attrs import define

from aibridge_adapters.config import RecordingSettings
from aibridge_adapters.housekeeping import lease_keeper
from aibridge_core.errors import StoreUnavailable
from aibridge_core.testing.clock import FakeClock

LEASE = RecordingSettings().lease

pytestmark = pytest.mark.anyio


@define
class WatchedLeases:
    """Implements `Leases`; counts what it is asked."""

    away: bool = False
    interruptions: int = 0

    async def renew(self, now: datetime) -> None:
        if self.away:
            raise StoreUnavailable("away")

    async def interrupt_orphans(self, now: datetime, *, older_than: float) -> int:
        self.interruptions += 1
        return 0

    async def release(self) -> None:
        pass


async def test_after_an_outage_others_get_time_to_come_back():
    """Who could not renew its own lease for longer than one lasts, waits as long before it judges others."""
    leases, clock = WatchedLeases(), FakeClock()
    keep = lease_keeper(leases, clock, lease=LEASE, unless=lambda: False)
    await keep()
    assert leases.interruptions == 1
    leases.away = True
    for _ in range(5):
        clock.turn(5)
        with pytest.raises(StoreUnavailable):
            await keep()
    leases.away = False
    await keep()
    clock.turn(LEASE - 1)
    await keep()
    assert leases.interruptions == 1
    clock.turn(1)
    await keep()
    assert leases.interruptions == 2


async def test_what_a_dead_process_spooled_comes_first():
    """As long as its file is not in the database, nobody knows what it left open."""
    leases, adopting = WatchedLeases(), [True]
    keep = lease_keeper(leases, FakeClock(), lease=LEASE, unless=lambda: adopting[0])
    await keep()
    assert leases.interruptions == 0
    adopting[0] = False
    await keep()
    assert leases.interruptions == 1
