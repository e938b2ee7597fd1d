"""The bundled authenticator: people are known by tokens whose digests are in an identity store.

Belongs here: the decision who a token stands for, and what may be remembered of it for how long. Never: HTTP, SQL,
or which routes a role may use.

Every refusal says the same, so that nobody learns from it which tokens exist, have expired or were revoked.
"""

import asyncio
import math
from datetime import datetime, timedelta

from attrs import frozen

from aibridge_adapters.identity.cache import ExpiringCache, SingleFlight
from aibridge_adapters.identity.counters import AuthCounters
from aibridge_adapters.identity.tokens import digest_of, same_digest, token_id_of
from aibridge_core.actors import Actor
from aibridge_core.errors import IdentityUnavailable, StoreUnavailable, Unauthenticated
from aibridge_core.identity import ApiToken, IdentityStore, User
from aibridge_core.ports import Clock

BOOTSTRAP_USERNAME = "admin"
"""The user whom the bootstrap token stands for."""
BOOTSTRAP_KEY_ID = "bootstrap"
"""What is recorded as `api_key_id` for the bootstrap token."""
REFUSAL = "This gateway token is not valid, or not any more; create one with `aibridge tokens create`."

_REFUSED_SECONDS = 1.0
"""How long a refusal is remembered: enough to take a retry storm off the database, too short to notice."""
_REFUSED_SIZE = 1000
"""Refusals have a small cache of their own, so that guesses can't push out the tokens of people at work."""
_USED_EVERY = timedelta(minutes=1)
"""How exact `last_used_at` is."""


@frozen
class _Known:
    """Who a token stands for, and for how many seconds it is still valid."""

    actor: Actor
    seconds: float


class StoredAuthenticator:
    """Implements `aibridge_core.ports.Authenticator` over an `IdentityStore`.

    A revocation, a suspension or a change of role acts within `cache_seconds`, in this and every other process. A
    token's expiry acts at once. With `cache_seconds=0` every request asks the store. At most `cache_size` tokens are
    remembered, by the SHA-256 of their whole text.

    A store that doesn't answer within `deadline` seconds is away. While it is, a token that it knew not more than
    `grace_seconds` ago still stands for the same person; its expiry acts, a revocation can't.
    """

    def __init__(
        self,
        identity: IdentityStore,
        clock: Clock,
        *,
        bootstrap_token: str = "",
        cache_seconds: float = 5.0,
        cache_size: int = 10_000,
        deadline: float = math.inf,
        grace_seconds: float = 0.0,
    ) -> None:
        self._identity = identity
        self._clock = clock
        self._bootstrap = digest_of(bootstrap_token) if bootstrap_token else None
        self._cache_seconds = cache_seconds
        self._actors = ExpiringCache[bytes, Actor](cache_size)
        self._deadline = None if deadline == math.inf else deadline
        self._grace_seconds = grace_seconds
        self._trusted = ExpiringCache[bytes, Actor](cache_size)
        self._refused = ExpiringCache[bytes, bool](_REFUSED_SIZE)
        self._lookups = SingleFlight[bytes, Actor]()
        self._used: dict[str, datetime] = {}
        self.counters = AuthCounters()

    async def authenticate(self, token: str) -> Actor:
        """Who this token stands for. Raises Unauthenticated, IdentityUnavailable.

        A remembered token costs a digest and a dictionary look-up: nothing is awaited.
        """
        digest = digest_of(token)
        actor = self._actors.get(digest, self._clock.monotonic())
        if actor is not None:
            self.counters.hits += 1
            return actor
        self.counters.misses += 1
        return await self._ask(token, digest)

    @property
    def remembered(self) -> int:
        """How many tokens are remembered now, some of them perhaps too old to be believed."""
        return len(self._actors)

    async def flush(self) -> None:
        """Write what is known of the last use of tokens; call it every now and then, away from any request.

        Raises StoreUnavailable; what was not written stays for the next call.
        """
        while self._used:
            token_id = next(iter(self._used))
            await self._identity.touch_token(token_id, self._used[token_id])
            self._used.pop(token_id, None)

    async def _ask(self, token: str, digest: bytes) -> Actor:
        if self._refused.get(digest, self._clock.monotonic()):
            raise Unauthenticated(REFUSAL)
        actor = await self._lookups.run(digest, lambda: self._look_up(token, digest))
        if actor is None:
            raise Unauthenticated(REFUSAL)
        return actor

    async def _look_up(self, token: str, digest: bytes) -> Actor | None:
        # The seconds count from before the question: what is revoked during it is remembered no longer than promised.
        asked_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._deadline):
                known = await self._find(token, digest)
        except (StoreUnavailable, TimeoutError) as error:
            return self._trusted_meanwhile(digest, error)
        if known is None:
            self._trusted.forget(digest)
            self._refused.put(digest, True, asked_at + min(_REFUSED_SECONDS, self._cache_seconds))
            return None
        self._actors.put(digest, known.actor, asked_at + min(known.seconds, self._cache_seconds))
        self._trusted.put(digest, known.actor, asked_at + min(known.seconds, self._grace_seconds))
        return known.actor

    def _trusted_meanwhile(self, digest: bytes, error: Exception) -> Actor:
        """Who it was when the store last answered. The store is asked again after `cache_seconds`."""
        now = self._clock.monotonic()
        actor = self._trusted.get(digest, now)
        if actor is None:
            raise IdentityUnavailable("The users' database does not answer; try again.") from error
        self._actors.put(digest, actor, min(now + self._cache_seconds, self._trusted.deadline(digest)))
        return actor

    async def _find(self, token: str, digest: bytes) -> _Known | None:
        if self._bootstrap is not None and same_digest(digest, self._bootstrap):
            admin = await self._identity.find_user(BOOTSTRAP_USERNAME)
            return self._known(admin, BOOTSTRAP_KEY_ID, math.inf) if admin else None
        token_id = token_id_of(token)
        found = await self._identity.find_token(token_id) if token_id else None
        if found is None or not same_digest(digest, found[0].digest):
            return None
        return self._checked(*found)

    def _checked(self, token: ApiToken, user: User) -> _Known | None:
        now = self._clock.now()
        known = self._known(user, token.id, _seconds_left(token, now))
        if known and (token.last_used_at is None or now - token.last_used_at >= _USED_EVERY):
            self._used[token.id] = now
        return known

    def _known(self, user: User, key_id: str, seconds_left: float) -> _Known | None:
        if user.suspended or seconds_left <= 0:
            return None
        actor = Actor(id=user.id, username=user.username, name=user.name, role=user.role, api_key_id=key_id)
        return _Known(actor, seconds_left)


def _seconds_left(token: ApiToken, now: datetime) -> float:
    return math.inf if token.expires_at is None else (token.expires_at - now).total_seconds()
