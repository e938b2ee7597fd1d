"""Limits that replicas in one process share: for tests, and as the shortest specification of the port.

Belongs here: what `SharedLimitsContract` says, in the plainest words. Never: speed over many requests.
"""

from attrs import Factory, define, field, frozen

from aibridge_core.errors import StoreUnavailable
from aibridge_core.limits import WINDOW, Bounds, Limit, Limits, Refused
from aibridge_core.sharing import Question, Ruling
from aibridge_core.testing.clock import FakeClock

EVERYBODY = None


@define
class SharedCounts:
    """What several `MemorySharedLimits` share, as several processes share a database."""

    clock: FakeClock = Factory(FakeClock)
    let_in: list[tuple[float, str | None]] = Factory(list)
    """When, and of which group; a request is one of its user and one of everybody."""
    running: dict[str, dict[str | None, int]] = Factory(dict)
    """By replica, by group, as it was last told."""
    seen: dict[str, float] = Factory(dict)
    """When each replica last gave a sign of life."""

    def lately(self, group: str | None) -> list[float]:
        """When requests of the last second were let in, the oldest first."""
        since = self.clock.monotonic() - WINDOW
        return [at for at, each in self.let_in if each == group and at > since]

    def living(self, lease: float) -> list[str]:
        """Replicas that gave a sign of life."""
        return [owner for owner, at in self.seen.items() if self.clock.monotonic() - at < lease]


@frozen
class MemorySharedLimits:
    """Implements `aibridge_core.sharing.SharedLimits` for the replica `owner`."""

    counts: SharedCounts
    owner: str
    questions: list[Question] = field(factory=list, init=False)
    """What was asked."""
    broken: list[Exception] = field(factory=list, init=False)
    """While there is one, it is raised."""

    async def rule(self, question: Question, *, within: float) -> Ruling:
        """At once. Raises StoreUnavailable if it is told to."""
        self.questions.append(question)
        if self.broken:
            raise StoreUnavailable("the database does not answer") from self.broken[0]
        self.counts.seen[self.owner] = self.counts.clock.monotonic()
        mine = self.counts.running.setdefault(self.owner, {})
        mine.update(question.running)
        mine[EVERYBODY] = question.together
        verdicts = [self._judge(user, question.limits, question.lease) for user in question.users]
        return Ruling(verdicts=verdicts, replicas=len(self.counts.living(question.lease)))

    async def tidy(self, *, lease: float) -> None:
        """Nothing is kept that would have to go."""

    def _judge(self, user: str, limits: Limits, lease: float) -> Refused | None:
        personal = (Limit.USER_CONCURRENT, Limit.USER_RATE)
        refused = self._refusal(user, limits.per_user, personal, lease) or self._refusal(
            EVERYBODY, limits.together, (Limit.CONCURRENT, Limit.RATE), lease
        )
        if refused is None:
            for group in (user, EVERYBODY):
                self.counts.let_in.append((self.counts.clock.monotonic(), group))
                mine = self.counts.running[self.owner]
                mine[group] = mine.get(group, 0) + 1
        return refused

    def _refusal(self, group: str | None, bounds: Bounds, names: tuple[Limit, Limit], lease: float) -> Refused | None:
        running = sum(self.counts.running.get(owner, {}).get(group, 0) for owner in self.counts.living(lease))
        if bounds.concurrent and running >= bounds.concurrent:
            return Refused(names[0])
        lately = self.counts.lately(group)
        if bounds.rps and len(lately) >= bounds.rps:
            return Refused(names[1], lately[0] + WINDOW - self.counts.clock.monotonic())
        return None
