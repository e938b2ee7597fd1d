"""The inside of one transaction: many works in few statements, as if done one after the other.

Belongs here: grouping works, and sending the groups. Never: queues, retries, commits of anything else.

Works are gathered and written in the order starts, records, ends. For one interception that is the order they came
in. Across interceptions one thing can tell: a start looks for the tool call that it answers, so a start that answers a
call of the same batch opens a new group.
"""

from collections.abc import Sequence
from typing import Any

from attrs import Factory, define, frozen

from aibridge_adapters.storage.limits import Limits
from aibridge_adapters.storage.postgres import statements
from aibridge_adapters.storage.postgres.columns import parameter
from aibridge_adapters.storage.postgres.connecting import Connection
from aibridge_adapters.storage.postgres.works import Begin, End, Keep, Work
from aibridge_adapters.storage.rows import (
    END_COLUMNS,
    RECORD_TABLES,
    end_row,
    record_row,
    start_row,
)
from aibridge_core.records import Fact, InterceptionEnded, InterceptionStart, Record, ToolUsage

_INSERT_RECORDS = {kind: statements.insert_records(table) for kind, table in RECORD_TABLES.items()}

_SETTINGS = """
SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true),
    set_config('synchronous_commit', coalesce(nullif(current_setting('synchronous_commit'), 'off'), 'on'), true)
"""
"""For this transaction alone. A commit returns when it is on the disk, even where a server is set to be quicker."""


@define
class Group:
    """Works that can be written kind by kind."""

    starts: list[InterceptionStart] = Factory(list)
    records: dict[type[Fact], list[Record]] = Factory(dict)
    ends: dict[str, InterceptionEnded] = Factory(dict)
    """By interception: of two, the first has to be written first."""
    _tool_calls: set[str] = Factory(set)

    def takes(self, work: Work) -> bool:
        """Whether writing this work with the others has the same effect as writing it after them."""
        match work:
            case Begin(start):
                return start.correlating_tool_call_id not in self._tool_calls
            case End(ended):
                return ended.id not in self.ends
            case _:
                return True

    def add(self, work: Work) -> None:
        """One more."""
        match work:
            case Begin(start):
                self.starts.append(start)
            case End(ended):
                self.ends[ended.id] = ended
            case Keep(records):
                for record in records:
                    self._add_record(record)

    def _add_record(self, record: Record) -> None:
        self.records.setdefault(type(record.fact), []).append(record)
        if isinstance(record.fact, ToolUsage):
            self._tool_calls.add(record.fact.tool_call_id)


def groups(works: Sequence[Work]) -> Sequence[Group]:
    """The works in as few groups as their order allows."""
    found = [Group()]
    for work in works:
        if not found[-1].takes(work):
            found.append(Group())
        found[-1].add(work)
    return found


@frozen
class Batch:
    """Works, ready to be sent. Making one raises what no column takes: a time without a zone, say."""

    _statements: Sequence[tuple[str, Sequence[Any]]]

    async def write(self, connection: Connection) -> set[str]:
        """Do it all in one transaction, and in one exchange with the server.

        Answers the ids of ends whose interceptions have not begun. Raises psycopg.Error, and then nothing was kept,
        unless the connection broke: then that is unknown.
        """
        async with connection.pipeline():
            cursors = [await connection.execute(sql, values) for sql, values in self._statements]
        answers = [await cursor.fetchall() for cursor in cursors if cursor.description]
        return {row[0] for rows in answers[1:] for row in rows}


def batch(works: Sequence[Work], *, owner: str, limits: Limits) -> Batch:
    """The statements for these works."""
    timeouts = [str(int(seconds * 1000)) for seconds in (limits.statement_timeout, limits.lock_timeout)]
    sent: list[tuple[str, Sequence[Any]]] = [("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", ())]
    sent.append((_SETTINGS, timeouts))
    for group in groups(works):
        sent += _of(group, owner)
    return Batch([*sent, ("COMMIT", ())])


def _of(group: Group, owner: str) -> Sequence[tuple[str, Sequence[Any]]]:
    sent = []
    if group.starts:
        rows = parameter(group.starts, statements.BEGIN_COLUMNS, lambda start: (*start_row(start), owner))
        sent.append((statements.BEGIN, (rows,)))
    for kind, records in group.records.items():
        rows = parameter(records, RECORD_TABLES[kind].all_columns, record_row)
        sent.append((_INSERT_RECORDS[kind], (rows,)))
    if group.ends:
        sent.append((statements.END, (parameter(list(group.ends.values()), END_COLUMNS, end_row),)))
    return sent
