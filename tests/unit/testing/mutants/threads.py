"""Mistakes of threads and sessions."""

import attrs
from attrs import define

from aibridge_core.records import Interception, InterceptionStart, Record, ToolUsage
from aibridge_core.testing.memory import MemoryDatabase, MemoryRecorder
from unit.testing.mutants.mutant import Mutant


class _Calls(MemoryDatabase):
    def calls(self, tool_call_id: str | None) -> list[Record]:
        """In the order they were written."""
        return [
            record
            for records in self.records.values()
            for record in records.values()
            if isinstance(record.fact, ToolUsage) and record.fact.tool_call_id == tool_call_id
        ]

    def caller(self, call: Record | None, start: InterceptionStart) -> Interception | None:
        return self.interceptions[call.interception_id] if call and start.correlating_tool_call_id else None


@define
class OldestCall(_Calls):
    def parent_of(self, start: InterceptionStart) -> Interception | None:
        calls = self.calls(start.correlating_tool_call_id)
        return self.caller(min(calls, key=lambda call: (call.created_at, call.id), default=None), start)


@define
class LastWrittenCall(_Calls):
    def parent_of(self, start: InterceptionStart) -> Interception | None:
        return self.caller(next(reversed(self.calls(start.correlating_tool_call_id)), None), start)


@define
class TiesToTheFirst(_Calls):
    """Of equal times, the one that was written first."""

    def parent_of(self, start: InterceptionStart) -> Interception | None:
        calls = self.calls(start.correlating_tool_call_id)
        return self.caller(max(calls, key=lambda call: call.created_at, default=None), start)


@define
class TiesToTheLast(_Calls):
    """Of equal times, the one that was written last."""

    def parent_of(self, start: InterceptionStart) -> Interception | None:
        calls = self.calls(start.correlating_tool_call_id)
        return self.caller(max(reversed(calls), key=lambda call: call.created_at, default=None), start)


@define
class EmptyCallsMatch(_Calls):
    def parent_of(self, start: InterceptionStart) -> Interception | None:
        calls = self.calls(start.correlating_tool_call_id or "")
        return self.interceptions[calls[-1].interception_id] if calls else None


@define
class EndedCallersOnly(MemoryDatabase):
    def parent_of(self, start: InterceptionStart) -> Interception | None:
        parent = super().parent_of(start)
        return parent if parent and parent.ended_at else None


class _Placing(MemoryRecorder):
    async def begin(self, start: InterceptionStart) -> None:
        await super().begin(start)
        kept = self.database.interceptions[start.id]
        parent = self.database.interceptions.get(kept.thread_parent_id or "")
        self.database.interceptions[start.id] = self.placed(kept, parent)

    def placed(self, kept: Interception, parent: Interception | None) -> Interception:
        raise NotImplementedError


class ParentIsTheRoot(_Placing):
    def placed(self, kept: Interception, parent: Interception | None) -> Interception:
        return attrs.evolve(kept, thread_root_id=kept.thread_parent_id)


class RootIsItsOwn(_Placing):
    def placed(self, kept: Interception, parent: Interception | None) -> Interception:
        return attrs.evolve(kept, thread_root_id=kept.thread_root_id or kept.start.id)


class ThreadGoesBeforeSession(_Placing):
    def placed(self, kept: Interception, parent: Interception | None) -> Interception:
        return attrs.evolve(kept, session_id=kept.thread_root_id or kept.session_id)


class SessionIsInherited(_Placing):
    def placed(self, kept: Interception, parent: Interception | None) -> Interception:
        own = kept.start.client_session_id
        return attrs.evolve(kept, session_id=parent.session_id) if parent and not own else kept


class EmptySessionCounts(_Placing):
    def placed(self, kept: Interception, parent: Interception | None) -> Interception:
        own = kept.start.client_session_id
        return attrs.evolve(kept, session_id=kept.session_id if own is None else own)


MUTANTS = (
    Mutant(mistake="the oldest call counts", database=OldestCall, caught_by="test_the_newest_call_counts"),
    Mutant(mistake="the last written call counts", database=LastWrittenCall, caught_by="test_the_newest_call_counts"),
    Mutant(
        mistake="ties go to what was written first",
        database=TiesToTheFirst,
        caught_by="test_of_calls_at_one_moment_the_largest_id_counts",
    ),
    Mutant(
        mistake="ties go to what was written last",
        database=TiesToTheLast,
        caught_by="test_of_calls_at_one_moment_the_largest_id_counts",
    ),
    Mutant(
        mistake="empty ids of calls match", database=EmptyCallsMatch, caught_by="test_calls_without_an_id_link_nothing"
    ),
    Mutant(mistake="only ended callers count", database=EndedCallersOnly, caught_by="test_a_call_just_recorded"),
    Mutant(mistake="the parent is the root", recorder=ParentIsTheRoot, caught_by="test_a_chain"),
    Mutant(mistake="a root is its own root", recorder=RootIsItsOwn, caught_by="test_a_root_has_no_parent"),
    Mutant(
        mistake="the thread goes before the session",
        recorder=ThreadGoesBeforeSession,
        caught_by="test_the_clients_session_counts_first",
    ),
    Mutant(
        mistake="sessions are inherited",
        recorder=SessionIsInherited,
        caught_by="test_the_clients_session_counts_first",
    ),
    Mutant(
        mistake="an empty session is one",
        recorder=EmptySessionCounts,
        caught_by="test_the_clients_session_counts_first",
    ),
)
