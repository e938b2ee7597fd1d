"""Exact counts without walking the trail: whole days from tables of counts, the rest from an index.

Belongs here: how many interceptions match on which day. Never: the interceptions themselves.
"""

import sqlite3
from collections.abc import Iterator

from aibridge_adapters.storage.spans import DAY, Span, span
from aibridge_adapters.storage.sqlite import conditions, parts
from aibridge_adapters.storage.sqlite.conditions import Conditions
from aibridge_core.records import InterceptionFilter


def count(connection: sqlite3.Connection, where: InterceptionFilter) -> int:
    """How many interceptions match."""
    if where.session_id is not None:  # few, and in no table of counts
        wanted = conditions.of(where)
        return _part(connection, where, wanted)
    return sum(n for _, n in per_day(connection, where))


def per_day(connection: sqlite3.Connection, where: InterceptionFilter) -> Iterator[tuple[int, int]]:
    """Days and how many match on each, the newest first. Not for filters by session."""
    cut = span(*conditions.bounds(where))
    totals: dict[int, int] = {}
    for day, n in _whole_days(connection, where, cut):
        totals[day] = totals.get(day, 0) + n
    wanted = conditions.of_columns(where)
    for edge in cut.edges:
        totals[edge[0] // DAY] = totals.get(edge[0] // DAY, 0) + _part(connection, where, wanted.between(*edge))
    yield from sorted(totals.items(), reverse=True)


def _part(connection: sqlite3.Connection, where: InterceptionFilter, wanted: Conditions) -> int:
    """How many there are, one by one."""
    pieces = parts.of(connection, where, wanted)
    found = (connection.execute(f"SELECT count(*) {piece.source}", piece.values).fetchone() for piece in pieces)
    return sum(n for (n,) in found)


def _whole_days(connection: sqlite3.Connection, where: InterceptionFilter, cut: Span) -> Iterator[tuple[int, int]]:
    """What is settled, from the table of counts, and what is fresh, one by one."""
    first, after = cut.days
    table, terms, values = conditions.counted(where)
    limits = [(term, day) for term, day in (("day >= ?", first), ("day < ?", after)) if day is not None]
    matching = " AND ".join([*terms, *(term for term, _ in limits)]) or "true"
    settled = f"SELECT day, sum(n) FROM {table} WHERE {matching} GROUP BY day"
    yield from connection.execute(settled, (*values, *(day for _, day in limits)))
    fresh = conditions.of_columns(where, index=conditions.FRESH).between(
        None if first is None else first * DAY, None if after is None else after * DAY - 1
    )
    yield from connection.execute(f"SELECT started_at / {DAY}, count(*) {fresh.source} GROUP BY 1", fresh.values)
