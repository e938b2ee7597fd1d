"""Mistakes about network calls of agents."""

from collections.abc import Sequence
from datetime import datetime

import attrs

from aibridge_core.boundaries import FirewallPlace, NetworkCall
from aibridge_core.records import InterceptionStart
from aibridge_core.testing.memory import MemoryRecorder
from aibridge_core.testing.memory_network_log import MemoryNetworkLog
from unit.testing.mutants.mutant import Mutant


class NoPlaces(MemoryRecorder):
    async def begin(self, start: InterceptionStart) -> None:
        await super().begin(attrs.evolve(start, firewall=None))


class LastOneCounts(MemoryNetworkLog):
    async def keep(self, calls: Sequence[NetworkCall]) -> Sequence[FirewallPlace]:
        new = await super().keep(calls)
        self.database.network_calls.update({call.place: call for call in calls})
        return new


class AllAreNew(MemoryNetworkLog):
    async def keep(self, calls: Sequence[NetworkCall]) -> Sequence[FirewallPlace]:
        await super().keep(calls)
        return [call.place for call in calls]


class NothingIsDenied(MemoryNetworkLog):
    async def keep(self, calls: Sequence[NetworkCall]) -> Sequence[FirewallPlace]:
        return await super().keep([attrs.evolve(call, allowed=True) for call in calls])


class BoundsIncluded(MemoryNetworkLog):
    async def calls(
        self, session_id: str, *, after: int = -1, before: int | None = None, limit: int
    ) -> Sequence[NetworkCall]:
        return await super().calls(session_id, after=after - 1, before=before and before + 1, limit=limit)


class EverybodysRequests(MemoryNetworkLog):
    async def next_request(self, place: FirewallPlace, *, initiator_id: str) -> int | None:
        everybody = {each.start.initiator.id for each in self.database.interceptions.values()}
        found = [await super(EverybodysRequests, self).next_request(place, initiator_id=who) for who in everybody]
        return min((number for number in found if number is not None), default=None)


class OfAnySession(MemoryNetworkLog):
    async def requests_before(self, places: Sequence[FirewallPlace]) -> Sequence[str | None]:
        sessions = {
            each.start.firewall.session_id for each in self.database.interceptions.values() if each.start.firewall
        }
        everywhere = [[attrs.evolve(place, session_id=session) for session in sorted(sessions)] for place in places]
        found = [await super(OfAnySession, self).requests_before(each) for each in everywhere]
        return [next((each for each in of if each), None) for of in found]


class DeletesOneTooMany(MemoryNetworkLog):
    async def delete(self, *, made_before: datetime, limit: int) -> int:
        return await super().delete(made_before=made_before, limit=limit + 1)


MUTANTS = (
    Mutant(mistake="places are forgotten", recorder=NoPlaces, caught_by="test_a_place_is_kept"),
    Mutant(mistake="the last call counts", network_log=LastOneCounts, caught_by="test_keeping_twice_keeps_once"),
    Mutant(mistake="all calls are new", network_log=AllAreNew, caught_by="test_many_keep_the_same"),
    Mutant(mistake="no call is denied", network_log=NothingIsDenied, caught_by="test_calls_are_kept"),
    Mutant(mistake="bounds are included", network_log=BoundsIncluded, caught_by="test_calls_between_two_numbers"),
    Mutant(mistake="others' requests count", network_log=EverybodysRequests, caught_by="test_the_next_request"),
    Mutant(mistake="requests of any session", network_log=OfAnySession, caught_by="test_the_requests_before"),
    Mutant(mistake="one call too many goes", network_log=DeletesOneTooMany, caught_by="test_old_calls_are_deleted"),
)
