"""An InterceptionFilter as SQL.

Belongs here: which filter means which condition. Never: what is selected.
"""

from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from aibridge_adapters.storage.postgres.columns import MOMENT, moment, text_of
from aibridge_adapters.storage.rows import micros
from aibridge_core.records import InterceptionFilter

INDEXED = 200
"""Indexes of texts that clients choose hold so many characters; see the migration that made them."""

_COLUMNS = ("initiator_id", "provider", "provider_name", "model", "client", "session_id", "status")
"""Filters that ask for one value of the column of the same name."""

_BEGINNINGS = {"model": "model_key", "session_id": f"left(session_id, {INDEXED})"}
"""What is indexed where it is not the column itself."""


@frozen(kw_only=True)
class Conditions:
    """What a query asks of `interceptions`, with values."""

    terms: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()

    @property
    def where(self) -> str:
        """Text after FROM."""
        return f" WHERE {' AND '.join(self.terms)}" if self.terms else ""

    def also(self, term: str, *values: object) -> "Conditions":
        """With one condition more."""
        return evolve(self, terms=(*self.terms, term), values=(*self.values, *values))

    def between(self, first: int | None, last: int | None) -> "Conditions":
        """Started from `first` to `last`, in microseconds, both inclusive; None is open."""
        narrowed = self
        for comparison, bound in ((">=", first), ("<=", last)):
            if bound is not None:
                narrowed = narrowed.also(f"started_at {comparison} {MOMENT}", *moment(bound))
        return narrowed


def equals(conditions: Conditions, column: str, text: str) -> Conditions:
    """With `column = text`, put so that the column's index serves it.

    A text shorter than what the index holds equals the index's part if and only if it equals the whole.
    """
    text = text_of(text)
    if column not in _BEGINNINGS:
        return conditions.also(f"{column} = %s", text)
    narrowed = conditions.also(f"{_BEGINNINGS[column]} = %s", text[:INDEXED])
    return narrowed if len(text) < INDEXED else narrowed.also(f"{column} = %s", text)


def of_columns(where: InterceptionFilter) -> Conditions:
    """The filter without its times."""
    wanted = Conditions()
    for column, text in _given(where).items():
        wanted = equals(wanted, column, text)
    return wanted


def _given(where: InterceptionFilter) -> Mapping[str, str]:
    values = {column: getattr(where, column) for column in _COLUMNS}
    return {column: str(value) for column, value in values.items() if value is not None}


def of(where: InterceptionFilter) -> Conditions:
    """The whole filter."""
    return of_columns(where).between(*bounds(where))


def bounds(where: InterceptionFilter) -> tuple[int | None, int | None]:
    """The filter's times, in microseconds."""
    after, before = where.started_after, where.started_before
    return (micros(after) if after else None, micros(before) if before else None)


def counted(where: InterceptionFilter) -> tuple[str, Conditions]:
    """The table of counts that knows this filter, and the conditions on it without times. Not for sessions."""
    wanted = Conditions()
    for column, text in _given(where).items():
        wanted = wanted.also(f"{column} = %s", text_of(text))
    return "daily_counts" if where.initiator_id is None else "initiator_daily_counts", wanted
