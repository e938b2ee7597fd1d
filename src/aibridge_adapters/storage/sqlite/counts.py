"""Exact counts without walking the trail: whole days from tables of counts, the rest from an index.

Belongs here: how many interceptions match on which day. Never: the interceptions themselves.
"""

import sqlite3
from collections.abc import Iterator

from aibridge_adapters.storage.spans import DAY, Span, span
from aibridge_adapters.storage.sqlite import conditions
from aibridge_core.records import InterceptionFilter, Status


def count(connection: sqlite3.Connection, where: InterceptionFilter) -> int:
    """How many interceptions match."""
    if where.session_id is not None:  # few, and in no table of counts
        wanted = conditions.of(where)
        return int(connection.execute(f"SELECT count(*) {wanted.source}", wanted.values).fetchone()[0])
    return sum(n for _, n in per_day(connection, where))


def per_day(connection: sqlite3.Connection, where: InterceptionFilter) -> Iterator[tuple[int, int]]:
    """Days and how many match on each, the newest first. Not for filters by session."""
    cut = span(*conditions.bounds(where))
    totals: dict[int, int] = {}
    for day, n in _whole_days(connection, where, cut):
        totals[day] = totals.get(day, 0) + n
    wanted = conditions.of_columns(where)
    for edge in cut.edges:
        part = wanted.between(*edge)
        n = connection.execute(f"SELECT count(*) {part.source}", part.values).fetchone()[0]
        totals[edge[0] // DAY] = totals.get(edge[0] // DAY, 0) + n
    yield from sorted(totals.items(), reverse=True)


def _whole_days(connection: sqlite3.Connection, where: InterceptionFilter, cut: Span) -> Iterator[tuple[int, int]]:
    """What has ended, from the table of counts, and what is in flight, one by one."""
    first, after = cut.days
    table, terms, values = conditions.counted(where)
    limits = [(term, day) for term, day in (("day >= ?", first), ("day < ?", after)) if day is not None]
    matching = " AND ".join([*terms, *(term for term, _ in limits)]) or "true"
    ended = f"SELECT day, sum(n) FROM {table} WHERE {matching} GROUP BY day"
    yield from connection.execute(ended, (*values, *(day for _, day in limits)))
    in_flight = (
        conditions.of_columns(where, index="interceptions_by_status")
        .also("status = ?", Status.IN_FLIGHT.value)
        .between(None if first is None else first * DAY, None if after is None else after * DAY - 1)
    )
    yield from connection.execute(
        f"SELECT started_at / {DAY}, count(*) {in_flight.source} GROUP BY 1", in_flight.values
    )
