"""Lists that no index has whole: merged from parts that are in the order of lists, each with its own.

Belongs here: which parts there are, and going through them side by side. Never: what is asked of interceptions.

What is fresh is in no index by person, session or kind (settling.py), so it is a part beside what is settled. A kind is
a model, client, provider name and provider that were seen together. There are some dozens of them. One index by kind
takes the place of one for each label; a list by label has a part for each kind that has it.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice

from attrs import evolve

from aibridge_adapters.storage.rows import Row
from aibridge_adapters.storage.sqlite import conditions
from aibridge_adapters.storage.sqlite.conditions import LABELS, Conditions
from aibridge_core.records import InterceptionFilter

AT_ONCE = 100
"""Parts that one statement merges; SQLite allows 500. Models that clients make up can be more."""

_KIND = ", ".join(LABELS)


def of(connection: sqlite3.Connection, where: InterceptionFilter, wanted: Conditions) -> Sequence[Conditions]:
    """`wanted`, which is what `where` means, in parts: in each of them its index has the order of lists."""
    if wanted.index not in conditions.SETTLED:
        return [wanted]
    settled = _of_kinds(connection, where, wanted) if wanted.index == conditions.BY_KIND else [wanted]
    return [*settled, evolve(wanted, index=conditions.FRESH)]


def _of_kinds(connection: sqlite3.Connection, where: InterceptionFilter, wanted: Conditions) -> Sequence[Conditions]:
    """For each kind that may match. The tables of counts know all that are settled."""
    table, terms, values = conditions.counted(where)
    kinds = connection.execute(f"SELECT DISTINCT {_KIND} FROM {table} WHERE {' AND '.join(terms)}", values).fetchall()
    return [wanted.also(f"({_KIND}) = ({', '.join('?' * len(LABELS))})", *kind) for kind in kinds]


def newest(connection: sqlite3.Connection, parts: Sequence[Conditions], limit: int, offset: int) -> Sequence[str]:
    """Ids of all parts together, in the order of lists."""
    if len(parts) <= AT_ONCE:
        return [row[1] for row in _merged(connection, parts, limit, offset)]
    groups = [parts[first : first + AT_ONCE] for first in range(0, len(parts), AT_ONCE)]
    found = merge(*(_merged(connection, group, limit + offset, 0) for group in groups), reverse=True)
    return [row[1] for row in islice(found, offset, offset + limit)]


def _merged(connection: sqlite3.Connection, parts: Sequence[Conditions], limit: int, offset: int) -> Iterator[Row]:
    """Starts and ids."""
    values = [value for part in parts for value in part.values]
    return connection.execute(merged(parts), (*values, limit, offset))


def merged(parts: Sequence[Conditions]) -> str:
    """A query that goes through some parts side by side, and takes no more of each than it needs."""
    each = " UNION ALL ".join(f"SELECT started_at, id {part.source}" for part in parts)
    return f"{each} ORDER BY started_at DESC, id DESC LIMIT ? OFFSET ?"
