"""The inside of one transaction: many works in few statements, as if done one after the other.

Belongs here: grouping, and keeping one bad row from harming the others. Never: threads, commits.

Works are gathered and written in the order starts, records, ends. For one interception that is the order they came
in. Across interceptions one thing can tell: a start looks for the tool call that it answers, so what waits is written
first if that very call is among it.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from attrs import Factory, define

from aibridge_adapters.storage.rows import RECORD_TABLES, START_COLUMNS, Row, end_row, record_row, start_row
from aibridge_adapters.storage.sqlite import statements
from aibridge_adapters.storage.sqlite.works import Begin, Done, End, Failed, Keep, Outcome, Work
from aibridge_core.errors import RecordingFailed
from aibridge_core.records import InterceptionEnded, InterceptionStart, Record, ToolUsage
from aibridge_core.text import storable

T = TypeVar("T")

_INSERT_RECORDS = {kind: statements.insert_records(table) for kind, table in RECORD_TABLES.items()}

_ID = START_COLUMNS.index("id")
_CLIENT_SESSION = START_COLUMNS.index("client_session_id")
_CORRELATING = START_COLUMNS.index("correlating_tool_call_id")
_DONE = Done()


class TransactionLost(Exception):
    """The database has rolled back everything, because of `cause`."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


@define
class _Waiting:
    """Rows for one statement, and of each the position of its work in the transaction.

    The first value of every row is the id of its interception.
    """

    rows: list[Row] = Factory(list)
    works: list[int] = Factory(list)

    def add(self, work: int, row: Row) -> None:
        """One more."""
        self.rows.append(row)
        self.works.append(work)


_Refuse = Callable[[int, Row, Exception], None]
"""Told the position of a work, its row, and why the database doesn't take that."""


@define
class Transaction:
    """Does works on a connection that is inside a transaction. Use once.

    A row that the database refuses fails its own work and no other.
    """

    connection: sqlite3.Connection
    owner: str
    lost: dict[str, Exception] = Factory(dict)
    """Interceptions that miss a record now, and why."""
    _outcomes: dict[int, Outcome] = Factory(dict)
    """By position, of every work that isn't simply done."""
    _starts: _Waiting = Factory(_Waiting)
    _records: dict[type, _Waiting] = Factory(dict)
    _ends: _Waiting = Factory(_Waiting)
    _ending: set[str] = Factory(set)
    """Interceptions whose ends wait."""
    _tool_calls: set[str] = Factory(set)
    """Ids of tool calls among the records that wait."""

    def run(self, works: Sequence[Work]) -> Sequence[Outcome]:
        """The outcome of each work, true once the transaction is committed. Raises TransactionLost."""
        for position, work in enumerate(works):
            try:
                self._take(position, work)
            except Exception as error:
                self._still_open(error)
                self._outcomes[position] = Failed(error)
        self._write()
        outcomes: list[Outcome] = [_DONE] * len(works)
        for position, outcome in self._outcomes.items():
            outcomes[position] = outcome
        return outcomes

    def _take(self, position: int, work: Work) -> None:
        # Not by pattern, which takes three times as long, and this runs for every record.
        if isinstance(work, Keep):
            for record in work.records:
                self._take_record(position, record)
        elif isinstance(work, Begin):
            self._take_start(position, work.start)
        elif isinstance(work, End):
            self._take_end(position, work.ended)
        else:
            self._write()
            self._outcomes[position] = Done(self._called(work.function))

    def _take_start(self, position: int, start: InterceptionStart) -> None:
        if start.correlating_tool_call_id in self._tool_calls:
            self._write()
        self._starts.add(position, (*_encoded(start_row, start), self.owner))

    def _take_record(self, position: int, record: Record) -> None:
        kind = type(record.fact)
        try:
            row = _encoded(record_row, record)
        except Exception as error:
            self.lost.setdefault(record.interception_id, error)
            return
        waiting = self._records.get(kind)
        if waiting is None:
            waiting = self._records[kind] = _Waiting()
        waiting.add(position, row)
        if isinstance(record.fact, ToolUsage):
            self._tool_calls.add(record.fact.tool_call_id)

    def _take_end(self, position: int, ended: InterceptionEnded) -> None:
        if ended.id in self._ending:  # the first counts, so it has to be written first
            self._write()
        self._ends.add(position, _encoded(end_row, ended))
        self._ending.add(ended.id)

    def _called(self, function: Callable[[sqlite3.Connection], Any]) -> Any:
        """What `function` answers. If it fails halfway, its first half is undone."""
        self.connection.execute("SAVEPOINT call")
        try:
            answer = function(self.connection)
        except Exception as error:
            self._still_open(error)
            self.connection.execute("ROLLBACK TO call")
            raise
        finally:
            if self.connection.in_transaction:
                self.connection.execute("RELEASE call")
        return answer

    def _write(self) -> None:
        """Write what waits."""
        if self._starts.rows:
            self._write_starts(self._starts)
            self._starts = _Waiting()
        for kind, waiting in self._records.items():
            self._execute(_INSERT_RECORDS[kind], waiting, self._refuse_record)
        self._records.clear()
        if self._ends.rows:
            self._write_ends(self._ends)
            self._ends = _Waiting()
        self._ending.clear()
        self._tool_calls.clear()

    def _write_starts(self, starts: _Waiting) -> None:
        calls = {storable(row[_CORRELATING]) for row in starts.rows if row[_CORRELATING]}
        parents = self._parents(sorted(calls)) if calls else {}
        if parents:
            starts.rows = [_placed(row, parents) for row in starts.rows]
            self._execute(statements.BEGIN, starts, self._refuse_work)
        else:
            starts.rows = [(*row, row[_CLIENT_SESSION] or row[_ID]) for row in starts.rows]
            self._execute(statements.BEGIN_ALONE, starts, self._refuse_work)

    def _parents(self, calls: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Parent and root by tool call id, of those that are known."""
        found: dict[str, tuple[str, str]] = {}
        for chunk in statements.chunks(calls):
            rows = self.connection.execute(statements.PARENTS[len(chunk)], chunk)
            found.update((call, (parent, root)) for call, parent, root in rows)
        return found

    def _write_ends(self, ends: _Waiting) -> None:
        if self._execute(statements.END, ends, self._refuse_work) < len(ends.rows):
            for work, row in zip(ends.works, ends.rows, strict=True):
                self._check_begun(work, row)

    def _check_begun(self, work: int, row: Row) -> None:
        """An end that changed nothing is fine as a second one, and an error as the only one."""
        if not self.connection.execute(statements.HAS_BEGUN, storable(row[:1])).fetchone():
            error = RecordingFailed(f"interception {row[0]} has not begun")
            self._outcomes.setdefault(work, Failed(error))

    def _execute(self, sql_by_size: Mapping[int, str], waiting: _Waiting, refuse: _Refuse) -> int:
        """Run a statement over all rows; how many it changed."""
        changed = position = 0
        for chunk in statements.chunks(waiting.rows):
            try:
                values = statements.flat(chunk)
                changed += self.connection.execute(sql_by_size[len(chunk)], values).rowcount
            except Exception as error:
                self._still_open(error)
                works = waiting.works[position : position + len(chunk)]
                for work, row in zip(works, chunk, strict=True):
                    changed += self._execute_one(sql_by_size[1], work, row, refuse)
            position += len(chunk)
        return changed

    def _execute_one(self, sql: str, work: int, row: Row, refuse: _Refuse) -> int:
        try:
            return self.connection.execute(sql, storable(row)).rowcount
        except Exception as error:
            self._still_open(error)
            refuse(work, row, error)
            return 0

    def _still_open(self, error: Exception) -> None:
        """Some errors make SQLite roll back everything, a full disk for one (sqlite.org/lang_transaction.html)."""
        if isinstance(error, TransactionLost):
            raise error
        if not self.connection.in_transaction:
            raise TransactionLost(error) from error

    def _refuse_work(self, work: int, row: Row, error: Exception) -> None:
        self._outcomes[work] = Failed(error)

    def _refuse_record(self, work: int, row: Row, error: Exception) -> None:
        self.lost.setdefault(row[0], error)


def _encoded(encode: Callable[[T], Row], value: T) -> Row:
    try:
        return encode(value)
    except UnicodeEncodeError:  # metadata as JSON; plain columns are mended when SQLite refuses them
        return encode(storable(value))


def _placed(row: Row, parents: Mapping[str, tuple[str, str]]) -> Row:
    """A start's row with thread and session, in the order of BEGIN_COLUMNS."""
    parent_id, root_id = parents.get(storable(row[_CORRELATING]), (None, None))
    return (*row, row[_CLIENT_SESSION] or root_id or row[_ID], parent_id, root_id)
