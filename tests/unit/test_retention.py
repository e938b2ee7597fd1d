"""Rules of retention: what is due at a moment, and how a purge paces itself."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.retention import Cutoffs, Pace, RetentionPolicy

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DAY = 86_400.0


def test_what_is_older_than_its_period_is_due() -> None:
    """Interceptions and contents have periods of their own."""
    policy = RetentionPolicy(interceptions=60 * DAY, contents=30 * DAY)
    assert policy.cutoffs(NOW) == Cutoffs(interceptions=NOW - timedelta(days=60), contents=NOW - timedelta(days=30))


def test_zero_keeps_for_ever() -> None:
    """It deletes nothing, neither interceptions nor contents."""
    policy = RetentionPolicy(interceptions=0, contents=0)
    assert policy.cutoffs(NOW) == Cutoffs(interceptions=None, contents=None)
    assert not policy.purges


def test_contents_may_go_although_interceptions_stay_for_ever() -> None:
    """The counts stay, the texts go."""
    policy = RetentionPolicy(interceptions=0, contents=DAY)
    assert policy.cutoffs(NOW) == Cutoffs(interceptions=None, contents=NOW - timedelta(days=1))
    assert policy.purges


@pytest.mark.parametrize("contents", [0.0, 60 * DAY])
def test_contents_without_a_shorter_period_go_with_their_interceptions(contents: float) -> None:
    """There is nothing to erase apart from them."""
    policy = RetentionPolicy(interceptions=60 * DAY, contents=contents)
    assert policy.cutoffs(NOW).contents is None
    assert policy.purges


def test_contents_can_not_outlive_their_interceptions() -> None:
    """Whoever asks for that would lose contents earlier than they think, so it is refused."""
    with pytest.raises(ValueError, match="longer than the interceptions"):
        RetentionPolicy(interceptions=60 * DAY, contents=61 * DAY)


@pytest.mark.parametrize("periods", [{"interceptions": -1.0}, {"contents": -0.1}])
def test_a_period_is_not_negative(periods: dict[str, float]) -> None:
    """A cut-off in the future would delete everything."""
    with pytest.raises(ValueError, match="negative"):
        RetentionPolicy(**periods)


@pytest.mark.parametrize("seconds", [1e12, 1e300, float("inf")])
def test_longer_than_the_calendar_is_for_ever(seconds: float) -> None:
    """No period is too long to be kept."""
    assert RetentionPolicy(interceptions=seconds, contents=DAY).cutoffs(NOW).interceptions is None


def test_a_slow_batch_is_followed_by_a_smaller_one() -> None:
    """Half as large; a quick one by one that is larger."""
    pace = Pace(smallest=5, largest=100, target=0.01)
    assert pace.next_size(40, 0.011) == 20
    assert pace.next_size(40, 0.010) == 50


@given(size=st.integers(5, 100), took=st.lists(st.floats(0, 10, allow_nan=False), max_size=50))
def test_batches_stay_within_bounds(size: int, took: list[float]) -> None:
    """Whatever the database does."""
    pace = Pace(smallest=5, largest=100)
    for seconds in took:
        size = pace.next_size(size, seconds)
        assert 5 <= size <= 100


def test_a_small_batch_grows_again() -> None:
    """From the smallest size there is a way back, also where a quarter of it is nothing."""
    pace = Pace(smallest=1, largest=100)
    size = 1
    for _ in range(30):
        size = pace.next_size(size, 0.0)
    assert size == 100


def test_the_rest_is_a_multiple_of_the_work() -> None:
    """A purge takes a fifth of the time of a database that does nothing else, and less of a busy one."""
    assert Pace(rest=4.0).pause(0.02) == pytest.approx(0.08)
