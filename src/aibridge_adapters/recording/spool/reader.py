"""A spool file's way into the database: batches of interceptions, in the order of the file.

Belongs here: what makes a batch, and how far it got. Never: writing, threads.

An interception that has not ended yet is written again together with its end: only that says that all of it is
durable.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from itertools import islice

import attrs

from aibridge_adapters.recording.counters import Tally
from aibridge_adapters.recording.parcels import Parcel
from aibridge_adapters.recording.spool.coding import Value
from aibridge_adapters.recording.spool.file import Line
from aibridge_core.records import InterceptionEnded, InterceptionStart, Record, ToolUsage


class SpoolReader:
    """How far a file is read and settled. All methods but none of the file's belong to the event loop."""

    def __init__(self, position: int, tally: Tally) -> None:
        self._tally = tally
        self._ahead: deque[Line] = deque()
        self._batch: dict[str, Parcel] = {}
        self._fresh: Counter[str] = Counter()
        self._open: dict[str, Parcel] = {}
        self._read = position
        self.position = position
        """Everything before it is settled."""

    @property
    def hungry(self) -> bool:
        """Whether a batch needs more lines, those from `wanted` on."""
        return not (self._batch or self._ahead)

    @property
    def wanted(self) -> int:
        """Position of the next line to be read."""
        return self._read

    @property
    def unended(self) -> bool:
        """Whether there are interceptions whose end was not read so far."""
        return bool(self._open)

    def feed(self, lines: Sequence[Line]) -> None:
        """Take lines from `wanted` on."""
        self._ahead.extend(lines)

    def batch(self, most: int) -> Sequence[Parcel]:
        """What is left of the last batch, or else the next one."""
        if not self._batch:
            self._gather(most)
        return list(islice(self._batch.values(), most))

    def end_all(self, ended: Callable[[str], InterceptionEnded]) -> None:
        """There are no more lines: give an end to what has none."""
        for parcel in self._open.values():
            self._add(parcel.id, ended(parcel.id))

    def settle(self, written: Collection[Parcel], stuck: Collection[Parcel]) -> int:
        """As `Source.settle`."""
        count = sum(self._fresh[parcel.id] for parcel in written)
        for parcel in (*written, *stuck):
            self._batch.pop(parcel.id, None)
            self._fresh.pop(parcel.id, None)
            if parcel.ended is None:
                self._open[parcel.id] = parcel
            else:
                self._open.pop(parcel.id, None)
        if not self._batch:
            self.position = self._read
        return count

    def skip_to(self, position: int) -> None:
        """There is nothing to be read before it."""
        self.position = self._read = position

    def restart(self, position: int) -> None:
        """Everything in the file is settled and gone."""
        self.position = self._read = position
        self._open.clear()

    def _gather(self, most: int) -> None:
        """Lines into parcels, up to a start that answers a tool call of this batch: it has to come after it."""
        calls: set[str] = set()
        while self._ahead:
            value = self._ahead[0].value
            if isinstance(value, InterceptionStart) and value.correlating_tool_call_id in calls:
                return
            if not self._take(value, most):
                return
            if isinstance(value, Record) and isinstance(value.fact, ToolUsage):
                calls.add(value.fact.tool_call_id)
            self._read = self._ahead.popleft().end

    def _take(self, value: Value | None, most: int) -> bool:
        """Whether there was room for it."""
        match value:
            case InterceptionStart(id=id) | InterceptionEnded(id=id) | Record(interception_id=id):
                if id not in self._batch and len(self._batch) >= most:
                    return False
                self._add(id, value)
            case None:
                self._tally.add(torn=1)
        return True

    def _add(self, id: str, value: Value) -> None:
        known = self._batch.get(id) or self._open.get(id) or Parcel(id=id)
        self._batch[id] = with_value(known, value)
        self._fresh[id] += 1


def with_value(parcel: Parcel, value: Value) -> Parcel:
    """The parcel and one value more; the first start and the first end count."""
    match value:
        case InterceptionStart():
            return attrs.evolve(parcel, start=parcel.start or value)
        case InterceptionEnded():
            return attrs.evolve(parcel, ended=parcel.ended or value)
        case Record():
            return attrs.evolve(parcel, records=(*parcel.records, value))
        case _:
            return parcel
