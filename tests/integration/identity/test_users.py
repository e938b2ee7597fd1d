"""Managing users and tokens, over a store in memory."""

from datetime import timedelta

import pytest

from aibridge_adapters.identity import Users
from aibridge_core.actors import Role
from aibridge_core.identity import AlreadyExists, Invalid, NotFound
from aibridge_core.testing.clock import FakeClock

pytestmark = pytest.mark.anyio


async def test_a_user_is_found_by_name_and_by_id(users: Users) -> None:
    """Filters such as `initiator:ann` rely on it."""
    ann = await users.create("ann", name="Ann Lee")

    assert await users.find_user("ann") == await users.find_user(ann.id) == ann.id
    assert await users.find_user("bob") is None
    assert (ann.role, ann.suspended) == (Role.MEMBER, False)


@pytest.mark.parametrize("username", ["a", "ann.lee-2_x@example.com", "A" * 64])
async def test_usernames_that_are_fine(users: Users, username: str) -> None:
    """Mail addresses too."""
    assert (await users.create(username)).username == username


@pytest.mark.parametrize(
    "username",
    ["", "a b", "ann:x", "é", "A" * 65, "ann\n", "ann/x", "me", "77d6ad3c-0b0f-4bc9-b0c8-a5f9a3a2b1c0",
     "77d6ad3c0b0f4bc9b0c8a5f9a3a2b1c0"],
)  # fmt: skip
async def test_usernames_that_could_be_mistaken(users: Users, username: str) -> None:
    """Nothing that breaks a filter, and nobody who could be taken for somebody else's id or for oneself."""
    with pytest.raises(Invalid):
        await users.create(username)
    assert await users.all() == []


@pytest.mark.parametrize("name", ["x" * 256, "Ann\x1b[2J", "Ann\u202eeeL"])
async def test_display_names_are_short_and_plain(users: Users, name: str) -> None:
    """They are shown on terminals."""
    with pytest.raises(Invalid):
        await users.create("ann", name=name)


async def test_a_username_is_taken_once(users: Users) -> None:
    """The second is told so."""
    await users.create("ann")
    with pytest.raises(AlreadyExists):
        await users.create("ann")


async def test_changes_of_a_user(users: Users) -> None:
    """Suspending, resuming and roles change nothing else."""
    ann = await users.create("ann", name="Ann Lee")
    assert (await users.suspend("ann")).suspended
    assert (await users.get(ann.id)).suspended
    assert not (await users.resume(ann.id)).suspended
    assert (await users.set_role("ann", Role.ADMIN)).role is Role.ADMIN
    assert await users.set_role("ann", Role.MEMBER) == ann


async def test_nobody(users: Users) -> None:
    """Every change of an unknown user says which one is missing."""
    for attempt in (users.get, users.suspend, users.resume, users.delete, users.tokens):
        with pytest.raises(NotFound, match="'bob'"):
            await attempt("bob")
    with pytest.raises(NotFound):
        await users.create_token("bob", name="laptop")


async def test_deleting_takes_the_tokens_along(users: Users) -> None:
    """A name that comes back has none of the old tokens."""
    await users.create("ann")
    await users.create_token("ann", name="laptop")
    await users.delete("ann")
    await users.create("ann")

    assert await users.tokens() == []


async def test_tokens_are_listed_per_user_or_all(users: Users, clock: FakeClock) -> None:
    """Oldest first."""
    for username in ("ann", "bob"):
        await users.create(username)
        await users.create_token(username, name="laptop")
        clock.turn(1)
    await users.create_token("ann", name="ci")

    assert [token.name for token in await users.tokens("ann")] == ["laptop", "ci"]
    assert len(await users.tokens()) == 3


async def test_a_token_name_is_taken_once_per_user(users: Users) -> None:
    """Two users may each have a laptop."""
    for username in ("ann", "bob"):
        await users.create(username)
        await users.create_token(username, name="laptop")
    with pytest.raises(AlreadyExists):
        await users.create_token("ann", name="laptop")


async def test_a_token_cannot_begin_expired(users: Users, clock: FakeClock) -> None:
    """A mistyped year is noticed now, not by the first refused client."""
    await users.create("ann")
    for past in (clock.now(), clock.now() - timedelta(days=1)):
        with pytest.raises(Invalid):
            await users.create_token("ann", name="laptop", expires_at=past)


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb"])
async def test_token_names_are_short_and_plain(users: Users, name: str) -> None:
    """And never empty."""
    await users.create("ann")
    with pytest.raises(Invalid):
        await users.create_token("ann", name=name)


@pytest.mark.parametrize("way", ["id", "name", "text"])
async def test_a_token_is_revoked_by_whatever_is_at_hand(users: Users, way: str) -> None:
    """Its id, its owner and name, or the whole text of a leaked one."""
    await users.create("ann")
    kept = await users.create_token("ann", name="ci")
    made = await users.create_token("ann", name="my/laptop")

    revoked = await users.revoke({"id": made.token.id, "name": "ann/my/laptop", "text": made.text}[way])

    assert revoked.id == made.token.id
    assert [token.id for token in await users.tokens()] == [kept.token.id]


@pytest.mark.parametrize("which", ["0123456789", "ann/ci", "aib_0123456789_" + "s" * 43, ""])
async def test_a_token_that_is_not_there(users: Users, which: str) -> None:
    """The message never repeats what may be a secret."""
    await users.create("ann")
    with pytest.raises(NotFound) as error:
        await users.revoke(which)
    assert "s" * 43 not in str(error.value)
