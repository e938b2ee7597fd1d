"""Tool calls by the provider's id: the recent ones in memory, the others in their index.

Belongs here: finding the interception that a tool's result belongs to, and which calls are in memory. Never: how the
index is written (call_index.py), and when.

The ids are random, so that each call alone changes another page of the index. Thousands together share pages, so they
gather here first. What is known here is only ever what stands in the table of calls behind the last one that is in the
index: forgotten, it is read from there again, and nothing has to be saved.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping

from attrs import Factory, define

from aibridge_adapters.storage.sqlite import call_index, statements

MANY = 10
"""Times what gathers. If more are behind the index, an import wrote them: those get there at once, and not in here."""
PIECE = 1000
"""Fewest that are moved at a time. While calls are moved others come, so it is never fewer than twice as many as have
come since the last piece."""

_Call = tuple[int, str, str]
"""When it was made in microseconds, the record's id, and its interception's. Of two with one id the larger counts."""
_Parent = tuple[str, str]
"""Id of an interception, and of the root of its thread."""


@define
class RecentCalls:
    """Belongs to the writer's thread, and to one connection until `forget`. All methods raise sqlite3.Error."""

    most: int
    """How many gather before they are moved."""
    piece: int = PIECE
    _calls: dict[str, _Call] = Factory(dict)
    _leaving: dict[str, _Call] = Factory(dict)
    """Those that are being moved."""
    _move: call_index.Move | None = None
    _seen: int | None = None
    """Number of the last call that is known here or in the index; None if nothing is."""
    _newest_indexed: int = 0
    """Time of the newest call in the index when calls were last dropped from here, in microseconds."""
    _gathered: int = 0
    """Calls that are to be moved next; more than the ids that are known here, if ids repeat."""
    _come: int = 0
    """Calls since the last piece."""

    @property
    def known(self) -> int:
        """How many ids are in memory."""
        return len(self._calls) + len(self._leaving)

    def forget(self) -> None:
        """What was seen may never be committed, or the connection is another one."""
        self._calls, self._leaving = {}, {}
        self._move = self._seen = None
        self._gathered = 0

    def parents(self, connection: sqlite3.Connection, calls: Collection[str]) -> Mapping[str, _Parent]:
        """By id of a call, the interception whose model made the newest call of this id; of those that are known."""
        self._catch_up(connection)
        callers = self._callers(connection, calls)
        found = _parents(connection, callers)
        if len(found) < len(callers):  # removed meanwhile: what the table holds now is what counts
            self.forget()
            self._catch_up(connection)
            found = _parents(connection, self._callers(connection, calls))
        return found

    def move(self, connection: sqlite3.Connection) -> None:
        """Move a piece if enough have gathered. Not inside a transaction."""
        self._catch_up(connection)
        size, self._come = max(self.piece, 2 * self._come), 0
        if self._move is not None:
            self._go_on(connection, self._move, size)
        elif self._seen is not None and self._gathered >= self.most:
            self._move = call_index.Move.begun(connection, self._seen)
            self._leaving, self._calls, self._gathered = self._calls, {}, 0

    def _go_on(self, connection: sqlite3.Connection, move: call_index.Move, size: int) -> None:
        if move.go_on(connection, size):
            self._leaving, self._move = {}, None
            _, self._newest_indexed = call_index.reaches(connection)

    def _catch_up(self, connection: sqlite3.Connection) -> None:
        """Learn of calls that were written since the last time, by whatever process."""
        last = call_index.last(connection)
        seen = self._begin(connection) if self._seen is None else self._seen
        if last - seen + self._gathered > MANY * self.most:  # mostly another process has moved them meanwhile
            self.forget()
            seen = self._begin(connection)
        if last - seen > MANY * self.most:
            seen = self._skip(connection, last)
        if seen < last:
            self._learn(connection, seen, last)

    def _begin(self, connection: sqlite3.Connection) -> int:
        self._seen, self._newest_indexed = call_index.reaches(connection)
        return self._seen

    def _skip(self, connection: sqlite3.Connection, last: int) -> int:
        call_index.fill(connection, last)
        self.forget()
        return self._begin(connection)

    def _learn(self, connection: sqlite3.Connection, seen: int, last: int) -> None:
        try:
            behind = call_index.behind(connection, seen, last)
        except call_index.Unreadable:
            self._skip(connection, last)
            return
        for call_id, at, record_id, interception_id in behind:
            _keep_newest(self._calls, call_id, (at, record_id, interception_id))
        self._seen = last
        self._gathered += len(behind)
        self._come += len(behind)

    def _callers(self, connection: sqlite3.Connection, calls: Iterable[str]) -> Mapping[str, _Call]:
        found: dict[str, _Call] = {}
        unsure = []
        for call_id in calls:
            for known in (self._calls, self._leaving):
                if call_id in known:
                    _keep_newest(found, call_id, known[call_id])
            if call_id not in found or found[call_id][0] <= self._newest_indexed:
                unsure.append(call_id)
        for chunk in statements.chunks(unsure):
            for call_id, at, record_id, interception_id in connection.execute(statements.CALLERS[len(chunk)], chunk):
                _keep_newest(found, call_id, (at, record_id, interception_id))
        return found


def _parents(connection: sqlite3.Connection, callers: Mapping[str, _Call]) -> Mapping[str, _Parent]:
    found: dict[str, _Parent] = {}
    for chunk in statements.chunks([(call_id, call[2]) for call_id, call in callers.items()]):
        rows = connection.execute(statements.PARENTS[len(chunk)], statements.flat(chunk))
        found.update((call_id, (parent, root)) for call_id, parent, root in rows)
    return found


def _keep_newest(calls: dict[str, _Call], call_id: str, call: _Call) -> None:
    known = calls.get(call_id)
    if known is None or known < call:
        calls[call_id] = call
