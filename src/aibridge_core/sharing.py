"""What replicas ask of the limits that they share, what they are answered, and what they know without asking.

Belongs here: the port and its values, and what follows from an answer. Never: counting, or how a question travels.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from attrs import frozen

from aibridge_core.limits import Limit, Limits, Refused

_RATES = (Limit.USER_RATE, Limit.RATE)
_EVERYBODY = "*"
_MOST_KNOWN = 1000
"""Then those that are over are forgotten."""


@frozen(kw_only=True)
class Question:
    """Whether some requests of one replica may be let in, and how many run there already."""

    limits: Limits
    """Those of all replicas together, as this one has them in its settings."""
    users: Sequence[str] = ()
    """Who wants in: one id for each request, in the order in which they came."""
    running: Mapping[str, int]
    """Requests of this replica under way by user: of everybody in `users`, and of those whose number has changed."""
    together: int
    """Requests of this replica under way, of everybody."""
    lease: float
    """Seconds without a sign of life after which another replica's requests don't count any more."""


@frozen(kw_only=True)
class Ruling:
    """The answer to a question."""

    verdicts: Sequence[Refused | None]
    """One for each of `users`, in the same order; None: let in."""
    replicas: int
    """How many live, this one among them; 1 or more."""


class SharedLimits(Protocol):
    """Counts the requests of all replicas that ask it. One instance belongs to one replica.

    A rate holds in every second by the clock of whoever counts, which is the same for all replicas. Requests at once
    are what each living replica last told of itself: nothing is added up over time, so nothing can be lost. Which
    replicas live, `aibridge_core.ports.Leases` tells.
    """

    async def rule(self, question: Question, *, within: float) -> Ruling:
        """Let in as many as may, those who came first; what is let in counts for all replicas from now on.

        Raises StoreUnavailable, not later than `within` seconds; what it let in may then count or not, requests at
        once until the next question.
        """
        ...

    async def tidy(self, *, lease: float) -> None:
        """Forget what no question needs any more. Raises StoreUnavailable."""
        ...


class KnownWaits:
    """What a replica knows of rates without asking: one that is used up stays so until its oldest second is over.

    Others can only use up more of it meanwhile, so nobody is refused who would have been let in.
    """

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        """By user; everybody together under `_EVERYBODY`."""

    def learn(self, user_id: str, refused: Refused, asked_at: float) -> None:
        """A request was refused that was asked about at this time, or a little later."""
        if refused.by in _RATES:
            if len(self._until) >= _MOST_KNOWN:
                self._until = {key: until for key, until in self._until.items() if until > asked_at}
            key = _user(user_id) if refused.by is Limit.USER_RATE else _EVERYBODY
            self._until[key] = asked_at + refused.wait

    def refusal(self, user_id: str, now: float) -> Refused | None:
        """Why another request is refused, if that is known."""
        for limit, key in ((Limit.USER_RATE, _user(user_id)), (Limit.RATE, _EVERYBODY)):
            if (wait := self._until.get(key, now) - now) > 0:
                return Refused(limit, wait)
        return None


def _user(user_id: str) -> str:
    return f"user {user_id}"
