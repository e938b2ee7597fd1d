"""What a replica knows of shared rates without asking."""

import pytest

from aibridge_core.limits import Limit, Refused
from aibridge_core.sharing import _MOST_KNOWN, KnownWaits


def test_a_rate_that_is_used_up_stays_so() -> None:
    """Until the time that the refusal told, counted from the question; then it has to be asked for again."""
    waits = KnownWaits()
    waits.learn("ann", Refused(Limit.RATE, 0.5), asked_at=10.0)
    assert waits.refusal("bob", 10.2) == Refused(Limit.RATE, pytest.approx(0.3))
    assert waits.refusal("bob", 10.5) is None


def test_what_one_person_used_up_is_known_of_that_person() -> None:
    """It comes first, as everywhere; nobody else is refused for it, whatever their ids are."""
    waits = KnownWaits()
    waits.learn("*", Refused(Limit.USER_RATE, 0.5), asked_at=0.0)
    assert waits.refusal("ann", 0.1) is None
    waits.learn("ann", Refused(Limit.RATE, 0.8), asked_at=0.0)
    assert waits.refusal("*", 0.1) == Refused(Limit.USER_RATE, pytest.approx(0.4))
    assert waits.refusal("ann", 0.1) == Refused(Limit.RATE, pytest.approx(0.7))


@pytest.mark.parametrize("limit", [Limit.CONCURRENT, Limit.USER_CONCURRENT])
def test_places_have_to_be_asked_for(limit: Limit) -> None:
    """Another replica may give one back at any time."""
    waits = KnownWaits()
    waits.learn("ann", Refused(limit), asked_at=0.0)
    assert waits.refusal("ann", 0.0) is None


def test_memory_is_bounded() -> None:
    """By the people of the last second, once there are many."""
    waits = KnownWaits()
    for number in range(5 * _MOST_KNOWN):
        waits.learn(f"u{number}", Refused(Limit.USER_RATE, 1.0), asked_at=number / 100)
    assert len(waits._until) <= _MOST_KNOWN
    assert waits.refusal(f"u{number}", number / 100)
