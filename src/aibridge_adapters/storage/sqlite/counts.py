"""Exact counts without walking the trail: whole days from tables of counts, the rest from an index.

Belongs here: how many interceptions match on which day. Never: the interceptions themselves.
"""

import sqlite3
from collections.abc import Iterator, Sequence

from attrs import frozen

from aibridge_adapters.storage.sqlite import conditions
from aibridge_core.records import InterceptionFilter, Status

DAY = 86_400_000_000
"""In microseconds."""


@frozen
class Span:
    """A time filter, cut into whole UTC days and what is left at its ends."""

    days: tuple[int | None, int | None]
    """First day and the one after the last, counted from the Unix epoch; None is open."""
    edges: Sequence[tuple[int, int]]
    """Parts of days, in microseconds, both ends inclusive."""


def span(first: int | None, last: int | None) -> Span:
    """Cut the time from `first` to `last` (microseconds, inclusive, None is open)."""
    first_day = None if first is None else -(-first // DAY)
    after_day = None if last is None else (last + 1) // DAY
    if first is not None and last is not None and -(-first // DAY) > (last + 1) // DAY:  # inside one day
        return Span((0, 0), [(first, last)])
    edges = []
    if first is not None and first_day is not None and first < first_day * DAY:
        edges.append((first, first_day * DAY - 1))
    if last is not None and after_day is not None and last >= after_day * DAY:
        edges.append((after_day * DAY, last))
    return Span((first_day, after_day), edges)


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
