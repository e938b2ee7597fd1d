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

_BEST_INDEX = (
    ("in_flight", "interceptions_by_status"),  # what runs right now is little
    ("session_id", "interceptions_by_session"),  # a session is some dozens of interceptions
    ("initiator_id", "interceptions_by_initiator"),  # one of hundreds of people
    ("status", "interceptions_by_status"),  # what failed or was cancelled is little
    ("model", "interceptions_by_model"),  # one of dozens
    ("client", "interceptions_by_client"),  # one of about ten
    ("provider_name", "interceptions_by_provider_name"),  # one of a few
    ("provider", "interceptions_by_provider"),  # one of two or three
    ("completed", "interceptions_by_status"),  # nearly everything
)
"""Filter, or its value, to an index: the most selective first. Queries name the index, since SQLite has no numbers to
choose by: gathering them (ANALYZE) walks all indexes."""


@frozen(kw_only=True)
class Conditions:
    """What a query asks of `interceptions`: an index, and conditions with their values."""

    index: str
    terms: tuple[str, ...] = ()
    values: tuple[Any, ...] = field(default=())

    @property
    def source(self) -> str:
        """Text between SELECT ... and ORDER BY."""
        where = f" WHERE {' AND '.join(self.terms)}" if self.terms else ""
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
    """The table of counts that knows this filter, and the conditions on it without times. Not for sessions."""
    conditions = of_columns(where)
    table = "daily_counts" if where.initiator_id is None else "initiator_daily_counts"
    return table, conditions.terms, conditions.values


def _best_index(given: dict[str, str]) -> str:
    status = given.get("status")
    traits = {status if status in (Status.IN_FLIGHT, Status.COMPLETED) and key == "status" else key for key in given}
    return next((index for trait, index in _BEST_INDEX if trait in traits), "interceptions_by_start")
