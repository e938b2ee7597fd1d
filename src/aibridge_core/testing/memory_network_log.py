"""The NetworkLog port in memory.

Belongs here: what its contract says, in the plainest words. Never: persistence.
"""

from collections.abc import MutableMapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import attrs
from attrs import frozen

from aibridge_core.boundaries import FirewallPlace, NetworkCall
from aibridge_core.records import Interception
from aibridge_core.text import storable


class Kept(Protocol):
    """The parts of a `MemoryDatabase` that this port works on."""

    interceptions: dict[str, Interception]
    network_calls: MutableMapping[FirewallPlace, NetworkCall]


@frozen
class MemoryNetworkLog:
    """Implements `aibridge_core.boundaries.NetworkLog`."""

    database: Kept

    async def keep(self, calls: Sequence[NetworkCall]) -> Sequence[FirewallPlace]:
        """The first of a place counts."""
        new = [
            place for place in dict.fromkeys(call.place for call in calls) if place not in self.database.network_calls
        ]
        for call in calls:
            kept = attrs.evolve(storable(call), made_at=call.made_at.astimezone(UTC))
            self.database.network_calls.setdefault(call.place, kept)
        return new

    async def calls(
        self, session_id: str, *, after: int = -1, before: int | None = None, limit: int
    ) -> Sequence[NetworkCall]:
        """Ascending."""
        found = [
            call
            for place, call in self.database.network_calls.items()
            if place.session_id == session_id
            and place.sequence_number > after
            and (before is None or place.sequence_number < before)
        ]
        return sorted(found, key=lambda call: call.place.sequence_number)[:limit]

    async def next_request(self, place: FirewallPlace, *, initiator_id: str) -> int | None:
        """By the same initiator."""
        own = (each.start for each in self.database.interceptions.values() if each.start.initiator.id == initiator_id)
        in_session = (
            start.firewall for start in own if start.firewall and start.firewall.session_id == place.session_id
        )
        later = (each.sequence_number for each in in_session if each.sequence_number > place.sequence_number)
        return min(later, default=None)

    async def requests_before(self, places: Sequence[FirewallPlace]) -> Sequence[str | None]:
        """Whoever sent them."""
        return [self._request_before(place) for place in places]

    def _request_before(self, place: FirewallPlace) -> str | None:
        starts = (each.start for each in self.database.interceptions.values())
        numbered = [
            (start.firewall.sequence_number, start.id)
            for start in starts
            if start.firewall and start.firewall.session_id == place.session_id
        ]
        return max((each for each in numbered if each[0] < place.sequence_number), default=(0, None))[1]

    async def count(self, *, made_before: datetime) -> int:
        """How many were made before."""
        return len(self._due(made_before))

    async def delete(self, *, made_before: datetime, limit: int) -> int:
        """The oldest first."""
        due = self._due(made_before)[:limit]
        for call in due:
            del self.database.network_calls[call.place]
        return len(due)

    def _due(self, made_before: datetime) -> list[NetworkCall]:
        due = [call for call in self.database.network_calls.values() if call.made_at < made_before]
        return sorted(due, key=lambda call: call.made_at)
