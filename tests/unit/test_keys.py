"""Several central keys: which one a request uses, and which ones rest."""

import pytest

from aibridge_core.actors import Credential, CredentialKind
from aibridge_core.errors import KeysRateLimited, KeysUnauthorized
from aibridge_core.keys import KeyEvent, KeyPool, KeyRests, KeysExhausted, KeyState, KeyWalk

SECRETS = ("sk-one-0123456789abcdef", "sk-two-0123456789abcdef", "sk-six-0123456789abcdef")


def pool(count: int = 2, told: list[KeyEvent] | None = None) -> KeyPool:
    return KeyPool("openai", SECRETS[:count], tell=(told if told is not None else []).append)


def walk(keys: KeyPool, session: str = "s-1") -> KeyWalk:
    return KeyWalk(
        keys,
        session,
        lambda secret: Credential(
            kind=CredentialKind.CENTRALIZED, header=b"authorization", value=f"Bearer {secret}".encode(), secret=secret
        ),
    )


def test_a_session_stays_with_its_key() -> None:
    """Request after request, and in every process."""
    keys, others = pool(3), pool(3)
    for session in ("s-1", "s-2", "s-3"):
        first = keys.pick(session, 0)
        assert first is not None
        assert {key.secret for _ in range(5) if (key := keys.pick(session, 1))} == {first.secret}
        elsewhere = others.pick(session, 7)
        assert elsewhere is not None and elsewhere.secret == first.secret


def test_sessions_spread_over_all_keys() -> None:
    """Roughly evenly."""
    keys = pool(3)
    used = [key.secret for number in range(300) if (key := keys.pick(f"s-{number}", 0))]
    assert all(60 < used.count(secret) < 140 for secret in SECRETS)


def test_a_busy_key_gets_no_new_sessions() -> None:
    """As long as another has clearly less to do; sessions that are on it stay."""
    keys = pool()
    old = keys.pick("s-1", 0)
    assert old is not None
    old.running = 10
    assert {key is old for number in range(20) if (key := keys.pick(f"new-{number}", 0))} == {False}
    assert keys.pick("s-1", 0) is old


def test_a_key_that_rests_is_replaced_for_good() -> None:
    """The session moves once, and doesn't come back when the key does: its caches are elsewhere now."""
    keys = pool()
    first = keys.pick("s-1", 0)
    assert first is not None
    keys.rest(first, KeyState.RATE_LIMITED, 30, 0)
    second = keys.pick("s-1", 1)
    assert second is not None and second is not first
    assert keys.pick("s-1", 31) is second


def test_the_later_end_of_a_rest_counts() -> None:
    """A shorter one that is said later changes nothing."""
    keys = pool()
    key = keys.pick("s-1", 0)
    assert key is not None
    keys.rest(key, KeyState.RATE_LIMITED, 60, 0)
    keys.rest(key, KeyState.UNAUTHORIZED, 5, 1)
    assert not key.is_healthy(59)
    assert key.is_healthy(60)
    assert key.state is KeyState.RATE_LIMITED


def test_a_request_walks_through_the_keys() -> None:
    """Each is tried once; the last one's hint is the one to record."""
    told: list[KeyEvent] = []
    keys = pool(2, told)
    way = walk(keys)
    way.begin()
    first = way.take(0)
    assert way.refused(429, 12, 0)
    way.leave()
    second = way.take(0)
    assert {first.secret, second.secret} == set(SECRETS[:2])
    assert not way.refused(500, 60, 0)
    way.leave()
    assert way.hint == second.hint
    assert told == [KeyRests(provider="openai", hint=first.hint, state=KeyState.RATE_LIMITED, seconds=12)]


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503, 529])
def test_other_errors_say_nothing_of_the_key(status: int) -> None:
    """They are the client's."""
    way = walk(pool())
    way.begin()
    way.take(0)
    assert not way.refused(status, 60, 0)


def test_all_keys_are_rate_limited() -> None:
    """The client learns when the first is back, rounded up."""
    told: list[KeyEvent] = []
    way = walk(pool(2, told))
    way.begin()
    for seconds in (40, 12.2):
        way.take(0)
        assert way.refused(429, seconds, 0)
        way.leave()
    with pytest.raises(KeysRateLimited) as refused:
        way.take(0)
    assert (refused.value.status, refused.value.message) == (
        429,
        "all configured keys are rate-limited (retry after 13s)",
    )
    assert refused.value.headers == ((b"retry-after", b"13"),)
    assert told[-1] == KeysExhausted(provider="openai", outcome="rate_limited")


def test_no_key_is_valid() -> None:
    """That is the administrator's to mend, so nobody is told to come back."""
    way = walk(pool())
    way.begin()
    for _ in range(2):
        way.take(0)
        way.refused(401, 60, 0)
        way.leave()
    with pytest.raises(KeysUnauthorized, match="Contact your Administrator") as refused:
        way.take(0)
    assert (refused.value.status, refused.value.headers) == (502, ((b"x-should-retry", b"false"),))


@pytest.mark.parametrize(("status", "others"), [(429, 429), (429, 401), (401, 429)])
def test_a_rest_that_is_over_already_is_still_a_limit(status: int, others: int) -> None:
    """`Retry-After: 0`, or a rest that ends while another key is asked: the client comes again, nobody is blamed."""
    way = walk(pool())
    way.begin()
    for moment, answer in enumerate((status, others)):
        way.take(moment)
        assert way.refused(answer, 0 if answer == 429 else 60, moment)
        way.leave()
    with pytest.raises(KeysRateLimited) as refused:
        way.take(2)
    assert refused.value.headers == ((b"retry-after", b"1"),)
    way.begin()
    way.take(2)


def test_one_limited_key_is_hope() -> None:
    """With one refused and one limited, it is worth coming back."""
    way = walk(pool())
    way.begin()
    way.take(0)
    way.refused(401, 60, 0)
    way.take(0)
    way.refused(429, 5, 0)
    with pytest.raises(KeysRateLimited):
        way.take(0)


def test_states_are_counted() -> None:
    """A rest that is over is over, whoever looks."""
    keys = pool(3)
    first, second = keys.favourite("a"), next(key for key in keys._keys if key is not keys.favourite("a"))
    keys.rest(first, KeyState.RATE_LIMITED, 10, 0)
    keys.rest(second, KeyState.UNAUTHORIZED, 60, 0)
    assert keys.states(5) == {KeyState.VALID: 1, KeyState.RATE_LIMITED: 1, KeyState.UNAUTHORIZED: 1}
    assert keys.states(20) == {KeyState.VALID: 2, KeyState.RATE_LIMITED: 0, KeyState.UNAUTHORIZED: 1}


def test_secrets_show_nowhere() -> None:
    """Not in a repr of any of it."""
    keys = pool()
    assert not any(secret in repr((keys, keys._keys, walk(keys).expected())) for secret in SECRETS)


def test_a_connection_holds_on_to_its_key() -> None:
    """Its requests get no other; what happens to the key is known to everybody, and the other way round."""
    told: list[KeyEvent] = []
    keys = pool(told=told)
    way = walk(keys)
    secret = way.take(0).secret
    held = way.held()
    way.leave()
    assert held.alone.pick("any", 0) is keys.pick("s-1", 0)
    held.refused(403, 30, 0)
    assert not held.is_outdone(0)
    held.refused(429, 30, 0)
    assert [event.state for event in told if isinstance(event, KeyRests)] == [KeyState.RATE_LIMITED]
    assert held.is_outdone(1) and not held.is_outdone(31)
    assert held.alone.pick("any", 1) is None
    with pytest.raises(KeysRateLimited):
        walk(held.alone).take(1)
    other = keys.pick("s-1", 1)
    assert other is not None and other.secret != secret
    keys.rest(other, KeyState.UNAUTHORIZED, 30, 1)
    assert not held.is_outdone(2)
