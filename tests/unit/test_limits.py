"""Limits on requests per second and at once, of everybody together and of each person."""

import random

import pytest

from aibridge_core.errors import AtCapacity, BridgeError, RateLimited
from aibridge_core.limits import SWEEP, Bounds, Gate, Limit, Limits, Refused


def gate(**bounds: int) -> Gate:
    return Gate(Limits(together=Bounds(**bounds)))


def personal(**bounds: int) -> Gate:
    return Gate(Limits(per_user=Bounds(**bounds)))


def enters(gate: Gate, user: str, now: float) -> bool:
    """A request that is answered at once."""
    try:
        with gate.admit(user, now):
            return True
    except BridgeError:
        return False


def test_without_limits_everybody_is_let_in() -> None:
    """And nothing is counted."""
    free = Gate(Limits())
    with free.admit("ann", 0), free.admit("ann", 0):
        assert free.running == 0


def test_a_rate_is_a_sliding_second() -> None:
    """The second after a burst is counted from the burst, not from a full second."""
    limited = gate(rps=2)
    assert [enters(limited, "ann", now) for now in (0.9, 0.95, 1.0, 1.85, 1.91, 1.92, 1.96)] == [
        True,
        True,
        False,
        False,
        True,
        False,
        True,
    ]


def test_a_refusal_says_when_to_come_back() -> None:
    """In whole seconds, at least one."""
    limited = gate(rps=1)
    assert enters(limited, "ann", 5.0)
    with pytest.raises(RateLimited) as refused:
        limited.admit("ann", 5.25)
    assert (refused.value.status, refused.value.headers) == (429, ((b"retry-after", b"1"),))
    assert "1 requests a second" in refused.value.message


def test_under_any_load_no_second_has_more_than_the_limit() -> None:
    """Whichever second is looked at; and whoever keeps asking gets all of it."""
    limit, chance = 7, random.Random(4)
    limited = gate(rps=limit)
    now, let_in = 0.0, []
    for _ in range(5000):
        now += chance.expovariate(40)
        if enters(limited, "ann", now):
            let_in.append(now)
    for first, last in zip(let_in, let_in[limit:], strict=False):
        assert last - first >= 1.0
    assert len(let_in) >= (limit - 1) * now


def test_places_are_free_again_however_a_request_ends() -> None:
    """With an answer, with an error, or cancelled."""
    limited = gate(concurrent=1)
    with limited.admit("ann", 0):
        with pytest.raises(AtCapacity) as refused:
            limited.admit("bob", 0)
        assert (refused.value.status, dict(refused.value.headers)[b"retry-after"]) == (503, b"1")
    with pytest.raises(KeyboardInterrupt), limited.admit("bob", 0):
        raise KeyboardInterrupt
    assert limited.running == 0
    assert enters(limited, "ann", 0)


def test_each_person_has_a_limit_of_their_own() -> None:
    """One who asks too much is told so, and others are let in."""
    limited = personal(rps=1, concurrent=1)
    with limited.admit("ann", 0):
        with pytest.raises(RateLimited, match="1 requests running"):
            limited.admit("ann", 2)
        assert enters(limited, "bob", 0)
    with pytest.raises(RateLimited, match="1 requests a second"):
        limited.admit("bob", 0.5)


def test_a_refused_request_uses_nothing_up() -> None:
    """What one person is refused doesn't count against everybody."""
    limited = Gate(Limits(together=Bounds(rps=2, concurrent=2), per_user=Bounds(rps=1)))
    assert [enters(limited, user, 0) for user in ("ann", "ann", "ann", "bob", "eve")] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert [enters(limited, user, 1) for user in ("eve", "bob")] == [True, True]


def test_people_who_stay_away_are_forgotten() -> None:
    """Memory is that of the people of the last minutes; who still has a request running is remembered."""
    limited = personal(concurrent=1, rps=5)
    with limited.admit("ann", 0):
        for number in range(100):
            enters(limited, f"u{number}", 1)
        enters(limited, "bob", SWEEP + 2)
        assert set(limited._users) == {"ann", "bob"}
        assert not enters(limited, "ann", SWEEP + 3)


def test_who_was_let_in_by_others_counts() -> None:
    """A request that nobody asked about takes a place and time, until it is left."""
    limited = gate(concurrent=2, rps=2)
    with limited.enter("ann", 0):
        assert (limited.running, limited.running_of("ann"), limited.running_of("bob")) == (1, 1, 0)
        assert limited.busy == ["ann"]
        assert enters(limited, "bob", 0.5)
        assert limited.refusal("bob", 0.6, limited.limits) == Refused(Limit.RATE, pytest.approx(0.4))
    assert (limited.running, limited.busy) == (0, [])


@pytest.mark.parametrize(("replicas", "share"), [(1, 10), (3, 4), (4, 3), (10, 1), (50, 1)])
def test_a_share_is_at_least_one_request(replicas: int, share: int) -> None:
    """All shares together are no less than the limit; where there is none, there is none for anybody."""
    whole = Limits(together=Bounds(rps=10), per_user=Bounds(concurrent=10))
    assert whole.share(replicas) == Limits(together=Bounds(rps=share), per_user=Bounds(concurrent=share))


def test_lower_limits_than_those_that_filled_a_second() -> None:
    """Who keeps a share lets in nobody until fewer than that are left of the last second."""
    limited = gate(rps=4)
    for now in (0.0, 0.1, 0.2, 0.3):
        assert enters(limited, "ann", now)
    share = limited.limits.share(2)
    refused = limited.refusal("ann", 0.5, share)
    assert refused == Refused(Limit.RATE, pytest.approx(0.7))
    assert limited.refusal("ann", 1.19, share)
    assert limited.refusal("ann", 1.21, share) is None
