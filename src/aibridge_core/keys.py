"""The central keys of one provider: which one a request uses, and which ones rest.

Belongs here: state machines; the time comes in as an argument, in seconds of a monotonic clock. Never: a connection.

A session stays with its key while that key is healthy: the provider's prompt caches and encrypted items belong to the
key's account. Which key a new session gets follows from its id (rendezvous hashing), so that all replicas agree without
talking to one another, unless that key has clearly more to do than another.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from hashlib import blake2b
from math import ceil

from attrs import define, field, frozen

from aibridge_core.actors import Credential, mask
from aibridge_core.errors import BridgeError, KeysRateLimited, KeysUnauthorized

SLACK = 4
"""So many calls more than the least busy key may run on a session's own one before a new session goes elsewhere."""
REMEMBERED = 10_000
"""Sessions whose key is remembered."""


class KeyState(StrEnum):
    """What a key can do right now."""

    VALID = "valid"
    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"


STATE_OF_STATUS: Mapping[int, KeyState] = {
    429: KeyState.RATE_LIMITED,
    401: KeyState.UNAUTHORIZED,  # for a while: keys get revoked, and providers err
}
"""Answers that say something of the key. 403 may be about the request, and 5xx are about the provider: they pass."""


@define(eq=False)
class Key:
    """One key, and how it fares."""

    secret: str = field(repr=False)
    running: int = 0
    """Calls under way."""
    state: KeyState = KeyState.VALID
    """The last one that was seen; over when `rests_until` is."""
    rests_until: float = float("-inf")

    @property
    def hint(self) -> str:
        """Masked."""
        return mask(self.secret)

    def is_healthy(self, now: float) -> bool:
        """Whether it may be used."""
        return self.rests_until <= now


@frozen(kw_only=True)
class KeyRests:
    """A key was put aside; for logs and metrics."""

    provider: str
    hint: str
    state: KeyState
    seconds: float


@frozen(kw_only=True)
class KeysExhausted:
    """No key was left for a request; likewise."""

    provider: str
    outcome: str
    """`rate_limited` or `auth_failed`."""


@frozen(kw_only=True)
class KeysTried:
    """How many keys one upstream call of a pool took; likewise."""

    provider: str
    count: int


KeyEvent = KeyRests | KeysExhausted | KeysTried


class KeyPool:
    """Two or more keys. Belongs to one event loop."""

    def __init__(
        self, provider: str, secrets: Sequence[str], *, tell: Callable[[KeyEvent], None] = lambda event: None
    ) -> None:
        self.provider = provider
        self.tell = tell
        self._keys = [Key(secret) for secret in secrets]
        self._sessions: OrderedDict[str, Key] = OrderedDict()

    def pick(self, session: str, now: float, *, tried: Collection[Key] = ()) -> Key | None:
        """The key for a call of this session; None if no untried one is healthy."""
        able = [key for key in self._keys if key.is_healthy(now) and key not in tried]
        if not able:
            return None
        key = self._sessions.get(session)
        if key not in able:
            key = self._for_new(session, able)
        self._sessions[session] = key
        self._sessions.move_to_end(session)
        if len(self._sessions) > REMEMBERED:
            self._sessions.popitem(last=False)
        return key

    def favourite(self, session: str) -> Key:
        """The session's key, healthy or not."""
        return self._sessions.get(session) or max(self._keys, key=lambda key: _affinity(session, key))

    def rest(self, key: Key, state: KeyState, seconds: float, now: float) -> None:
        """Put a key aside; a later end of its rest is never brought forward."""
        if now + seconds > key.rests_until:
            key.rests_until = now + seconds
            key.state = state
        self.tell(KeyRests(provider=self.provider, hint=key.hint, state=state, seconds=seconds))

    def exhausted(self, now: float, *, tried: Collection[Key] = ()) -> BridgeError:
        """Why there is no key for a request, in words for its client.

        A key that it has `tried` counts even if its rest is over by now, or was none at all (`Retry-After: 0`).
        """
        out = [key for key in self._keys if key in tried or not key.is_healthy(now)]
        limited = [key.rests_until - now for key in out if key.state is KeyState.RATE_LIMITED]
        self.tell(KeysExhausted(provider=self.provider, outcome="rate_limited" if limited else "auth_failed"))
        if not limited:
            return KeysUnauthorized("all configured keys failed authentication. Contact your Administrator")
        wait = max(1, ceil(min(limited)))
        return KeysRateLimited(f"all configured keys are rate-limited (retry after {wait}s)", retry_after=wait)

    def holding(self, key: Key) -> "KeyPool":
        """A pool of this key alone, the very same: what happens to it in one of them shows in the other."""
        pool = KeyPool(self.provider, (), tell=self.tell)
        pool._keys.append(key)
        return pool

    def has_better(self, key: Key, now: float) -> bool:
        """Whether this key rests while another doesn't."""
        return not key.is_healthy(now) and any(other.is_healthy(now) for other in self._keys)

    @property
    def secrets(self) -> Sequence[str]:
        """Of all keys."""
        return [key.secret for key in self._keys]

    def states(self, now: float) -> Mapping[KeyState, int]:
        """How many keys are in each state."""
        found = dict.fromkeys(KeyState, 0)
        for key in self._keys:
            found[KeyState.VALID if key.is_healthy(now) else key.state] += 1
        return found

    def _for_new(self, session: str, able: Sequence[Key]) -> Key:
        own = max(able, key=lambda key: _affinity(session, key))
        idle = min(able, key=lambda key: key.running)
        return idle if own.running >= idle.running + SLACK else own


def _affinity(session: str, key: Key) -> bytes:
    """The highest wins; evenly spread, and the same in every process."""
    return blake2b(session.encode("utf-8", "replace"), key=key.secret.encode()[:64], digest_size=8).digest()


@frozen(eq=False)
class HeldKey:
    """The key with which a connection was opened, for requests that can't choose another any more."""

    _pool: KeyPool
    _key: Key

    @property
    def alone(self) -> KeyPool:
        """A pool without the others."""
        return self._pool.holding(self._key)

    def refused(self, status: int, seconds: float, now: float) -> None:
        """A request on the connection was answered with this status; it is the client's, and the key rests."""
        if state := STATE_OF_STATUS.get(status):
            self._pool.rest(self._key, state, seconds, now)

    def is_outdone(self, now: float) -> bool:
        """Whether another connection would get a key that can do more than this one."""
        return self._pool.has_better(self._key, now)


class KeyWalk:
    """One request's way through a pool: which credential its next call carries."""

    def __init__(self, pool: KeyPool, session: str, credential: Callable[[str], Credential]) -> None:
        """`credential`: how a key travels."""
        self._pool = pool
        self._session = session
        self._credential = credential
        self.hint = ""
        """Of the key that was used last; empty before."""
        self._tried: list[Key] = []
        self._key: Key | None = None

    @property
    def secrets(self) -> Sequence[str]:
        """What a provider may quote."""
        return self._pool.secrets

    def begin(self) -> None:
        """Another upstream call begins: every key that is healthy may be tried again."""
        self._tried.clear()

    def expected(self) -> Credential:
        """The credential of the first call, if nothing changes until then."""
        return self._credential(self._pool.favourite(self._session).secret)

    def take(self, now: float) -> Credential:
        """The credential for a try, in use until `leave`. Raises KeysRateLimited, KeysUnauthorized."""
        key = self._pool.pick(self._session, now, tried=self._tried)
        if key is None:
            raise self._pool.exhausted(now, tried=self._tried)
        self._tried.append(key)
        self._key = key
        self.hint = key.hint
        key.running += 1
        return self._credential(key.secret)

    def refused(self, status: int, seconds: float, now: float) -> bool:
        """Whether an answer with this status is to be dropped, and another key tried; its key rests meanwhile."""
        state = STATE_OF_STATUS.get(status)
        if state is None or self._key is None:
            return False
        self._pool.rest(self._key, state, seconds, now)
        return True

    def held(self) -> "HeldKey":
        """The key of the try that is under way, for a connection that outlasts it."""
        assert self._key is not None, "nothing is under way"
        return HeldKey(self._pool, self._key)

    def leave(self) -> None:
        """The try is over."""
        if self._key is not None:
            self._key.running -= 1
            self._key = None

    def tell_tried(self) -> None:
        """The call has an outcome."""
        self._pool.tell(KeysTried(provider=self._pool.provider, count=len(self._tried)))


class OneCredential:
    """Stands in for a `KeyWalk` where there is no choice; every answer is the client's."""

    hint = ""

    def __init__(self, credential: Credential) -> None:
        self._only = credential

    @property
    def secrets(self) -> Sequence[str]:
        """What a provider may quote."""
        signer = self._only.signer
        return [self._only.secret, *(signer.secrets if signer else ())]

    def begin(self) -> None:
        """Nothing was tried."""

    def expected(self) -> Credential:
        """The only one."""
        return self._only

    def take(self, now: float) -> Credential:
        """The only one."""
        return self._only

    def refused(self, status: int, seconds: float, now: float) -> bool:
        """Never."""
        return False

    def held(self) -> "HeldKey | None":
        """There is nothing to know about it."""
        return None

    def leave(self) -> None:
        """Nothing is counted."""

    def tell_tried(self) -> None:
        """Nobody asks."""


Keys = KeyWalk | OneCredential
