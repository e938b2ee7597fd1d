"""What the lines say together, in memory: everything that a filter, an order or a rule needs, but no contents.

Belongs here: the rules of the trail. Never: the file; a record is only known by its place in it.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from datetime import datetime

import attrs
from attrs import define, field

from aibridge_core.content import content_of
from aibridge_core.records import Interception, InterceptionEnded, InterceptionFilter, Record, Status, ToolUsage
from aibridge_jsonl.journal import Place
from aibridge_jsonl.lines import Begun, Deleted, Ended, Erased, Line, Recorded
from aibridge_jsonl.matching import matches

Rank = tuple[datetime, str]
"""Where an interception is in every list: its start, then its id."""
Call = tuple[datetime, str, str]
"""A record of a tool call: its time, its id, its interception."""


@define(eq=False)
class Entry:
    """One interception; its records are in the file."""

    interception: Interception
    owner: str
    begun: Place
    ended: Place | None = None
    records: dict[str, Place] = field(factory=dict)
    """By id."""
    calls: list[tuple[str, Call]] = field(factory=list)
    """The tool calls among them, with their ids."""
    holds_content: bool = False
    erased_before: int = 0
    """The content of records before this byte of the file has been erased."""

    @property
    def rank(self) -> Rank:
        """As the order of lists has it."""
        return self.interception.start.started_at, self.interception.start.id

    @property
    def in_flight(self) -> bool:
        """Whether it hasn't ended yet."""
        return self.interception.status is Status.IN_FLIGHT


@define(eq=False)
class Index:
    """All interceptions. Lines are applied in the order of the file, each once."""

    entries: dict[str, Entry] = field(factory=dict)
    garbage: bool = False
    """Whether the file holds lines that don't count any more."""
    _ranks: list[Rank] = field(factory=list)
    """Oldest first."""
    _calls: dict[str, list[Call]] = field(factory=dict)
    """By id of a tool call, oldest first; providers repeat ids."""

    def apply(self, line: Line, place: Place) -> None:
        """Take a line in. Whoever wrote it has asked the index first, so it needs no check."""
        match line:
            case Begun():
                self._begin(line, place)
            case Recorded(record=record):
                self._record(record, place)
            case Ended(ended=ended):
                self._end(ended, place)
            case Deleted(ids=ids):
                self._delete(ids)
            case Erased(ids=ids):
                self._erase(ids, place)

    def newest_first(self, where: InterceptionFilter, *, after: Rank | None = None) -> Iterator[Entry]:
        """What the filter leaves, by start and id, both descending; only what comes after `after` in that order."""
        end = len(self._ranks) if after is None else bisect_left(self._ranks, after)
        for number in range(end - 1, -1, -1):
            entry = self.entries[self._ranks[number][1]]
            if matches(entry.interception, where):
                yield entry

    def oldest_ended(self, *, after: Rank | None = None, before: datetime) -> Iterator[Entry]:
        """What has ended and started before a moment, the oldest first; only what comes after `after`."""
        begin = 0 if after is None else bisect_right(self._ranks, after)
        for number in range(begin, bisect_left(self._ranks, (before, ""))):
            entry = self.entries[self._ranks[number][1]]
            if not entry.in_flight:
                yield entry

    def caller(self, tool_call_id: str | None) -> Interception | None:
        """The interception whose model made this tool call; the newest of several."""
        calls = self._calls.get(tool_call_id) if tool_call_id else None
        return self.entries[calls[-1][2]].interception if calls else None

    def _begin(self, line: Begun, place: Place) -> None:
        interception = Interception(
            start=line.start,
            session_id=line.session_id,
            thread_parent_id=line.thread_parent_id,
            thread_root_id=line.thread_root_id,
            status=Status.IN_FLIGHT,
        )
        entry = Entry(interception=interception, owner=line.owner, begun=place)
        self.entries[line.start.id] = entry
        insort(self._ranks, entry.rank)

    def _record(self, record: Record, place: Place) -> None:
        entry = self.entries[record.interception_id]
        entry.records[record.id] = place
        entry.holds_content = entry.holds_content or bool(content_of(record.fact))
        if isinstance(record.fact, ToolUsage) and record.fact.tool_call_id:
            call = (record.created_at, record.id, record.interception_id)
            entry.calls.append((record.fact.tool_call_id, call))
            insort(self._calls.setdefault(record.fact.tool_call_id, []), call)

    def _end(self, ended: InterceptionEnded, place: Place) -> None:
        entry = self.entries[ended.id]
        start = entry.interception.start
        entry.ended = place
        entry.interception = attrs.evolve(
            entry.interception,
            start=attrs.evolve(start, credential_hint=ended.credential_hint or start.credential_hint),
            status=ended.status,
            ended_at=ended.ended_at,
            error_type=ended.error_type,
            error_message=ended.error_message,
        )

    def _delete(self, ids: Sequence[str]) -> None:
        self.garbage = True
        for interception_id in ids:
            entry = self.entries.pop(interception_id)
            del self._ranks[bisect_left(self._ranks, entry.rank)]
            for tool_call_id, call in entry.calls:
                calls = self._calls[tool_call_id]
                del calls[bisect_left(calls, call)]
                if not calls:
                    del self._calls[tool_call_id]

    def _erase(self, ids: Sequence[str], place: Place) -> None:
        self.garbage = True
        for interception_id in ids:
            self.entries[interception_id].holds_content = False
            self.entries[interception_id].erased_before = place.begin
