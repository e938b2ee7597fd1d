"""A time filter cut into whole days, which tables of counts know, and the rest, which they don't.

Belongs here: arithmetic of days. Never: SQL.
"""

from collections.abc import Sequence

from attrs import frozen

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
