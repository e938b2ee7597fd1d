"""Circuit breakers: a provider that keeps failing is left alone for a while.

Belongs here: state machines; the time comes in as an argument, in seconds of a monotonic clock. Never: what counts as
a failure of a request; the bridge knows.

Closed: everything passes; `failure_threshold` failures in a row open it, a success between them starts anew, and so
does the end of each `interval`. Open: everything is refused for `timeout` seconds. Then half open: `max_requests` at
once may try; as many successes in a row close it, one failure opens it again.
"""

from collections import OrderedDict
from collections.abc import Callable
from enum import StrEnum

from attrs import define, field, frozen

from aibridge_core.errors import CircuitOpen

MOST = 1000
"""Breakers of one process: models come from clients, so there may be any number of names."""


class BreakerState(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    HALF_OPEN = "half-open"
    OPEN = "open"


@frozen(kw_only=True)
class BreakerPolicy:
    """When breakers open and close. Times in seconds."""

    enabled: bool = False
    failure_threshold: int = 5
    """Failures in a row that open one."""
    interval: float = 10.0
    """After so long, failures of a closed one are forgotten; 0 never forgets."""
    timeout: float = 30.0
    """How long an open one refuses."""
    max_requests: int = 3
    """How many may try at once while it is half open, and how many must succeed to close it."""


@frozen
class Circuit:
    """What a breaker is for."""

    provider: str
    """Name of the instance."""
    endpoint: str
    model: str


@frozen(kw_only=True)
class BreakerChanged:
    """A transition; for logs and metrics."""

    circuit: Circuit
    old: BreakerState
    new: BreakerState


@frozen(kw_only=True)
class BreakerRejected:
    """A request was refused; likewise."""

    circuit: Circuit


BreakerEvent = BreakerChanged | BreakerRejected


@define(eq=False)
class Breaker:
    """One of them. Belongs to one event loop."""

    circuit: Circuit
    policy: BreakerPolicy
    tell: Callable[[BreakerEvent], None]
    state: BreakerState = field(init=False, default=BreakerState.CLOSED)
    _era: int = field(init=False, default=0)
    """Counts transitions and intervals: outcomes of requests from an earlier one say nothing of this one."""
    _ends: float = field(init=False, default=0.0)
    """When the interval of a closed one, or the timeout of an open one, is over."""
    _failures: int = field(init=False, default=0)
    _successes: int = field(init=False, default=0)
    _running: int = field(init=False, default=0)

    def admit(self, now: float) -> "Passage":
        """Raises CircuitOpen."""
        self._advance(now)
        half_open = self.state is BreakerState.HALF_OPEN
        if self.state is BreakerState.OPEN or (half_open and self._running >= self.policy.max_requests):
            self.tell(BreakerRejected(circuit=self.circuit))
            wait = self.policy.timeout if half_open else self._ends - now
            raise CircuitOpen("circuit breaker is open", retry_after=wait)
        self._running += 1
        return Passage(self, self._era)

    def settle(self, era: int, failed: bool | None, now: float) -> None:
        """An admitted request is over. `failed`: None if it says nothing of the provider."""
        self._advance(now)
        if era != self._era:
            return
        self._running -= 1
        if failed is None:
            return
        self._failures = self._failures + 1 if failed else 0
        self._successes = 0 if failed else self._successes + 1
        half_open = self.state is BreakerState.HALF_OPEN
        if self._failures >= (1 if half_open else self.policy.failure_threshold):
            self._become(BreakerState.OPEN, now)
        elif half_open and self._successes >= self.policy.max_requests:
            self._become(BreakerState.CLOSED, now)

    def retire(self) -> None:
        """Nobody will ask it any more, and outcomes of those whom it admitted change nothing."""
        old, self.state = self.state, BreakerState.CLOSED
        self._begin_era(0.0)
        if old is not self.state:
            self.tell(BreakerChanged(circuit=self.circuit, old=old, new=self.state))

    def _advance(self, now: float) -> None:
        """What time alone does."""
        if self.state is BreakerState.OPEN and now >= self._ends:
            self._become(BreakerState.HALF_OPEN, now)
        elif self.state is BreakerState.CLOSED and self.policy.interval and now >= self._ends:
            self._begin_era(now + self.policy.interval)

    def _become(self, new: BreakerState, now: float) -> None:
        old, self.state = self.state, new
        self._begin_era(now + (self.policy.timeout if new is BreakerState.OPEN else self.policy.interval))
        self.tell(BreakerChanged(circuit=self.circuit, old=old, new=new))

    def _begin_era(self, ends: float) -> None:
        self._era += 1
        self._ends = ends
        self._failures = self._successes = self._running = 0


@frozen(eq=False)
class Passage:
    """An admitted request; to be settled once."""

    _breaker: Breaker
    _era: int

    def settle(self, failed: bool | None, now: float) -> None:
        """See `Breaker.settle`."""
        self._breaker.settle(self._era, failed, now)


@frozen(eq=False)
class FreePassage:
    """Where there are no breakers."""

    def settle(self, failed: bool | None, now: float) -> None:
        """Nobody counts."""


FREE = FreePassage()


@define
class Breakers:
    """A breaker for each circuit that was used lately. Belongs to one event loop."""

    policy: BreakerPolicy = BreakerPolicy()
    tell: Callable[[BreakerEvent], None] = lambda event: None
    _found: OrderedDict[Circuit, Breaker] = field(init=False, factory=OrderedDict)

    def admit(self, circuit: Circuit, now: float) -> Passage | FreePassage:
        """Raises CircuitOpen."""
        if not self.policy.enabled:
            return FREE
        breaker = self._found.get(circuit)
        if breaker is None:
            breaker = self._found[circuit] = Breaker(circuit, self.policy, self.tell)
            if len(self._found) > MOST:
                self._found.popitem(last=False)
        self._found.move_to_end(circuit)
        return breaker.admit(now)

    def forget(self, provider: str) -> None:
        """It was exchanged: what its predecessor did says nothing of it."""
        for circuit in [circuit for circuit in self._found if circuit.provider == provider]:
            self._found.pop(circuit).retire()
