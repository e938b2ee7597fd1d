"""Lets requests in by what all replicas have let in.

Belongs here: one question for all requests that wait, and what happens when no answer comes in time. Never: counting
(`aibridge_core.limits`), or where the answers come from (a storage).

One task asks, one question after the other; whoever comes while one is on its way is in the next. So the number of
questions depends on how long one takes, not on the number of requests.
"""

import asyncio
import logging
import random
from collections.abc import Sequence

from attrs import frozen

from aibridge_adapters.admission.asks import Ask, Place, until_left
from aibridge_adapters.admission.counters import SharingCounters
from aibridge_core.errors import BridgeError, LimitsUnavailable, StoreError
from aibridge_core.limits import Gate, Limits
from aibridge_core.ports import Clock
from aibridge_core.sharing import KnownWaits, Question, Ruling, SharedLimits

MOST = 256
"""Requests in one question: the others shouldn't wait long for this replica."""
LINGER = 0.02
"""Seconds for which places that are free again may wait for a question that goes anyway."""
PATIENCE = 5.0
"""Of such an attempt, in seconds: nobody waits for it, and connecting may take long."""

_log = logging.getLogger("aibridge.limits")


@frozen(kw_only=True)
class Terms:
    """How limits are shared."""

    limits: Limits
    timeout: float
    """Longest time that a request waits for an answer, in seconds."""
    refuses: bool
    """Whether requests are refused when none comes; else this replica keeps its share of the limits by itself."""
    lease: float
    """See `Question`."""
    probe: float = 1.0
    """Seconds between two attempts while the limits aren't shared, at most."""


class SharedAdmission:
    """Implements `aibridge_core.admission.Admission`. Belongs to one event loop; `run` has to run beside it."""

    def __init__(self, terms: Terms, shared: SharedLimits, clock: Clock) -> None:
        self.counters = SharingCounters()
        self.replicas = 1
        """How many lived when that was last known."""
        self.shared = True
        """Whether limits are shared at the moment."""
        self._terms = terms
        self._shared = shared
        self._clock = clock
        self._own = Gate(terms.limits)
        self._waits = KnownWaits()
        self._asks: list[Ask] = []
        self._changed: set[str] = set()
        """Users who have given places back since the database was last told."""
        self._due = asyncio.Event()
        self._linger: asyncio.TimerHandle | None = None
        self._whole = True
        """Whether the next question tells of everything that runs here."""

    @property
    def running(self) -> int:
        """Requests of this process under way."""
        return self._own.running

    async def admit(self, user_id: str) -> Place:
        """Within the timeout. Raises RateLimited, AtCapacity, LimitsUnavailable."""
        now = self._clock.monotonic()
        if not self.shared:
            return self._alone(user_id)
        if refused := self._waits.refusal(user_id, now):
            self.counters.known += 1
            raise refused.error(self._terms.limits)
        ask = Ask(user_id, now, asyncio.get_running_loop().create_future())
        self._asks.append(ask)
        self._due.set()
        try:
            return await ask.answer
        except asyncio.CancelledError:
            ask.give_back()
            raise

    def refresh(self) -> None:
        """Tell everything that runs here, soon: whoever counts may have lost it."""
        self._whole = True
        self._due.set()

    async def run(self) -> None:
        """Ask, until cancelled."""
        try:
            answered = await self._ask((), PATIENCE)
            while True:
                if not answered:
                    await self._recover()
                await self._due.wait()
                answered = await self._ask(self._taken(MOST), self._terms.timeout)
        finally:
            self.shared = False
            self._decide_alone(self._taken())

    async def _recover(self) -> None:
        """Return when limits are shared again. Meanwhile nobody waits."""
        begun = self._clock.monotonic()
        while True:
            await asyncio.sleep(self._terms.probe * random.uniform(0.5, 1.0))  # noqa: S311 - not for secrets
            self._whole = True
            asked = self._clock.monotonic()
            if await self._ask((), PATIENCE) and self._clock.monotonic() - asked <= self._terms.timeout:
                break
        self.shared = True
        _log.warning("limits are shared again", extra={"seconds": round(self._clock.monotonic() - begun, 1)})

    async def _ask(self, asks: Sequence[Ask], patience: float) -> bool:
        """One question, for these requests; whether it was answered. If it wasn't, they are decided about alone."""
        now = self._clock.monotonic()
        if asks:
            # If this process itself was held up, that is no reason to distrust the database.
            patience = max(patience - (now - asks[0].since), patience / 4)
        question = self._question(asks)
        try:
            ruling = await self._shared.rule(question, within=patience)
        except asyncio.CancelledError:
            self._asks[:0] = asks  # for whoever decides about those who still wait
            raise
        except Exception as error:
            if not isinstance(error, StoreError):
                _log.exception("asking about shared limits met an unexpected error")
            self._changed.update(question.running)  # perhaps nobody knows of it
            self._lose(asks, error)
            return False
        self._settle(asks, ruling, asked_at=now)
        return True

    def _taken(self, most: int | None = None) -> Sequence[Ask]:
        """Those who have waited longest, or all of them, but not those who don't wait any more."""
        waiting = [ask for ask in self._asks if ask.waits]
        most = len(waiting) if most is None else most
        self._asks = waiting[most:]
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if not self._asks:
            self._due.clear()
        return waiting[:most]

    def _question(self, asks: Sequence[Ask]) -> Question:
        users = [ask.user_id for ask in asks]
        told = {*users, *self._changed, *(self._own.busy if self._whole else ())}
        self._changed, self._whole = set(), False
        return Question(
            limits=self._terms.limits,
            users=users,
            running={user: self._own.running_of(user) for user in told},
            together=self._own.running,
            lease=self._terms.lease,
        )

    def _settle(self, asks: Sequence[Ask], ruling: Ruling, asked_at: float) -> None:
        now = self._clock.monotonic()
        self.replicas = ruling.replicas
        self.counters.questions += 1
        self.counters.question_seconds += now - asked_at
        self.counters.requests += len(asks)
        for ask, refused in zip(asks, ruling.verdicts, strict=True):
            if refused:
                self._waits.learn(ask.user_id, refused, asked_at)
                ask.refuse(refused.error(self._terms.limits))
            elif ask.waits:
                ask.let_in(self._place(ask.user_id, now))
            else:  # its client has left; the database counts it until it is told
                self._left(ask.user_id)

    def _lose(self, asks: Sequence[Ask], error: Exception) -> None:
        """The database doesn't answer in time: from now on nobody waits for it."""
        if self.shared:
            kept = "requests are refused" if self._terms.refuses else "this replica keeps its share"
            _log.warning("limits are not shared for now, %s: %s", kept, error, extra={"replicas": self.replicas})
        self.shared = False
        self._decide_alone(asks)
        self._decide_alone(self._taken())

    def _decide_alone(self, asks: Sequence[Ask]) -> None:
        for ask in asks:
            if ask.waits:
                try:
                    ask.let_in(self._alone(ask.user_id))
                except BridgeError as error:
                    ask.refuse(error)

    def _alone(self, user_id: str) -> Place:
        """What the fallback says. Raises RateLimited, AtCapacity, LimitsUnavailable."""
        self.counters.alone += 1
        if self._terms.refuses:
            raise LimitsUnavailable("the gateway can't tell now how many requests its replicas have let in; try again")
        now = self._clock.monotonic()
        share = self._terms.limits.share(self.replicas)
        if refused := self._own.refusal(user_id, now, share):
            raise refused.error(share)
        return self._place(user_id, now)

    def _place(self, user_id: str, now: float) -> Place:
        return until_left(self._own.enter(user_id, now), lambda: self._left(user_id))

    def _left(self, user_id: str) -> None:
        """Tell that a place is free again, where places are counted."""
        limits = self._terms.limits
        if limits.together.concurrent or limits.per_user.concurrent:
            self._changed.add(user_id)
            if self.shared and self._linger is None:
                self._linger = asyncio.get_running_loop().call_later(LINGER, self._due.set)
