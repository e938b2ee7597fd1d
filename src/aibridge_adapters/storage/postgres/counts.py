"""Exact counts without walking the trail: whole days from tables of counts, the rest from an index.

Belongs here: how many interceptions match on which day. Never: the interceptions themselves.
"""

from collections.abc import Sequence
from typing import Any

from aibridge_adapters.storage.postgres import conditions
from aibridge_adapters.storage.postgres.conditions import Conditions
from aibridge_adapters.storage.postgres.connecting import Connection
from aibridge_adapters.storage.spans import DAY, Span, span
from aibridge_core.records import InterceptionFilter

_DAY_OF_START = "(started_at AT TIME ZONE 'UTC')::date - date 'epoch'"


async def count(connection: Connection, where: InterceptionFilter) -> int:
    """How many interceptions match."""
    if where.session_id is not None:  # few, and in no table of counts
        return await _counted(connection, conditions.of(where))
    return sum(n for _, n in await per_day(connection, where))


async def per_day(connection: Connection, where: InterceptionFilter) -> Sequence[tuple[int, int]]:
    """Days, counted from the Unix epoch, and how many match on each, the newest first. Not for filters by session."""
    cut = span(*conditions.bounds(where))
    wanted = conditions.of_columns(where)
    totals: dict[int, int] = {}
    for day, n in (*await _ended(connection, where, cut), *await _in_flight(connection, wanted, cut)):
        totals[day] = totals.get(day, 0) + n
    for edge in cut.edges:
        day = edge[0] // DAY
        totals[day] = totals.get(day, 0) + await _counted(connection, wanted.between(*edge))
    return sorted(totals.items(), reverse=True)


async def _ended(connection: Connection, where: InterceptionFilter, cut: Span) -> Sequence[tuple[Any, ...]]:
    """What has ended on whole days, from a table of counts."""
    table, wanted = conditions.counted(where)
    for comparison, day in zip((">=", "<"), cut.days, strict=True):
        wanted = wanted if day is None else wanted.also(f"day {comparison} date 'epoch' + %s::integer", day)
    query = f"SELECT day - date 'epoch', sum(n)::bigint FROM {table}{wanted.where} GROUP BY day"
    return await (await connection.execute(query, wanted.values)).fetchall()


async def _in_flight(connection: Connection, wanted: Conditions, cut: Span) -> Sequence[tuple[Any, ...]]:
    """What is in flight and began on whole days: little, so it is counted where it stands."""
    first, after = (None if day is None else day * DAY for day in cut.days)
    wanted = wanted.also("status = 'in_flight'").between(first, None if after is None else after - 1)
    query = f"SELECT {_DAY_OF_START}, count(*) FROM interceptions{wanted.where} GROUP BY 1"
    return await (await connection.execute(query, wanted.values)).fetchall()


async def _counted(connection: Connection, wanted: Conditions) -> int:
    cursor = await connection.execute(f"SELECT count(*) FROM interceptions{wanted.where}", wanted.values)
    found = await cursor.fetchone()
    return int(found[0]) if found else 0
