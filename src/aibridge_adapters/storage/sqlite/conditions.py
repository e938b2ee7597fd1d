"""An InterceptionFilter as SQL, with the index that serves it.

Belongs here: which filter means which condition, and which index is best. Never: what is selected.
"""

from collections.abc import Sequence
from typing import Any

from attrs import evolve, field, frozen

from aibridge_adapters.storage.rows import micros
from aibridge_core.records import InterceptionFilter, Status

_COLUMNS = ("initiator_id", "provider", "provider_name", "model", "client", "status", "session_id")
"""Filters that ask for one value of the column of the same name."""

LABELS = ("model", "client", "provider_name", "provider")
"""What makes the kind of an interception, in the order of the index by kind."""

FRESH = "interceptions_fresh"
"""What runs, and the some hundreds that ended last, in the order of lists."""
BY_KIND = "interceptions_by_kind"
"""Is in the order of lists only within a kind: see parts.py."""
_BY_FAILURE = "interceptions_by_failure"
_BY_INITIATOR = "interceptions_by_initiator"
_BY_SESSION = "interceptions_by_session"

SETTLED = {BY_KIND, _BY_INITIATOR, _BY_SESSION}
"""Indexes that don't have what is fresh: see settling.py."""

_BEST_INDEX = (
    ("in_flight", FRESH),  # what runs right now is little
    ("session_id", _BY_SESSION),  # a session is some dozens of interceptions
    ("initiator_id", _BY_INITIATOR),  # one of hundreds of people
    ("failure", _BY_FAILURE),  # what failed or was cancelled is little
    *((label, BY_KIND) for label in LABELS),  # some of dozens of kinds
    ("completed", "interceptions_by_start"),  # nearly everything
)
"""Filter, or what its status is, to an index: the most selective first. Queries name the index, since SQLite has no
numbers to choose by: gathering them (ANALYZE) walks all indexes."""

_CONDITIONS = {
    FRESH: "fresh IS NOT NULL",
    _BY_FAILURE: "status NOT IN ('in_flight', 'completed')",
    **dict.fromkeys(SETTLED, "fresh IS NULL"),
}
"""What a partial index is limited to. SQLite takes it only for a query that repeats that word for word
(sqlite.org/partialindex.html, section 3)."""


_INITIATOR_COUNTS = "(SELECT DISTINCT day AS known FROM daily_counts) CROSS JOIN initiator_daily_counts ON day = known"
"""The key begins with the day: from day to day, instead of through the counts of all people."""


@frozen(kw_only=True)
class Conditions:
    """What a query asks of `interceptions`: an index, and conditions with their values."""

    index: str
    terms: tuple[str, ...] = ()
    values: tuple[Any, ...] = field(default=())

    @property
    def source(self) -> str:
        """Text between SELECT ... and ORDER BY."""
        terms = (*self.terms, *filter(None, [_CONDITIONS.get(self.index)]))
        where = f" WHERE {' AND '.join(terms)}" if terms else ""
        return f"FROM interceptions INDEXED BY {self.index}{where}"

    def also(self, term: str, *values: object) -> "Conditions":
        """With one condition more."""
        return evolve(self, terms=(*self.terms, term), values=(*self.values, *values))

    def between(self, first: int | None, last: int | None) -> "Conditions":
        """Started from `first` to `last`, in microseconds, both inclusive; None is open."""
        bounds = (("started_at >= ?", first), ("started_at <= ?", last))
        narrowed = self
        for term, bound in bounds:
            narrowed = narrowed if bound is None else narrowed.also(term, bound)
        return narrowed


def of_columns(where: InterceptionFilter, index: str = "") -> Conditions:
    """The filter without its times."""
    wanted = {column: getattr(where, column) for column in _COLUMNS}
    given = {column: str(value) for column, value in wanted.items() if value is not None}
    terms = tuple(f"{column} = ?" for column in given)
    return Conditions(index=index or _best_index(given), terms=terms, values=tuple(given.values()))


def of(where: InterceptionFilter) -> Conditions:
    """The whole filter."""
    return of_columns(where).between(*bounds(where))


def bounds(where: InterceptionFilter) -> tuple[int | None, int | None]:
    """The filter's times, in microseconds."""
    after, before = where.started_after, where.started_before
    return (micros(after) if after else None, micros(before) if before else None)


def counted(where: InterceptionFilter) -> tuple[str, Sequence[str], Sequence[Any]]:
    """The counts of what is settled that know this filter, and conditions on them without times. Not for sessions."""
    conditions = of_columns(where)
    table = "daily_counts" if where.initiator_id is None else _INITIATOR_COUNTS
    return table, conditions.terms, conditions.values


def _best_index(given: dict[str, str]) -> str:
    status = given.get("status", "")
    traits = {*given, status if status in (Status.IN_FLIGHT, Status.COMPLETED) else "failure"} if status else set(given)
    return next((index for trait, index in _BEST_INDEX if trait in traits), "interceptions_by_start")
