"""Mistakes about living processes and dead ones."""

from datetime import datetime

import attrs

from aibridge_core.records import Status
from aibridge_core.testing.memory import MemoryLeases
from unit.testing.mutants.mutant import Mutant


class TouchesTheLiving(MemoryLeases):
    async def interrupt_orphans(self, now: datetime, *, older_than: float) -> int:
        self.database.leases.clear()
        return await super().interrupt_orphans(now, older_than=older_than)


class InterruptsItself(MemoryLeases):
    async def interrupt_orphans(self, now: datetime, *, older_than: float) -> int:
        return await MemoryLeases(self.database, "nobody").interrupt_orphans(now, older_than=older_than)


class AheadIsDead(MemoryLeases):
    async def interrupt_orphans(self, now: datetime, *, older_than: float) -> int:
        for owner, seen in list(self.database.leases.items()):
            if abs((now - seen).total_seconds()) > older_than:
                del self.database.leases[owner]
        return await super().interrupt_orphans(now, older_than=older_than)


class FirstRenewalCounts(MemoryLeases):
    async def renew(self, now: datetime) -> None:
        self.database.leases.setdefault(self.owner, now)


class ReleaseDoesNothing(MemoryLeases):
    async def release(self) -> None:
        pass


class ReleasesEverybody(MemoryLeases):
    async def release(self) -> None:
        self.database.leases.clear()


class SecondReleaseFails(MemoryLeases):
    async def release(self) -> None:
        del self.database.leases[self.owner]


class NoLeaseIsNoDeath(MemoryLeases):
    async def interrupt_orphans(self, now: datetime, *, older_than: float) -> int:
        for owner in self.database.owners.values():
            self.database.leases.setdefault(owner, now)
        return await super().interrupt_orphans(now, older_than=older_than)


class NoEnd(MemoryLeases):
    async def interrupt_orphans(self, now: datetime, *, older_than: float) -> int:
        count = await super().interrupt_orphans(now, older_than=older_than)
        for each in self.database.interceptions.values():
            if each.status is Status.INTERRUPTED:
                self.database.interceptions[each.start.id] = attrs.evolve(each, ended_at=None)
        return count


class InterruptsWhatHasEnded(MemoryLeases):
    async def interrupt_orphans(self, now: datetime, *, older_than: float) -> int:
        for each in list(self.database.interceptions.values()):
            if self.database.owners[each.start.id] not in self.database.leases:
                self.database.interceptions[each.start.id] = attrs.evolve(each, status=Status.IN_FLIGHT)
        return await super().interrupt_orphans(now, older_than=older_than)


MUTANTS = (
    Mutant(mistake="the living are interrupted", leases=TouchesTheLiving, caught_by="test_a_fresh_lease"),
    Mutant(mistake="the caller is interrupted", leases=InterruptsItself, caught_by="test_the_caller_lives"),
    Mutant(mistake="a clock ahead is dead", leases=AheadIsDead, caught_by="test_a_clock_that_is_ahead"),
    Mutant(mistake="the first renewal counts", leases=FirstRenewalCounts, caught_by="test_renewal"),
    Mutant(mistake="release does nothing", leases=ReleaseDoesNothing, caught_by="test_a_released_lease"),
    Mutant(mistake="release is for everybody", leases=ReleasesEverybody, caught_by="test_others_stay_alive"),
    Mutant(mistake="a second release fails", leases=SecondReleaseFails, caught_by="test_a_released_lease"),
    Mutant(mistake="no lease is no death", leases=NoLeaseIsNoDeath, caught_by="test_a_process_without_a_lease"),
    Mutant(mistake="interrupted without an end", leases=NoEnd, caught_by="test_a_stale_lease"),
    Mutant(mistake="ended ones are interrupted", leases=InterruptsWhatHasEnded, caught_by="test_what_has_ended_stays"),
)
