"""The bundled authenticator over a store in memory, with time turned by hand."""

from datetime import timedelta

import anyio
import pytest

from aibridge_adapters.identity import StoredAuthenticator, Users, ensure_bootstrap_admin
from aibridge_adapters.identity.authenticator import REFUSAL
from aibridge_adapters.identity.bootstrap import BOOTSTRAP_USERNAME
from aibridge_core.actors import Role
from aibridge_core.errors import IdentityUnavailable, StoreUnavailable, Unauthenticated
from aibridge_core.testing.clock import FakeClock
from integration.identity.watched_store import WatchedStore

pytestmark = pytest.mark.anyio

BOOTSTRAP = "bootstrap-secret-of-automation"


async def _ann(users: Users, **token: timedelta) -> str:
    """Ann, an auditor, and the text of her token; `expires_in` from now."""
    ann = await users.create("ann", name="Ann Lee", role=Role.AUDITOR)
    expires_in = token.get("expires_in")
    expires_at = ann.created_at + expires_in if expires_in else None
    return (await users.create_token("ann", name="laptop", expires_at=expires_at)).text


async def test_a_token_stands_for_its_user(authenticator: StoredAuthenticator, users: Users) -> None:
    """The actor carries who, what role, and the public id of the token."""
    text = await _ann(users)

    actor = await authenticator.authenticate(text)

    assert (actor.username, actor.name, actor.role) == ("ann", "Ann Lee", Role.AUDITOR)
    assert actor.id == await users.find_user("ann")
    assert actor.api_key_id == text.split("_")[1]


async def test_every_refusal_says_the_same(authenticator: StoredAuthenticator, users: Users, clock: FakeClock) -> None:
    """Malformed, unknown, wrong secret, expired, revoked and suspended can't be told apart from outside."""
    good = await _ann(users)
    expired = (await users.create_token("ann", name="old", expires_at=clock.now() + timedelta(seconds=1))).text
    revoked = (await users.create_token("ann", name="lost")).text
    await users.revoke("ann/lost")
    await users.create("bob")
    suspended = (await users.create_token("bob", name="laptop")).text
    await users.suspend("bob")
    clock.turn(1)
    wrong_secret = good[:-1] + ("a" if good[-1] != "a" else "b")
    unknown = "aib_0000000000_" + good.split("_")[2]

    said = set()
    for text in ["", "sk-ant-123", "\ud800", unknown, wrong_secret, expired, revoked, suspended]:
        with pytest.raises(Unauthenticated) as refusal:
            await authenticator.authenticate(text)
        said.add(refusal.value.message)

    assert said == {REFUSAL}
    assert "aibridge tokens create" in REFUSAL


async def test_a_token_is_looked_up_once_per_five_seconds(
    authenticator: StoredAuthenticator, users: Users, store: WatchedStore, clock: FakeClock
) -> None:
    """Requests in between cost no query."""
    text = await _ann(users)
    for _ in range(10):
        await authenticator.authenticate(text)
    assert store.asked["find_token"] == 1

    clock.turn(4.999)
    await authenticator.authenticate(text)
    assert store.asked["find_token"] == 1

    clock.turn(0.001)
    await authenticator.authenticate(text)
    assert store.asked["find_token"] == 2


@pytest.mark.parametrize("change", ["suspend", "delete", "revoke"])
async def test_a_withdrawal_acts_within_five_seconds(
    authenticator: StoredAuthenticator, users: Users, clock: FakeClock, change: str
) -> None:
    """However often the token is used meanwhile."""
    text = await _ann(users)
    await authenticator.authenticate(text)
    clock.turn(1)
    await {"suspend": users.suspend, "delete": users.delete, "revoke": users.revoke}[change](
        "ann/laptop" if change == "revoke" else "ann"
    )

    for _ in range(4):
        await authenticator.authenticate(text)
        clock.turn(1)

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(text)


async def test_a_revocation_during_a_slow_look_up_is_not_remembered_longer(
    authenticator: StoredAuthenticator, users: Users, store: WatchedStore, clock: FakeClock
) -> None:
    """The five seconds count from when the question was asked."""
    text = await _ann(users)

    async def slow() -> None:
        clock.turn(4)

    store.before_answer = slow
    await authenticator.authenticate(text)
    await store.remove_token(text.split("_")[1])
    clock.turn(1)

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(text)


async def test_expiry_does_not_wait_for_the_cache(
    authenticator: StoredAuthenticator, users: Users, clock: FakeClock
) -> None:
    """A remembered token ends at its own time, to the moment."""
    text = await _ann(users, expires_in=timedelta(seconds=2))
    await authenticator.authenticate(text)
    clock.turn(1.999)
    await authenticator.authenticate(text)
    clock.turn(0.001)

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(text)


async def test_a_change_of_role_is_seen(authenticator: StoredAuthenticator, users: Users, clock: FakeClock) -> None:
    """What a user may read is as fresh as everything else."""
    text = await _ann(users)
    assert (await authenticator.authenticate(text)).reads_everything
    await users.set_role("ann", Role.MEMBER)
    clock.turn(5)

    assert not (await authenticator.authenticate(text)).reads_everything


async def test_refusals_are_remembered_for_a_second(
    authenticator: StoredAuthenticator, users: Users, store: WatchedStore, clock: FakeClock
) -> None:
    """A client that retries a bad token a thousand times costs one query a second; a resumed user waits no longer."""
    text = await _ann(users)
    await users.suspend("ann")
    for _ in range(1000):
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(text)
    assert store.asked["find_token"] == 1

    await users.resume("ann")
    clock.turn(1)
    await authenticator.authenticate(text)


async def test_malformed_tokens_never_reach_the_store(authenticator: StoredAuthenticator, store: WatchedStore) -> None:
    """Noise is refused by its shape."""
    for number in range(100):
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(f"sk-{number}")

    assert store.asked["find_token"] == 0


async def test_memory_is_bounded(users: Users, store: WatchedStore, clock: FakeClock) -> None:
    """The cache forgets the oldest token; it is looked up again."""
    authenticator = StoredAuthenticator(store, clock, cache_size=2)
    await users.create("ann")
    texts = [(await users.create_token("ann", name=f"t{number}")).text for number in range(3)]
    for text in texts:
        await authenticator.authenticate(text)

    await authenticator.authenticate(texts[2])
    await authenticator.authenticate(texts[1])
    assert store.asked["find_token"] == 3

    await authenticator.authenticate(texts[0])
    assert store.asked["find_token"] == 4


async def test_guesses_do_not_push_out_people(
    authenticator: StoredAuthenticator, users: Users, store: WatchedStore
) -> None:
    """A flood of well-formed wrong tokens leaves the remembered ones where they are."""
    text = await _ann(users)
    await authenticator.authenticate(text)
    for number in range(2000):
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(f"aib_{number:010}_{'x' * 43}")
    before = store.asked["find_token"]

    await authenticator.authenticate(text)

    assert store.asked["find_token"] == before


async def test_without_a_cache_every_request_asks(users: Users, store: WatchedStore, clock: FakeClock) -> None:
    """`cache_seconds=0` makes a withdrawal act on the next request."""
    authenticator = StoredAuthenticator(store, clock, cache_seconds=0)
    text = await _ann(users)
    await authenticator.authenticate(text)
    await users.suspend("ann")
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(text)
    await users.resume("ann")

    assert (await authenticator.authenticate(text)).username == "ann"


async def test_requests_at_the_same_time_share_one_look_up(
    authenticator: StoredAuthenticator, users: Users, store: WatchedStore
) -> None:
    """A hundred parallel requests of one token ask the store once."""
    text = await _ann(users)
    names: list[str] = []

    async def request() -> None:
        names.append((await authenticator.authenticate(text)).username)

    async with anyio.create_task_group() as requests:
        for _ in range(100):
            requests.start_soon(request)

    assert names == ["ann"] * 100
    assert store.asked["find_token"] == 1


async def test_a_cancelled_look_up_does_not_strand_the_others(
    authenticator: StoredAuthenticator, users: Users, store: WatchedStore
) -> None:
    """When the request that asks is gone, one of those that wait for it asks again."""
    text = await _ann(users)
    asking, go_on = anyio.Event(), anyio.Event()

    async def wait() -> None:
        asking.set()
        await go_on.wait()

    store.before_answer = wait
    names: list[str] = []

    async def follower() -> None:
        names.append((await authenticator.authenticate(text)).username)

    async with anyio.create_task_group() as followers:
        async with anyio.create_task_group() as leader:
            leader.start_soon(authenticator.authenticate, text)
            await asking.wait()
            followers.start_soon(follower)
            followers.start_soon(follower)
            await anyio.wait_all_tasks_blocked()
            leader.cancel_scope.cancel()
        go_on.set()

    assert names == ["ann", "ann"]
    assert store.asked["find_token"] == 2


async def test_a_dead_database_is_not_a_refusal(
    authenticator: StoredAuthenticator, users: Users, store: WatchedStore, clock: FakeClock
) -> None:
    """503, not 401: the token may well be good. Remembered tokens go on while they last; nothing is left behind."""
    text = await _ann(users)
    await authenticator.authenticate(text)
    store.away = True
    await authenticator.authenticate(text)
    clock.turn(5)
    with pytest.raises(IdentityUnavailable):
        await authenticator.authenticate(text)

    store.away = False
    assert (await authenticator.authenticate(text)).username == "ann"


async def test_waiting_requests_share_a_failure(
    authenticator: StoredAuthenticator, users: Users, store: WatchedStore
) -> None:
    """A dead database is asked once for all who wait, not once for each in turn."""
    text = await _ann(users)
    store.away = True

    async def request() -> None:
        with pytest.raises(IdentityUnavailable):
            await authenticator.authenticate(text)

    async with anyio.create_task_group() as requests:
        for _ in range(50):
            requests.start_soon(request)

    assert store.asked["find_token"] == 1


async def test_last_use_is_written_by_flush_alone_and_once_a_minute(
    authenticator: StoredAuthenticator, users: Users, store: WatchedStore, clock: FakeClock
) -> None:
    """No request waits for it."""
    text = await _ann(users)
    first = clock.now()
    await authenticator.authenticate(text)
    assert store.asked["touch_token"] == 0
    await authenticator.flush()
    assert (await users.tokens("ann"))[0].last_used_at == first

    for _ in range(11):
        clock.turn(5)
        await authenticator.authenticate(text)
        await authenticator.flush()
    assert store.asked["touch_token"] == 1

    clock.turn(5)
    await authenticator.authenticate(text)
    await authenticator.flush()
    assert (await users.tokens("ann"))[0].last_used_at == first + timedelta(minutes=1)


async def test_a_last_use_survives_a_dead_database(
    authenticator: StoredAuthenticator, users: Users, store: WatchedStore
) -> None:
    """What could not be written is written by the next flush."""
    await authenticator.authenticate(await _ann(users))
    store.away = True
    with pytest.raises(StoreUnavailable):
        await authenticator.flush()
    store.away = False
    await authenticator.flush()

    assert (await users.tokens("ann"))[0].last_used_at is not None


async def test_the_bootstrap_token_is_the_user_admin(
    authenticator: StoredAuthenticator, store: WatchedStore, clock: FakeClock, new_id
) -> None:
    """Its key id is recorded as `bootstrap`."""
    made = await ensure_bootstrap_admin(store, clock, new_id)

    actor = await authenticator.authenticate(BOOTSTRAP)

    assert (actor.id, actor.username, actor.role, actor.api_key_id) == (made.id, "admin", Role.ADMIN, "bootstrap")


async def test_an_admin_who_exists_is_left_as_they_are(
    authenticator: StoredAuthenticator, store: WatchedStore, users: Users, clock: FakeClock, new_id
) -> None:
    """A suspended or demoted admin isn't restored by a restart."""
    await users.create(BOOTSTRAP_USERNAME, role=Role.MEMBER)
    await users.suspend(BOOTSTRAP_USERNAME)

    user = await ensure_bootstrap_admin(store, clock, new_id)

    assert (user.role, user.suspended) == (Role.MEMBER, True)
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(BOOTSTRAP)


async def test_several_processes_may_make_the_admin_at_once(
    store: WatchedStore, users: Users, clock: FakeClock, new_id
) -> None:
    """One makes it, the others find it."""
    ids: list[str] = []

    async def start() -> None:
        ids.append((await ensure_bootstrap_admin(store, clock, new_id)).id)

    async with anyio.create_task_group() as processes:
        for _ in range(5):
            processes.start_soon(start)

    assert len(set(ids)) == 1
    assert [user.username for user in await users.all()] == ["admin"]


async def test_no_bootstrap_token_means_no_way_in(store: WatchedStore, users: Users, clock: FakeClock) -> None:
    """An empty setting is never matched by an empty or any other text."""
    await users.create("admin", role=Role.ADMIN)
    authenticator = StoredAuthenticator(store, clock, bootstrap_token="")
    for text in ["", BOOTSTRAP]:
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(text)
