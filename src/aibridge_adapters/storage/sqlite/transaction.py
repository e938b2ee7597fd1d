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
from aibridge_adapters.storage.sqlite.recent_calls import RecentCalls
from aibridge_adapters.storage.sqlite.works import Done, Failed, Outcome, Work
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


_Refusals = Sequence[tuple[int, Exception]]
"""Positions of rows that the database doesn't take, and why."""


@define
class Transaction:
    """Does works on a connection that is inside a transaction. Use once.

    A row that the database refuses fails its own work and no other. What waits to be written is kept as rows; the
    first value of every row is the id of its interception.
    """

    connection: sqlite3.Connection
    owner: str
    recent: RecentCalls
    lost: dict[str, Exception] = Factory(dict)
    """Interceptions that miss a record now, and why."""
    _outcomes: dict[int, Outcome] = Factory(dict)
    """By position, of every work that isn't simply done."""
    _starts: dict[int, Row] = Factory(dict)
    """By the position of its work."""
    _records: dict[type, list[Row]] = Factory(lambda: {kind: [] for kind in RECORD_TABLES})
    _ends: dict[int, Row] = Factory(dict)
    """By the position of its work."""
    _ending: set[str] = Factory(set)
    """Interceptions whose ends wait."""
    _tool_calls: set[str] = Factory(set)
    """Ids of tool calls among the records that wait."""

    @property
    def failed(self) -> bool:
        """Whether any work has."""
        return any(isinstance(outcome, Failed) for outcome in self._outcomes.values())

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
        if isinstance(work, tuple):
            self._take_records(work)
        elif isinstance(work, InterceptionStart):
            if work.correlating_tool_call_id in self._tool_calls:
                self._write()
            self._starts[position] = _encoded(start_row, work)
        elif isinstance(work, InterceptionEnded):
            if work.id in self._ending:  # the first counts, so it has to be written first
                self._write()
            self._ends[position] = _encoded(end_row, work)
            self._ending.add(work.id)
        else:
            self._write()
            self._outcomes[position] = Done(self._called(work.function))

    def _take_records(self, records: Sequence[Record]) -> None:
        for record in records:
            try:
                row = _encoded(record_row, record)
            except Exception as error:
                self.lost.setdefault(record.interception_id, error)
                continue
            fact = record.fact
            self._records[type(fact)].append(row)
            if isinstance(fact, ToolUsage):
                self._tool_calls.add(fact.tool_call_id)

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
        if self._starts:
            self._write_starts()
            self._starts.clear()
        for kind, rows in self._records.items():
            if rows:
                self._write_records(kind, rows)
                rows.clear()
        if self._ends:
            self._write_ends()
            self._ends.clear()
        self._ending.clear()
        self._tool_calls.clear()

    def _write_starts(self) -> None:
        rows = self._starts.values()
        calls = {storable(row[_CORRELATING]) for row in rows if row[_CORRELATING]}
        parents = self.recent.parents(self.connection, calls) if calls else {}
        if parents:
            placed = [_placed(row, self.owner, parents) for row in rows]
            _, refusals = self._execute(statements.BEGIN, placed)
        else:
            placed = [(*row, self.owner, row[_CLIENT_SESSION] or row[_ID]) for row in rows]
            _, refusals = self._execute(statements.BEGIN_ALONE, placed)
        self._refuse(self._starts, refusals)

    def _write_records(self, kind: type, rows: Sequence[Row]) -> None:
        _, refusals = self._execute(_INSERT_RECORDS[kind], rows)
        for position, error in refusals:
            self.lost.setdefault(rows[position][0], error)

    def _write_ends(self) -> None:
        changed, refusals = self._execute(statements.END, list(self._ends.values()))
        self._refuse(self._ends, refusals)
        if changed < len(self._ends):
            for work, row in self._ends.items():
                self._check_begun(work, row)

    def _refuse(self, waiting: Mapping[int, Row], refusals: _Refusals) -> None:
        works = list(waiting) if refusals else []
        for position, error in refusals:
            self._outcomes[works[position]] = Failed(error)

    def _check_begun(self, work: int, row: Row) -> None:
        """An end that changed nothing is fine as a second one, and an error as the only one."""
        if not self.connection.execute(statements.HAS_BEGUN, storable(row[:1])).fetchone():
            error = RecordingFailed(f"interception {row[0]} has not begun")
            self._outcomes.setdefault(work, Failed(error))

    def _execute(self, sql_by_size: Mapping[int, str], rows: Sequence[Row]) -> tuple[int, _Refusals]:
        """Run a statement over all rows: how many it changed, and which the database refuses."""
        changed = position = 0
        refusals: list[tuple[int, Exception]] = []
        for chunk in statements.chunks(rows):
            try:
                changed += self.connection.execute(sql_by_size[len(chunk)], statements.flat(chunk)).rowcount
            except Exception as error:
                self._still_open(error)
                for each, row in enumerate(chunk, position):
                    refused = self._execute_one(sql_by_size[1], row)
                    if isinstance(refused, int):
                        changed += refused
                    else:
                        refusals.append((each, refused))
            position += len(chunk)
        return changed, refusals

    def _execute_one(self, sql: str, row: Row) -> int | Exception:
        """How many rows it changed, or why the database refuses this one."""
        try:
            return self.connection.execute(sql, storable(row)).rowcount
        except Exception as error:
            self._still_open(error)
            return error

    def _still_open(self, error: Exception) -> None:
        """Some errors make SQLite roll back everything, a full disk for one (sqlite.org/lang_transaction.html)."""
        if isinstance(error, TransactionLost):
            raise error
        if not self.connection.in_transaction:
            raise TransactionLost(error) from error


def _encoded(encode: Callable[[T], Row], value: T) -> Row:
    try:
        return encode(value)
    except UnicodeEncodeError:  # metadata as JSON; plain columns are mended when SQLite refuses them
        return encode(storable(value))


def _placed(row: Row, owner: str, parents: Mapping[str, tuple[str, str]]) -> Row:
    """A start's row with thread and session, in the order of BEGIN_COLUMNS."""
    parent_id, root_id = parents.get(storable(row[_CORRELATING]), (None, None))
    return (*row, owner, row[_CLIENT_SESSION] or root_id or row[_ID], parent_id, root_id)
