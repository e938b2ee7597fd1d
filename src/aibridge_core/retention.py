"""How long things are kept: the rules, without a database and without a clock.

Belongs here: periods and what they mean at a given moment, the pace of a purge, what a run says of itself. Never:
deleting anything, waiting, or telling the time.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from attrs import frozen

NIL_ID = "00000000-0000-0000-0000-000000000000"
"""Sorts before every other id (RFC 9562, section 5.9)."""


@frozen(kw_only=True, order=True)
class Position:
    """A place in the order of the trail, oldest first: by `started_at`, then by `id`."""

    started_at: datetime
    id: str = NIL_ID


BEGINNING = Position(started_at=datetime(1, 1, 1, tzinfo=UTC))
"""Before everything."""


@frozen(kw_only=True)
class ContentsFound:
    """Some interceptions that still hold content."""

    ids: tuple[str, ...]
    until: Position | None
    """Everything up to here was looked at; None when nothing is left to look at."""


@frozen(kw_only=True)
class Cutoffs:
    """A policy at a moment: what started before these times is due. None: nothing is."""

    interceptions: datetime | None
    contents: datetime | None


@frozen(kw_only=True)
class RetentionPolicy:
    """How long interceptions are kept after their start, in seconds. 0 keeps them for ever.

    What is in flight is never due, however old it is. Raises ValueError for a negative period, and for contents that
    would be kept longer than the interceptions they belong to.
    """

    interceptions: float = 0.0
    contents: float = 0.0
    """Prompts, tool arguments and thoughts; 0 keeps them as long as their interceptions."""

    def __attrs_post_init__(self) -> None:
        if self.interceptions < 0 or self.contents < 0:
            raise ValueError("a retention period can't be negative")
        if self.interceptions and self.contents > self.interceptions:
            raise ValueError("contents can't be kept longer than the interceptions they belong to")

    @property
    def purges(self) -> bool:
        """Whether anything is ever due."""
        return bool(self.interceptions or self.contents)

    def cutoffs(self, now: datetime) -> Cutoffs:
        """What is due at `now`. Contents that end with their interceptions have no time of their own."""
        contents = 0.0 if self.contents == self.interceptions else self.contents
        return Cutoffs(interceptions=_before(now, self.interceptions), contents=_before(now, contents))


def _before(now: datetime, seconds: float) -> datetime | None:
    if not seconds:
        return None
    try:
        return now - timedelta(seconds=seconds)
    except OverflowError:  # longer than there has been a calendar
        return None


@frozen(kw_only=True)
class Pace:
    """How much a purge does at once, and how long it then rests, so that whoever writes meanwhile hardly notices.

    How long a batch took, waiting included, says how busy the database is. So batches shrink, and pauses grow, when
    there is other work.
    """

    smallest: int = 25
    """Interceptions in a batch, at least: so many that it removes more than comes in ..."""
    largest: int = 1000
    """... and at most."""
    target: float = 0.01
    """How long a batch should take, in seconds."""
    rest: float = 3.0
    """How long to rest after a batch, as a multiple of the time it took ..."""
    longest_rest: float = 5.0
    """... and at most, in seconds."""
    first: int = 25
    """Size of the first batch."""

    def next_size(self, size: int, took: float) -> int:
        """The size of the batch after one of `size` that took so many seconds."""
        wanted = size // 2 if took > self.target else size + max(1, size // 4)
        return min(self.largest, max(self.smallest, wanted))

    def pause(self, took: float) -> float:
        """Seconds to rest after a batch that took so long."""
        return min(took * self.rest, self.longest_rest)


class Outcome(StrEnum):
    """How a run ended."""

    DONE = "done"
    """Nothing is due any more."""
    OUT_OF_TIME = "out_of_time"
    """Its time was over; the next run goes on."""
    ELSEWHERE = "elsewhere"
    """Another process purges this database."""
    FAILED = "failed"
    """The database refused, again and again."""


@frozen(kw_only=True)
class Backlog:
    """What is due, in interceptions unless it says otherwise."""

    interceptions: int = 0
    """To be deleted."""
    contents: int = 0
    """To be relieved of their content; before anybody has looked, those that may have any."""
    network_calls: int = 0
    """Network calls to be deleted; they are not interceptions, and not counted with them."""


@frozen(kw_only=True)
class RunReport:
    """What one run did."""

    outcome: Outcome
    deleted: int = 0
    """Interceptions, each with all its records."""
    erased: int = 0
    """Interceptions whose content is gone."""
    network_calls: int = 0
    """Network calls deleted."""
    seconds: float = 0.0
    left: Backlog | None = None
    """What is still due; None if nobody counted it."""
    error: str = ""
    """Why it failed."""
