"""The file and its index as one, for one thread at a time.

Belongs here: keeping the two the same, whatever fails. Never: threads, waiting, a rule of the trail.

The file is the truth, the index follows it. Before anything is read or decided, what other processes have appended is
taken in; so a decision such as "has it ended yet?" is made on everything that was ever written.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import evolve

from aibridge_core.content import ContentState, with_content
from aibridge_core.records import Interception, Record
from aibridge_jsonl.index import Entry, Index
from aibridge_jsonl.journal import Journal, Place
from aibridge_jsonl.lines import Line, Recorded, decoded, encoded

Decide = Callable[[Index], Sequence[Line]]
"""What to append, given all that is there already. Changes nothing itself; may raise."""
Decided = Sequence[Line] | Exception
"""The lines that were appended, or why none was."""


class NotATrail(OSError):
    """The file holds something else than a trail."""


class Trail:
    """Every method raises OSError."""

    def __init__(self, path: Path) -> None:
        self._journal = Journal(path)
        self._index = Index()
        self._end = 0
        """So many bytes of the file are in the index."""

    def open(self) -> None:
        """Make the file if it is missing, and read it."""
        self._journal.open()
        with self.up_to_date(alone=False):
            pass

    def close(self) -> None:
        """Whatever is tried afterwards raises OSError."""
        self._journal.close()

    @contextmanager
    def up_to_date(self, *, alone: bool) -> Iterator[Index]:
        """All that is in the file now. Other processes don't write meanwhile, and with `alone` don't read either."""
        with self._journal.locked(alone=alone):
            if self._journal.follow():
                self._forget()
            for data in self._journal.lines(self._end):
                self._take_in(data)
            yield self._index

    def append(self, decisions: Sequence[Decide]) -> Sequence[Decided]:
        """Make these decisions one after the other, each in sight of those before, and flush them together.

        Only inside `up_to_date`, alone. One that raises fails by itself; if the file can't be written, all do.
        """
        begin = self._end
        try:
            outcomes = [self._decided(decide) for decide in decisions]
            if data := b"".join(written for _, written in outcomes):
                self._journal.append(data, at=begin)
        except Exception:
            self._forget()  # the index knows lines now that the file doesn't have
            raise
        return [outcome for outcome, _ in outcomes]

    def whole(self, entry: Entry) -> Interception:
        """The interception with its records, by time and id. Only inside `up_to_date`."""
        records = [self._record(entry, place) for place in entry.records.values()]
        return evolve(entry.interception, records=sorted(records, key=lambda record: (record.created_at, record.id)))

    def compact(self) -> None:
        """Write the file anew without what doesn't count any more. Only inside `up_to_date`, alone."""
        if self._index.garbage:
            self._journal.replace(line for entry in self._index.entries.values() for line in self._lines(entry))
            self._forget()

    def _decided(self, decide: Decide) -> tuple[Decided, bytes]:
        try:
            lines = decide(self._index)
            written = [encoded(line) for line in lines]
        except Exception as error:  # its own, and no reason to fail the others
            return error, b""
        for data in written:
            self._take_in(data)
        return lines, b"".join(written)

    def _take_in(self, data: bytes) -> None:
        """What stands in the file goes into the index, not what was meant; so reading it anew gives the same."""
        try:
            self._index.apply(decoded(data), Place(self._end, len(data)))
        except (ValueError, KeyError) as error:
            raise NotATrail(f"{self._journal.path} holds no line of a trail at byte {self._end}") from error
        self._end += len(data)

    def _forget(self) -> None:
        """The next one to look reads the whole file."""
        self._index, self._end = Index(), 0

    def _lines(self, entry: Entry) -> Iterator[bytes]:
        """All that counts of one interception, its begin first."""
        yield self._journal.line(entry.begun)
        for place in entry.records.values():
            kept = place.begin >= entry.erased_before
            yield self._journal.line(place) if kept else encoded(Recorded(record=self._record(entry, place)))
        if entry.ended:
            yield self._journal.line(entry.ended)

    def _record(self, entry: Entry, place: Place) -> Record:
        line = decoded(self._journal.line(place))
        assert isinstance(line, Recorded)
        if place.begin >= entry.erased_before:
            return line.record
        return evolve(line.record, fact=with_content(line.record.fact, "", ContentState.PURGED))
