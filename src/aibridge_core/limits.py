"""How many requests are let in: per second and at once, of everybody together and of each person.

Belongs here: state machines that count; the time comes in as an argument. Never: who someone is, or HTTP.

A rate is a sliding window, not one that begins at full seconds: in no second, whichever one is looked at, more than the
limit is let in, and whoever keeps asking gets all of it.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

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


@frozen(kw_only=True)
class Limits:
    """All limits of one process."""

    together: Bounds = Bounds()
    per_user: Bounds = Bounds()


@define
class Admissions:
    """What one group has under way. Belongs to one event loop."""

    bounds: Bounds
    running: int = 0
    _times: deque[float] = field(init=False, factory=deque)
    """When those of the last window were let in, the oldest first; no more than the limit."""

    @property
    def full(self) -> bool:
        """Whether as many run as may."""
        return bool(self.bounds.concurrent) and self.running >= self.bounds.concurrent

    def wait(self, now: float) -> float:
        """Seconds until the rate lets another one in; 0 if it does now."""
        while self._times and self._times[0] <= now - WINDOW:
            self._times.popleft()
        if not self.bounds.rps or len(self._times) < self.bounds.rps:
            return 0.0
        return self._times[0] + WINDOW - now

    def enter(self, now: float) -> None:
        """Another one is let in."""
        self.running += 1
        if self.bounds.rps:
            self._times.append(now)

    def idle(self, now: float) -> bool:
        """Whether nothing is known that a new one wouldn't know."""
        return not self.running and self.wait(now) == 0.0 and not self._times


@define
class Gate:
    """Lets requests in, or refuses them. Belongs to one event loop."""

    limits: Limits
    _counts: bool = field(init=False)
    _together: Admissions = field(init=False)
    _users: dict[str, Admissions] = field(init=False, factory=dict)
    _swept_at: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self._counts = self.limits != Limits()
        self._together = Admissions(self.limits.together)

    def admit(self, user_id: str, now: float) -> AbstractContextManager[None]:
        """A context for a request of this person, to be entered at once; the place is free again when it is left.

        Raises RateLimited, AtCapacity; who is refused has used up nothing.
        """
        if not self._counts:
            return _UNLIMITED
        groups = (self._of(user_id, now), self._together)
        if refusal := self._refusal(*groups, now):
            raise refusal
        for group in groups:
            group.enter(now)
        return _place(groups)

    @property
    def running(self) -> int:
        """Requests under way; counted only if there is a limit."""
        return self._together.running

    def _of(self, user_id: str, now: float) -> Admissions:
        if now - self._swept_at >= SWEEP:
            self._swept_at = now
            self._users = {user: group for user, group in self._users.items() if not group.idle(now)}
        if (group := self._users.get(user_id)) is None:
            group = self._users[user_id] = Admissions(self.limits.per_user)
        return group

    def _refusal(self, user: Admissions, together: Admissions, now: float) -> BridgeError | None:
        """Why another request is refused. What one person can change comes first: others may still be let in."""
        mine, ours = self.limits.per_user, self.limits.together
        if user.full:
            return RateLimited(
                f"you have {mine.concurrent} requests running, the most that one person may", retry_after=1
            )
        if wait := user.wait(now):
            return RateLimited(f"you may make {mine.rps} requests a second; try again later", retry_after=wait)
        if together.full:
            return AtCapacity(f"the gateway is at its capacity of {ours.concurrent} requests at once; try again later")
        if wait := together.wait(now):
            return RateLimited(f"the gateway takes {ours.rps} requests a second; try again later", retry_after=wait)
        return None


@contextmanager
def _place(groups: Sequence[Admissions]) -> Iterator[None]:
    try:
        yield
    finally:
        for group in groups:
            group.running -= 1
