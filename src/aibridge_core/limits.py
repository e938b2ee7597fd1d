"""How many requests are let in: per second and at once, of everybody together and of each person.

Belongs here: state machines that count; the time comes in as an argument. Never: who someone is, or HTTP.

A rate is a sliding window, not one that begins at full seconds: in no second, whichever one is looked at, more than the
limit is let in, and whoever keeps asking gets all of it. Who counts for several replicas together is an implementation
of `aibridge_core.sharing.SharedLimits`; order and texts of refusals are the same there.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import IntEnum
from math import ceil

from attrs import define, field, frozen

from aibridge_core.errors import AtCapacity, BridgeError, RateLimited

WINDOW = 1.0
"""Of a rate, in seconds."""
SWEEP = 60.0
"""Seconds after which those who didn't ask any more are forgotten."""

_UNLIMITED = nullcontext()


@frozen(kw_only=True)
class Bounds:
    """The limits of one group of requests; 0 is none."""

    rps: int = 0
    """Requests let in within any second."""
    concurrent: int = 0
    """Requests at once, from the moment they are let in until their answer is complete."""

    def share(self, replicas: int) -> "Bounds":
        """What one of so many replicas may let in by itself, at least one request where there is a limit."""
        return Bounds(rps=ceil(self.rps / replicas), concurrent=ceil(self.concurrent / replicas))


@frozen(kw_only=True)
class Limits:
    """All limits of one process, or of all replicas together."""

    together: Bounds = Bounds()
    per_user: Bounds = Bounds()

    def share(self, replicas: int) -> "Limits":
        """What one of so many replicas may let in by itself."""
        return Limits(together=self.together.share(replicas), per_user=self.per_user.share(replicas))


class Limit(IntEnum):
    """In the order in which they are asked. What one person can change comes first: others may still be let in."""

    USER_CONCURRENT = 1
    USER_RATE = 2
    CONCURRENT = 3
    RATE = 4


_IN_WORDS: Mapping[Limit, Callable[[Limits, float], BridgeError]] = {
    Limit.USER_CONCURRENT: lambda limits, _: RateLimited(
        f"you have {limits.per_user.concurrent} requests running, the most that one person may", retry_after=1
    ),
    Limit.USER_RATE: lambda limits, wait: RateLimited(
        f"you may make {limits.per_user.rps} requests a second; try again later", retry_after=wait
    ),
    Limit.CONCURRENT: lambda limits, _: AtCapacity(
        f"the gateway is at its capacity of {limits.together.concurrent} requests at once; try again later"
    ),
    Limit.RATE: lambda limits, wait: RateLimited(
        f"the gateway takes {limits.together.rps} requests a second; try again later", retry_after=wait
    ),
}


@frozen
class Refused:
    """A request that isn't let in."""

    by: Limit
    wait: float = 0.0
    """Of a rate: seconds until it lets another one in."""

    def error(self, limits: Limits) -> BridgeError:
        """What its client is told: RateLimited or AtCapacity."""
        return _IN_WORDS[self.by](limits, self.wait)


@define
class Admissions:
    """What one group has under way. Belongs to one event loop."""

    running: int = 0
    _times: deque[float] = field(init=False, factory=deque)
    """When those of the last window were let in, the oldest first; no more than the limit."""

    def full(self, bounds: Bounds) -> bool:
        """Whether as many run as may."""
        return bool(bounds.concurrent) and self.running >= bounds.concurrent

    def wait(self, bounds: Bounds, now: float) -> float:
        """Seconds until the rate lets another one in; 0 if it does now."""
        self._forget(now)
        if not bounds.rps or len(self._times) < bounds.rps:
            return 0.0
        return self._times[-bounds.rps] + WINDOW - now

    def enter(self, now: float) -> None:
        """Another one is let in."""
        self.running += 1
        self._forget(now)
        self._times.append(now)

    def idle(self, now: float) -> bool:
        """Whether nothing is known that a new one wouldn't know."""
        self._forget(now)
        return not self.running and not self._times

    def _forget(self, now: float) -> None:
        while self._times and self._times[0] <= now - WINDOW:
            self._times.popleft()


@define
class Gate:
    """Lets requests in, or refuses them. Belongs to one event loop."""

    limits: Limits
    _counts: bool = field(init=False)
    _together: Admissions = field(init=False, factory=Admissions)
    _users: dict[str, Admissions] = field(init=False, factory=dict)
    _swept_at: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self._counts = self.limits != Limits()

    def admit(self, user_id: str, now: float) -> AbstractContextManager[None]:
        """A context for a request of this person, to be entered at once; the place is free again when it is left.

        Raises RateLimited, AtCapacity; who is refused has used up nothing.
        """
        if not self._counts:
            return _UNLIMITED
        if refused := self.refusal(user_id, now, self.limits):
            raise refused.error(self.limits)
        return self.enter(user_id, now)

    def refusal(self, user_id: str, now: float, limits: Limits) -> Refused | None:
        """Why another request of this person is refused, by these limits; None if it may enter."""
        user, together = self._of(user_id, now), self._together
        if user.full(limits.per_user):
            return Refused(Limit.USER_CONCURRENT)
        if wait := user.wait(limits.per_user, now):
            return Refused(Limit.USER_RATE, wait)
        if together.full(limits.together):
            return Refused(Limit.CONCURRENT)
        if wait := together.wait(limits.together, now):
            return Refused(Limit.RATE, wait)
        return None

    def enter(self, user_id: str, now: float) -> AbstractContextManager[None]:
        """A context as that of `admit`, for a request that somebody else has let in."""
        groups = (self._of(user_id, now), self._together)
        for group in groups:
            group.enter(now)
        return _place(groups)

    @property
    def running(self) -> int:
        """Requests under way; counted only if there is a limit."""
        return self._together.running

    def running_of(self, user_id: str) -> int:
        """Those of one person."""
        user = self._users.get(user_id)
        return user.running if user else 0

    @property
    def busy(self) -> Sequence[str]:
        """Who has requests under way."""
        return [user for user, group in self._users.items() if group.running]

    def _of(self, user_id: str, now: float) -> Admissions:
        if now - self._swept_at >= SWEEP:
            self._swept_at = now
            self._users = {user: group for user, group in self._users.items() if not group.idle(now)}
        if (group := self._users.get(user_id)) is None:
            group = self._users[user_id] = Admissions()
        return group


@contextmanager
def _place(groups: Sequence[Admissions]) -> Iterator[None]:
    try:
        yield
    finally:
        for group in groups:
            group.running -= 1
