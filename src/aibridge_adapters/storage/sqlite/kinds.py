"""Lists by label: merged from the kinds of interceptions that have it.

Belongs here: which kinds there are, and going through the index by kind. Never: what else is asked of interceptions.

A kind is a model, client, provider name and provider that were seen together. There are some dozens of them. One index
by kind takes the place of one for each label, which every start would have to keep.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice

from aibridge_adapters.storage.rows import Row
from aibridge_adapters.storage.sqlite import conditions
from aibridge_adapters.storage.sqlite.conditions import LABELS, Conditions
from aibridge_core.records import InterceptionFilter

AT_ONCE = 100
"""Kinds that one statement merges; SQLite allows 500. Models that clients make up can be more."""

_KIND = ", ".join(LABELS)


def each(connection: sqlite3.Connection, where: InterceptionFilter, wanted: Conditions) -> Sequence[Conditions]:
    """`wanted`, which is by kind, for each kind that may match: in each of them the index has the order of lists."""
    table, terms, values = conditions.counted(where)
    in_flight = conditions.of_columns(where, index=conditions.IN_FLIGHT)
    query = (
        f"SELECT {_KIND} FROM {table} WHERE {' AND '.join(terms)} UNION "  # without doubles
        f"SELECT {_KIND} {in_flight.source}"
    )
    found = connection.execute(query, (*values, *in_flight.values)).fetchall()
    return [wanted.also(f"({_KIND}) = ({', '.join('?' * len(LABELS))})", *kind) for kind in found]


def newest(connection: sqlite3.Connection, kinds: Sequence[Conditions], limit: int, offset: int) -> Sequence[str]:
    """Ids of all kinds together, in the order of lists."""
    if len(kinds) <= AT_ONCE:
        return [row[1] for row in _merged(connection, kinds, limit, offset)]
    parts = [kinds[first : first + AT_ONCE] for first in range(0, len(kinds), AT_ONCE)]
    found = merge(*(_merged(connection, part, limit + offset, 0) for part in parts), reverse=True)
    return [row[1] for row in islice(found, offset, offset + limit)]


def _merged(connection: sqlite3.Connection, kinds: Sequence[Conditions], limit: int, offset: int) -> Iterator[Row]:
    """Starts and ids."""
    if not kinds:
        return iter(())
    values = [value for kind in kinds for value in kind.values]
    return connection.execute(merged(kinds), (*values, limit, offset))


def merged(kinds: Sequence[Conditions]) -> str:
    """A query that goes through some kinds side by side, and takes no more of each than it needs."""
    each_kind = " UNION ALL ".join(f"SELECT started_at, id {kind.source}" for kind in kinds)
    return f"{each_kind} ORDER BY started_at DESC, id DESC LIMIT ? OFFSET ?"
