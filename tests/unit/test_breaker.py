"""Circuit breakers: closed, open, half open, and back."""

import pytest
from attrs import evolve

from aibridge_core.breaker import (
    MOST,
    BreakerChanged,
    BreakerEvent,
    BreakerPolicy,
    BreakerRejected,
    Breakers,
    Circuit,
    FreePassage,
    Passage,
)
from aibridge_core.errors import CircuitOpen

POLICY = BreakerPolicy(enabled=True, failure_threshold=3, interval=10, timeout=30, max_requests=2)
CIRCUIT = Circuit("anthropic", "/v1/messages", "m-1")


class World:
    """Breakers, and what they tell."""

    def __init__(self, policy: BreakerPolicy = POLICY) -> None:
        self.told: list[BreakerEvent] = []
        self.breakers = Breakers(policy, self.told.append)

    def enter(self, now: float, circuit: Circuit = CIRCUIT) -> Passage | FreePassage:
        return self.breakers.admit(circuit, now)

    def request(self, now: float, *, failed: bool | None) -> None:
        self.enter(now).settle(failed, now)

    def fail(self, times: int, now: float = 0) -> None:
        for _ in range(times):
            self.request(now, failed=True)

    def is_open(self, now: float, circuit: Circuit = CIRCUIT) -> bool:
        try:
            self.breakers.admit(circuit, now).settle(None, now)
        except CircuitOpen:
            return True
        return False

    @property
    def changes(self) -> list[str]:
        return [f"{e.old} -> {e.new}" for e in self.told if isinstance(e, BreakerChanged)]


def test_off_by_default() -> None:
    """Nothing opens."""
    world = World(BreakerPolicy())
    world.fail(100)
    assert not world.is_open(0)


def test_failures_in_a_row_open_it() -> None:
    """Requests are refused without a call, for as long as the timeout, and are told how long."""
    world = World()
    world.fail(3)
    with pytest.raises(CircuitOpen, match="circuit breaker is open") as refused:
        world.enter(1)
    assert (refused.value.status, refused.value.headers) == (503, ((b"retry-after", b"29"),))
    assert world.changes == ["closed -> open"]
    assert world.told[-1] == BreakerRejected(circuit=CIRCUIT)


def test_a_success_begins_anew() -> None:
    """Only failures in a row count; what says nothing of the provider doesn't interrupt them."""
    world = World()
    world.fail(2)
    world.request(0, failed=False)
    world.fail(2)
    assert not world.is_open(0)
    world.request(0, failed=None)
    world.fail(1)
    assert world.is_open(0)


def test_old_failures_are_forgotten() -> None:
    """After the interval."""
    world = World()
    world.fail(2, now=100)
    world.fail(2, now=111)
    assert not world.is_open(111)


def test_it_half_opens_after_the_timeout() -> None:
    """As many as allowed may try at once; others are still refused."""
    world = World()
    world.fail(3)
    first, second = world.enter(30), world.enter(30)
    with pytest.raises(CircuitOpen) as refused:
        world.enter(30)
    assert refused.value.headers == ((b"retry-after", b"30"),)
    first.settle(failed=False, now=31)
    second.settle(failed=False, now=31)
    assert world.changes == ["closed -> open", "open -> half-open", "half-open -> closed"]
    assert not world.is_open(31)


def test_a_failure_while_half_open_opens_it_again() -> None:
    """For the whole timeout."""
    world = World()
    world.fail(3)
    world.request(30, failed=False)
    world.request(30, failed=True)
    assert world.is_open(59)
    assert not world.is_open(60)


def test_a_client_that_leaves_gives_its_try_back() -> None:
    """Its request says nothing of the provider."""
    world = World()
    world.fail(3)
    for _ in range(5):
        world.request(30, failed=None)
    assert not world.is_open(30)


def test_late_outcomes_count_for_nothing() -> None:
    """A request from before the breaker opened doesn't close or open it when it ends at last."""
    world = World()
    early = [world.enter(0) for _ in range(3)]
    world.fail(3)
    world.enter(30)
    for passage in early:
        passage.settle(failed=False, now=30)
    assert world.changes == ["closed -> open", "open -> half-open"]


def test_each_model_has_its_own() -> None:
    """One that is overloaded says nothing of the others."""
    world = World()
    world.fail(3)
    assert world.is_open(0)
    assert not world.is_open(0, Circuit("anthropic", "/v1/messages", "m-2"))
    assert not world.is_open(0, Circuit("other", "/v1/messages", "m-1"))


def test_names_that_clients_make_up_cost_no_memory() -> None:
    """Only the circuits that were used last are kept."""
    world = World()
    for number in range(MOST + 10):
        world.enter(0, Circuit("anthropic", "/v1/messages", f"m-{number}")).settle(failed=False, now=0)
    assert len(world.breakers._found) == MOST


def test_without_interval_nothing_is_forgotten() -> None:
    """Zero is no interval."""
    world = World(evolve(POLICY, interval=0))
    world.fail(2, now=0)
    world.fail(1, now=10_000)
    assert world.is_open(10_000)


def test_an_exchanged_provider_begins_anew() -> None:
    """Its breakers are closed, others stay as they are, and what its predecessor still does counts for nothing."""
    world, other = World(), Circuit("openai", "/v1/responses", "m-1")
    late = world.enter(0)
    world.fail(3)
    for _ in range(3):
        world.enter(0, other).settle(True, 0)
    world.breakers.forget("anthropic")
    late.settle(True, 1)
    assert not world.is_open(1)
    assert world.is_open(1, other)
    assert world.changes == ["closed -> open", "closed -> open", "open -> closed"]
