"""Who is let in while the users' database is away."""

from datetime import timedelta

import anyio
import pytest

from aibridge_adapters.identity import StoredAuthenticator, Users
from aibridge_core.errors import IdentityUnavailable, Unauthenticated
from aibridge_core.testing.clock import FakeClock
from integration.identity.watched_store import WatchedStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def trusting(store: WatchedStore, clock: FakeClock) -> StoredAuthenticator:
    """Trusts a token for an hour without the database."""
    return StoredAuthenticator(store, clock, deadline=0.05, grace_seconds=3600.0)


async def _token(users: Users, clock: FakeClock, *, days: int = 30) -> str:
    await users.create("ann")
    return (await users.create_token("ann", name="laptop", expires_at=clock.now() + timedelta(days=days))).text


async def test_a_database_that_hangs_is_away(store: WatchedStore, users: Users, clock: FakeClock) -> None:
    """A look-up has a deadline, so that the request is refused in time."""
    token = await _token(users, clock)
    store.before_answer = anyio.sleep_forever
    with anyio.fail_after(1), pytest.raises(IdentityUnavailable):
        await StoredAuthenticator(store, clock, deadline=0.05).authenticate(token)


async def test_people_go_on(trusting: StoredAuthenticator, store: WatchedStore, users: Users, clock: FakeClock) -> None:
    """A token that was checked is trusted for an hour; one that was not is nobody's, but not refused for good."""
    token = await _token(users, clock)
    other = (await users.create_token("ann", name="other")).text
    ann = await trusting.authenticate(token)
    store.away = True
    clock.turn(3599)
    assert await trusting.authenticate(token) == ann
    with pytest.raises(IdentityUnavailable):
        await trusting.authenticate(other)
    clock.turn(1)
    with pytest.raises(IdentityUnavailable):
        await trusting.authenticate(token)


async def test_the_database_is_asked_every_few_seconds(
    trusting: StoredAuthenticator, store: WatchedStore, users: Users, clock: FakeClock
) -> None:
    """Not with every request; and as soon as it is back, it decides again."""
    token = await _token(users, clock)
    await trusting.authenticate(token)
    store.away = True
    clock.turn(60)
    store.asked.clear()
    for _ in range(10):
        await trusting.authenticate(token)
    assert store.asked["find_token"] == 1
    store.away = False
    await users.revoke("ann/laptop")
    clock.turn(5)
    with pytest.raises(Unauthenticated):
        await trusting.authenticate(token)
    store.away = True
    clock.turn(5)
    with pytest.raises(IdentityUnavailable):
        await trusting.authenticate(token)


async def test_an_expiry_acts_without_the_database(
    trusting: StoredAuthenticator, store: WatchedStore, users: Users, clock: FakeClock
) -> None:
    """Trust ends with the token, also when less than the grace has passed."""
    token = await _token(users, clock, days=1)
    clock.turn(86400 - 600)
    await trusting.authenticate(token)
    store.away = True
    clock.turn(599)
    await trusting.authenticate(token)
    clock.turn(1)
    with pytest.raises(IdentityUnavailable):
        await trusting.authenticate(token)


async def test_without_a_grace_nobody_is_trusted(
    authenticator: StoredAuthenticator, store: WatchedStore, users: Users, clock: FakeClock
) -> None:
    """The default: as soon as the cache has forgotten."""
    token = await _token(users, clock)
    await authenticator.authenticate(token)
    store.away = True
    clock.turn(5)
    with pytest.raises(IdentityUnavailable):
        await authenticator.authenticate(token)
