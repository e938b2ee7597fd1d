"""The storage ports in memory, with the same behaviour as a database: for tests, and as the shortest specification.

Belongs here: what the storage contract says, in the plainest words. Never: persistence, or speed over many rows.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import attrs
from attrs import Factory, define, field, frozen

from aibridge_core.boundaries import FirewallPlace, NetworkCall
from aibridge_core.errors import RecordingFailed, UnknownCursor
from aibridge_core.identity import ApiToken, User
from aibridge_core.records import (
    INTERRUPTED_MESSAGE,
    ErrorType,
    Interception,
    InterceptionEnded,
    InterceptionFilter,
    InterceptionStart,
    Page,
    Record,
    Status,
    ToolUsage,
)
from aibridge_core.testing.memory_identity import MemoryIdentityStore
from aibridge_core.testing.memory_network_log import MemoryNetworkLog
from aibridge_core.testing.memory_retention import MemoryRetention
from aibridge_core.testing.memory_tool_credentials import MemoryToolCredentials
from aibridge_core.text import storable
from aibridge_core.tool_credentials import ToolCredential


@define
class MemoryDatabase:
    """What several `MemoryStorage` share, as several processes share a database."""

    interceptions: dict[str, Interception] = Factory(dict)
    """Without their records, by id."""
    records: dict[str, dict[str, Record]] = Factory(dict)
    """By interception id, then by record id."""
    owners: dict[str, str] = Factory(dict)
    """Which process began an interception."""
    leases: dict[str, datetime] = Factory(dict)
    purger: tuple[str, datetime] | None = None
    """Which process may purge, and until when."""
    network_calls: dict[FirewallPlace, NetworkCall] = Factory(dict)
    users: dict[str, User] = Factory(dict)
    tokens: dict[str, ApiToken] = Factory(dict)
    tool_credentials: dict[tuple[str, str], ToolCredential] = Factory(dict)
    """By user and server."""

    def whole(self, interception: Interception) -> Interception:
        """The interception with its records in order."""
        records = self.records.get(interception.start.id, {}).values()
        return attrs.evolve(interception, records=sorted(records, key=lambda record: (record.created_at, record.id)))

    def matching(self, where: InterceptionFilter) -> list[Interception]:
        """What the filter leaves, newest first."""
        found = [each for each in self.interceptions.values() if _matches(each, where)]
        return sorted(found, key=_position, reverse=True)

    def parent_of(self, start: InterceptionStart) -> Interception | None:
        """The interception whose model made the call that this one answers; the newest if ids repeat."""
        if not start.correlating_tool_call_id:
            return None
        calls = [
            record
            for records in self.records.values()
            for record in records.values()
            if isinstance(record.fact, ToolUsage) and record.fact.tool_call_id == start.correlating_tool_call_id
        ]
        newest = max(calls, key=lambda record: (record.created_at, record.id), default=None)
        return self.interceptions[newest.interception_id] if newest else None


@frozen
class MemoryRecorder:
    """Implements `aibridge_core.ports.Recorder`."""

    database: MemoryDatabase
    owner: str

    async def begin(self, start: InterceptionStart) -> None:
        """Keep the start and find its thread and session."""
        start = attrs.evolve(storable(start), started_at=start.started_at.astimezone(UTC))
        if start.id in self.database.interceptions:
            return
        parent = self.database.parent_of(start)
        root_id = (parent.thread_root_id or parent.start.id) if parent else None
        self.database.owners[start.id] = self.owner
        self.database.interceptions[start.id] = Interception(
            start=start,
            session_id=start.client_session_id or root_id or start.id,
            thread_parent_id=parent.start.id if parent else None,
            thread_root_id=root_id,
            status=Status.IN_FLIGHT,
        )

    async def record(self, records: Sequence[Record]) -> None:
        """Keep records; the first of an id counts. Raises RecordingFailed if their interception never began."""
        for record in storable(list(records)):
            self._begun(record.interception_id)
            kept = attrs.evolve(record, created_at=record.created_at.astimezone(UTC))
            self.database.records.setdefault(record.interception_id, {}).setdefault(record.id, kept)

    async def end(self, ended: InterceptionEnded) -> None:
        """Keep the first end. Raises RecordingFailed if the interception never began."""
        ended = storable(ended)
        interception = self._begun(ended.id)
        if interception.status is not Status.IN_FLIGHT:
            return
        hint = ended.credential_hint or interception.start.credential_hint
        self.database.interceptions[ended.id] = attrs.evolve(
            interception,
            start=attrs.evolve(interception.start, credential_hint=hint),
            status=ended.status,
            ended_at=ended.ended_at.astimezone(UTC),
            error_type=ended.error_type,
            error_message=ended.error_message,
        )

    def _begun(self, interception_id: str) -> Interception:
        try:
            return self.database.interceptions[interception_id]
        except KeyError:
            raise RecordingFailed(f"interception {interception_id} has not begun") from None


@frozen
class MemoryInterceptionStore:
    """Implements `aibridge_core.ports.InterceptionStore`."""

    database: MemoryDatabase

    async def list(self, where: InterceptionFilter, page: Page) -> Sequence[Interception]:
        """One page, with records. Raises UnknownCursor."""
        found = self.database.matching(where)
        if page.after_id is not None:
            cursor = self.database.interceptions.get(page.after_id)
            if cursor is None:
                raise UnknownCursor(page.after_id)
            found = [each for each in found if _position(each) < _position(cursor)]
        return [self.database.whole(each) for each in found[page.offset : page.offset + page.limit]]

    async def count(self, where: InterceptionFilter) -> int:
        """How many match."""
        return len(self.database.matching(where))

    async def get(self, interception_id: str) -> Interception | None:
        """One, with records."""
        found = self.database.interceptions.get(interception_id)
        return self.database.whole(found) if found else None

    async def models(self, *, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        """Distinct requested models."""
        return self._distinct(lambda start: start.model, initiator_id, prefix, page)

    async def clients(self, *, initiator_id: str | None, prefix: str, page: Page) -> Sequence[str]:
        """Distinct client labels."""
        return self._distinct(lambda start: start.client, initiator_id, prefix, page)

    async def find_initiator(self, text: str) -> str | None:
        """By id, else by the username in their newest interception."""
        newest: dict[str, str] = {}
        for each in self.database.matching(InterceptionFilter()):
            newest.setdefault(each.start.initiator.id, each.start.initiator.username)
        by_name = (initiator_id for initiator_id, username in newest.items() if username == text)
        return text if text in newest else next(by_name, None)

    def _distinct(
        self, label: Callable[[InterceptionStart], str], initiator_id: str | None, prefix: str, page: Page
    ) -> Sequence[str]:
        found = self.database.matching(InterceptionFilter(initiator_id=initiator_id))
        labels = sorted({label(each.start) for each in found if label(each.start).startswith(prefix)})
        return labels[page.offset : page.offset + page.limit]


@frozen
class MemoryLeases:
    """Implements `aibridge_core.ports.Leases`."""

    database: MemoryDatabase
    owner: str

    async def renew(self, now: datetime) -> None:
        """Say that this process lives."""
        self.database.leases[self.owner] = now

    async def interrupt_orphans(self, now: datetime, *, older_than: float) -> int:
        """Close what dead processes left open. The calling process lives, whatever its lease says."""
        oldest = now - timedelta(seconds=older_than)
        living = {owner for owner, seen in self.database.leases.items() if seen >= oldest} | {self.owner}
        orphans = [
            each
            for each in self.database.interceptions.values()
            if each.status is Status.IN_FLIGHT and self.database.owners[each.start.id] not in living
        ]
        for orphan in orphans:
            self.database.interceptions[orphan.start.id] = attrs.evolve(
                orphan,
                status=Status.INTERRUPTED,
                ended_at=now,
                error_type=ErrorType.UNKNOWN,
                error_message=INTERRUPTED_MESSAGE,
            )
        return len(orphans)

    async def release(self) -> None:
        """This process ends in good order."""
        self.database.leases.pop(self.owner, None)


@frozen
class MemoryStorage:
    """All storage ports on one `MemoryDatabase`, as the process `owner`."""

    owner: str = "memory"
    database: MemoryDatabase = Factory(MemoryDatabase)
    recorder: MemoryRecorder = field(
        init=False, default=Factory(lambda self: MemoryRecorder(self.database, self.owner), takes_self=True)
    )
    store: MemoryInterceptionStore = field(
        init=False, default=Factory(lambda self: MemoryInterceptionStore(self.database), takes_self=True)
    )
    leases: MemoryLeases = field(
        init=False, default=Factory(lambda self: MemoryLeases(self.database, self.owner), takes_self=True)
    )
    identity: MemoryIdentityStore = field(
        init=False,
        default=Factory(
            lambda self: MemoryIdentityStore(self.database.users, self.database.tokens, self.database.tool_credentials),
            takes_self=True,
        ),
    )
    retention: MemoryRetention = field(
        init=False, default=Factory(lambda self: MemoryRetention(self.database, self.owner), takes_self=True)
    )
    tool_credentials: MemoryToolCredentials = field(
        init=False,
        default=Factory(
            lambda self: MemoryToolCredentials(self.database.users, self.database.tool_credentials), takes_self=True
        ),
    )
    network_log: MemoryNetworkLog = field(
        init=False, default=Factory(lambda self: MemoryNetworkLog(self.database), takes_self=True)
    )


_EQUAL: Sequence[tuple[str, Callable[[Interception], str]]] = (
    ("initiator_id", lambda each: each.start.initiator.id),
    ("provider", lambda each: each.start.provider),
    ("provider_name", lambda each: each.start.provider_name),
    ("model", lambda each: each.start.model),
    ("client", lambda each: each.start.client),
    ("status", lambda each: each.status),
    ("session_id", lambda each: each.session_id),
)
"""Filters that ask for one value."""


def _matches(interception: Interception, where: InterceptionFilter) -> bool:
    wanted = ((getattr(where, name), value(interception)) for name, value in _EQUAL)
    started_at = interception.start.started_at
    return (
        all(want is None or want == have for want, have in wanted)
        and (where.started_after is None or where.started_after <= started_at)
        and (where.started_before is None or started_at <= where.started_before)
    )


def _position(interception: Interception) -> tuple[datetime, str]:
    return interception.start.started_at, interception.start.id
