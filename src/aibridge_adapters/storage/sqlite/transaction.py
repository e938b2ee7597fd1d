"""The inside of one transaction: many works in few statements, as if done one after the other.

Belongs here: grouping, and keeping one bad row from harming the others. Never: threads, commits.

Works are gathered and written in the order starts, records, ends. For one interception that is the order they came
in. Across interceptions one thing can tell: a start looks for the tool call that it answers, so what waits is written
first if that very call is among it.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from attrs import Factory, define, evolve, frozen

from aibridge_adapters.storage.rows import RECORD_TABLES, START_COLUMNS, Row, end_row, record_row, start_row
from aibridge_adapters.storage.sqlite import statements
from aibridge_adapters.storage.sqlite.works import Begin, Call, Done, End, Failed, Keep, Outcome, Work
from aibridge_core.errors import RecordingFailed
from aibridge_core.records import InterceptionEnded, InterceptionStart, Record, ToolUsage
from aibridge_core.text import storable

T = TypeVar("T")

_INSERT_RECORDS = {kind: statements.insert_records(table) for kind, table in RECORD_TABLES.items()}


_ID = START_COLUMNS.index("id")
_CLIENT_SESSION = START_COLUMNS.index("client_session_id")
_CORRELATING = START_COLUMNS.index("correlating_tool_call_id")
_NO_PARENT = (None, None)


class TransactionLost(Exception):
    """The database has rolled back everything, because of `cause`."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


@frozen
class _Entry:
    """A row that waits."""

    work: int
    """Position of its work in the transaction."""
    interception_id: str
    row: Row


_Refuse = Callable[[_Entry, Exception], None]


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
    _starts: list[_Entry] = Factory(list)
    _records: dict[type, list[_Entry]] = Factory(lambda: {kind: [] for kind in RECORD_TABLES})
    _ends: dict[str, _Entry] = Factory(dict)
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
        done = Done()
        return [self._outcomes.get(position, done) for position in range(len(works))]

    def _take(self, position: int, work: Work) -> None:
        match work:
            case Begin(start):
                self._take_start(position, start)
            case Keep(records):
                for record in records:
                    self._take_record(position, record)
            case End(ended):
                self._take_end(position, ended)
            case Call(function):
                self._write()
                self._outcomes[position] = Done(self._called(function))

    def _take_start(self, position: int, start: InterceptionStart) -> None:
        if start.correlating_tool_call_id in self._tool_calls:
            self._write()
        row = (*_encoded(start_row, start), self.owner)
        self._starts.append(_Entry(position, start.id, row))

    def _take_record(self, position: int, record: Record) -> None:
        kind = type(record.fact)
        try:
            row = _encoded(lambda record: record_row(RECORD_TABLES[kind], record), record)
        except Exception as error:
            self.lost.setdefault(record.interception_id, error)
            return
        self._records[kind].append(_Entry(position, record.interception_id, row))
        if isinstance(record.fact, ToolUsage):
            self._tool_calls.add(record.fact.tool_call_id)

    def _take_end(self, position: int, ended: InterceptionEnded) -> None:
        if ended.id in self._ends:  # the first counts, so it has to be written first
            self._write()
        self._ends[ended.id] = _Entry(position, ended.id, _encoded(end_row, ended))

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
        self._write_starts()
        for kind, entries in self._records.items():
            self._execute(_INSERT_RECORDS[kind], entries, self._refuse_record)
            entries.clear()
        self._write_ends()
        self._tool_calls.clear()

    def _write_starts(self) -> None:
        calls = {storable(entry.row[_CORRELATING]) for entry in self._starts if entry.row[_CORRELATING]}
        parents = self._parents(sorted(calls)) if calls else {}
        placed = [evolve(entry, row=_placed(entry.row, parents)) for entry in self._starts]
        self._execute(statements.BEGIN, placed, self._refuse_work)
        self._starts.clear()

    def _parents(self, calls: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Parent and root by tool call id, of those that are known."""
        found: dict[str, tuple[str, str]] = {}
        for chunk in statements.chunks(calls):
            rows = self.connection.execute(statements.PARENTS[len(chunk)], chunk)
            found.update((call, (parent, root)) for call, parent, root in rows)
        return found

    def _write_ends(self) -> None:
        entries = list(self._ends.values())
        if self._execute(statements.END, entries, self._refuse_work) < len(entries):
            for entry in entries:
                self._check_begun(entry)
        self._ends.clear()

    def _check_begun(self, entry: _Entry) -> None:
        """An end that changed nothing is fine as a second one, and an error as the only one."""
        if not self.connection.execute(statements.HAS_BEGUN, storable(entry.row[:1])).fetchone():
            error = RecordingFailed(f"interception {entry.interception_id} has not begun")
            self._outcomes.setdefault(entry.work, Failed(error))

    def _execute(self, sql_by_size: Mapping[int, str], entries: Sequence[_Entry], refuse: _Refuse) -> int:
        """Run a statement over all entries; how many rows it changed."""
        changed = 0
        for chunk in statements.chunks(entries):
            try:
                values = statements.flat([entry.row for entry in chunk])
                changed += self.connection.execute(sql_by_size[len(chunk)], values).rowcount
            except Exception as error:
                self._still_open(error)
                changed += sum(self._execute_one(sql_by_size[1], entry, refuse) for entry in chunk)
        return changed

    def _execute_one(self, sql: str, entry: _Entry, refuse: _Refuse) -> int:
        try:
            return self.connection.execute(sql, storable(entry.row)).rowcount
        except Exception as error:
            self._still_open(error)
            refuse(entry, error)
            return 0

    def _still_open(self, error: Exception) -> None:
        """Some errors make SQLite roll back everything, a full disk for one (sqlite.org/lang_transaction.html)."""
        if isinstance(error, TransactionLost):
            raise error
        if not self.connection.in_transaction:
            raise TransactionLost(error) from error

    def _refuse_work(self, entry: _Entry, error: Exception) -> None:
        self._outcomes[entry.work] = Failed(error)

    def _refuse_record(self, entry: _Entry, error: Exception) -> None:
        self.lost.setdefault(entry.interception_id, error)


def _encoded(encode: Callable[[T], Row], value: T) -> Row:
    try:
        return encode(value)
    except UnicodeEncodeError:  # metadata as JSON; plain columns are mended when SQLite refuses them
        return encode(storable(value))


def _placed(row: Row, parents: Mapping[str, tuple[str, str]]) -> Row:
    """A start's row with thread and session, in the order of BEGIN_COLUMNS."""
    parent_id, root_id = parents.get(storable(row[_CORRELATING]), _NO_PARENT) if parents else _NO_PARENT
    return (*row, parent_id, root_id, row[_CLIENT_SESSION] or root_id or row[_ID])
