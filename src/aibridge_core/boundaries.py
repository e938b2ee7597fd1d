"""What an agent did on the network beside its requests to models, as the firewall around it saw it.

Belongs here: a request's place in a firewall session, network calls, and the port that keeps them. Never: how audit
logs are written (`boundary_lines`), or who may read them.

The firewall numbers everything that it lets through or stops within one of its sessions, requests to the gateway
included, and puts session and number into headers of those. So the calls between two requests are what the agent did
with the first one's answer.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from attrs import Factory, frozen

from aibridge_core.wire import Headers, header

SESSION_HEADER = b"x-coder-agent-firewall-session-id"
SEQUENCE_HEADER = b"x-coder-agent-firewall-sequence-number"

MAX_SEQUENCE_NUMBER = 2**63 - 1
"""Largest number that every database can keep; a firewall that numbers a call each microsecond never gets there."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


@frozen(kw_only=True)
class FirewallPlace:
    """Where in a firewall session something happened."""

    session_id: str
    """UUID in lower case."""
    sequence_number: int
    """From 0 on, growing."""


class InvalidFirewallPlace(ValueError):
    """The headers, or a line of an audit log, don't name a place; the message says why."""


@frozen(kw_only=True)
class NetworkCall:
    """A call that an agent made, or tried to make, through its firewall."""

    place: FirewallPlace
    """Two calls never have the same."""
    made_at: datetime
    allowed: bool
    method: str
    url: str
    """Without credentials."""
    matched_rule: str = ""
    """The rule that allowed it; empty if none did, or if the firewall didn't say."""
    process: str = ""
    """The program that was confined, such as `claude`; empty if unknown."""
    metadata: Mapping[str, Any] = Factory(dict)
    """What else the audit log said, e.g. `workspace_id`."""


class NetworkLog(Protocol):
    """Keeps network calls beside the trail. A storage may do without it.

    Every method raises StoreUnavailable.
    """

    async def keep(self, calls: Sequence[NetworkCall]) -> Sequence[FirewallPlace]:
        """Return the places that were new, in the order given, when all calls are durable.

        The first call of a place counts; others change nothing.
        """
        ...

    async def calls(
        self, session_id: str, *, after: int = -1, before: int | None = None, limit: int
    ) -> Sequence[NetworkCall]:
        """The first `limit` calls of a firewall session strictly between two numbers, ascending; None: to its end."""
        ...

    async def next_request(self, place: FirewallPlace, *, initiator_id: str) -> int | None:
        """Number of the initiator's next interception in this firewall session; None if there is none (yet).

        Others' interceptions don't count: whoever puts a foreign session into a header can't hide its calls.
        """
        ...

    async def requests_before(self, places: Sequence[FirewallPlace]) -> Sequence[str | None]:
        """For each place the id of the interception with the next smaller number in its firewall session, if any."""
        ...

    async def count(self, *, made_before: datetime) -> int:
        """How many calls were made before."""
        ...

    async def delete(self, *, made_before: datetime, limit: int) -> int:
        """Delete at most `limit` calls, the oldest first. Returns how many; fewer than `limit` if no more are due."""
        ...


async def calls_until_next_request(
    log: NetworkLog, place: FirewallPlace, *, initiator_id: str, limit: int
) -> Sequence[NetworkCall]:
    """What the agent did between its request at this place and its next one: the first `limit` calls.

    Raises StoreUnavailable.
    """
    before = await log.next_request(place, initiator_id=initiator_id)
    return await log.calls(place.session_id, after=place.sequence_number, before=before, limit=limit)


def firewall_place(session_id: str, sequence_number: str) -> FirewallPlace:
    """The place that two texts name. Raises InvalidFirewallPlace."""
    session = session_id.strip().lower()
    number = sequence_number.strip()
    if not _UUID.fullmatch(session):
        raise InvalidFirewallPlace("the session id is not a UUID")
    if not (number.isascii() and number.isdecimal()) or len(number) > len(str(MAX_SEQUENCE_NUMBER)):
        raise InvalidFirewallPlace("the sequence number is not a non-negative integer")
    if int(number) > MAX_SEQUENCE_NUMBER:
        raise InvalidFirewallPlace("the sequence number is too large")
    return FirewallPlace(session_id=session, sequence_number=int(number))


def place_of_request(headers: Headers) -> FirewallPlace | None:
    """Where the firewall around a client saw this request; None without its headers. Raises InvalidFirewallPlace."""
    session, number = header(headers, SESSION_HEADER), header(headers, SEQUENCE_HEADER)
    if session is None and number is None:
        return None
    if session is None or number is None:
        missing = SESSION_HEADER if session is None else SEQUENCE_HEADER
        raise InvalidFirewallPlace(f"{missing.decode()} is missing")
    return firewall_place(session, number)
