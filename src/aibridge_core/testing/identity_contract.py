"""The contract of an identity store, as tests. Subclass `IdentityContract` as `storage_contract` says.

Belongs here: users and tokens. Never: hashing, caching, requests.
"""

from datetime import timedelta
from typing import Any

import anyio
import attrs
import pytest

from aibridge_core.actors import Role
from aibridge_core.identity import AlreadyExists, ApiToken, NotFound, User
from aibridge_core.records import InterceptionFilter
from aibridge_core.testing.contract.base import ContractBase, OpenStorage, StorageUnderTest, completed
from aibridge_core.testing.samples import ANN, Samples


def a_user(samples: Samples, username: str, **changes: Any) -> User:
    """A user with an id of its own."""
    return attrs.evolve(User(id=samples.new_id(), username=username, created_at=samples.clock.turn(1)), **changes)


def a_token(samples: Samples, user: User, name: str, **changes: Any) -> ApiToken:
    """A token of that user's."""
    plain = ApiToken(
        id=samples.new_id(), user_id=user.id, name=name, digest=bytes(range(32)), created_at=samples.clock.turn(1)
    )
    return attrs.evolve(plain, **changes)


class IdentityContract(ContractBase):
    """The IdentityStore port."""

    async def test_users_are_kept(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A user is found by id and by username, with every field."""
        ann = a_user(samples, "ann", name="Ann Ö.", role=Role.AUDITOR, suspended=True)
        ben = a_user(samples, "ben@example.com")
        for user in (ben, ann):
            await storage.identity.add_user(user)
        assert await storage.identity.find_user(ann.id) == ann
        assert await storage.identity.find_user("ann") == ann
        assert await storage.identity.find_user("ben@example.com") == ben
        assert list(await storage.identity.users()) == [ann, ben]

    async def test_unknown_users(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Nobody is found by a wrong case, a part or nothing."""
        await storage.identity.add_user(a_user(samples, "ann"))
        assert [await storage.identity.find_user(text) for text in ("ANN", "an", "", "%")] == [None] * 4

    async def test_an_id_goes_before_a_username(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Whoever takes another's id for a username does not become them."""
        ann = a_user(samples, "ann")
        await storage.identity.add_user(ann)
        await storage.identity.add_user(a_user(samples, ann.id))
        assert await storage.identity.find_user(ann.id) == ann

    async def test_usernames_are_unique(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A username, and an id, can be taken once; refusing changes nothing."""
        ann, ben = a_user(samples, "ann"), a_user(samples, "ben")
        await storage.identity.add_user(ann)
        await storage.identity.add_user(ben)
        for clash in (a_user(samples, "ann"), attrs.evolve(ann, username="other")):
            with pytest.raises(AlreadyExists):
                await storage.identity.add_user(clash)
        with pytest.raises(AlreadyExists):
            await storage.identity.update_user(attrs.evolve(ben, username="ann"))
        assert list(await storage.identity.users()) == [ann, ben]

    async def test_one_of_many_gets_the_name(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Of users that are added with one name at the same time, one is kept and the others are refused."""
        refused = []

        async def add(user: User) -> None:
            try:
                await storage.identity.add_user(user)
            except AlreadyExists:
                refused.append(user)

        async with anyio.create_task_group() as tasks:
            for user in [a_user(samples, "ann") for _ in range(10)]:
                tasks.start_soon(add, user)
        assert (len(refused), len(await storage.identity.users())) == (9, 1)

    async def test_users_change(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Every field but the id can change."""
        ann = a_user(samples, "ann")
        await storage.identity.add_user(ann)
        changed = attrs.evolve(ann, username="anna", name="Anna", role=Role.ADMIN, suspended=True)
        await storage.identity.update_user(changed)
        assert await storage.identity.find_user(ann.id) == changed
        assert await storage.identity.find_user("ann") is None
        with pytest.raises(NotFound):
            await storage.identity.update_user(a_user(samples, "nobody"))

    async def test_users_go_with_their_tokens(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Removing a user removes their tokens and no others', and leaves the trail."""
        ann, ben = a_user(samples, "ann", id=ANN.id), a_user(samples, "ben")
        for user in (ann, ben):
            await storage.identity.add_user(user)
        gone, kept = a_token(samples, ann, "laptop"), a_token(samples, ben, "laptop")
        for token in (gone, kept):
            await storage.identity.add_token(token)
        await completed(storage, samples, initiator=ANN)
        await storage.identity.remove_user(ann.id)
        assert list(await storage.identity.tokens()) == [kept]
        assert await storage.identity.find_token(gone.id) is None
        assert await storage.store.count(InterceptionFilter(initiator_id=ann.id)) == 1
        with pytest.raises(NotFound):
            await storage.identity.remove_user(ann.id)

    async def test_tokens_are_kept(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A token is found by its id, with every field, and with its user."""
        ann = a_user(samples, "ann")
        await storage.identity.add_user(ann)
        soon = samples.clock.now() + timedelta(days=30)
        full = a_token(samples, ann, "laptop", expires_at=soon, last_used_at=samples.clock.now())
        plain = a_token(samples, ann, "ci", digest=bytes(32))
        for token in (plain, full):
            await storage.identity.add_token(token)
        assert await storage.identity.find_token(full.id) == (full, ann)
        assert await storage.identity.find_token(plain.id) == (plain, ann)
        assert await storage.identity.find_token("laptop") is None
        assert list(await storage.identity.tokens()) == [full, plain]

    async def test_tokens_of_one_user(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Tokens are listed by time, of one user or of all."""
        ann, ben = a_user(samples, "ann"), a_user(samples, "ben")
        tokens = [a_token(samples, user, name) for name in ("b", "a") for user in (ann, ben)]
        for user in (ann, ben):
            await storage.identity.add_user(user)
        for token in reversed(tokens):
            await storage.identity.add_token(token)
        assert list(await storage.identity.tokens()) == tokens
        assert list(await storage.identity.tokens(ann.id)) == [tokens[0], tokens[2]]
        assert list(await storage.identity.tokens("nobody")) == []

    async def test_token_names_are_unique_for_a_user(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A user has one token of a name; another user may have one too; nobody unknown has any."""
        ann, ben = a_user(samples, "ann"), a_user(samples, "ben")
        for user in (ann, ben):
            await storage.identity.add_user(user)
        first = a_token(samples, ann, "laptop")
        await storage.identity.add_token(first)
        for clash in (a_token(samples, ann, "laptop"), a_token(samples, ann, "other", id=first.id)):
            with pytest.raises(AlreadyExists):
                await storage.identity.add_token(clash)
        await storage.identity.add_token(a_token(samples, ben, "laptop"))
        with pytest.raises(NotFound):
            await storage.identity.add_token(a_token(samples, a_user(samples, "nobody"), "laptop"))
        assert len(await storage.identity.tokens()) == 2

    async def test_tokens_are_revoked(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A removed token is gone at once, and its name is free again."""
        ann = a_user(samples, "ann")
        await storage.identity.add_user(ann)
        token = a_token(samples, ann, "laptop")
        await storage.identity.add_token(token)
        await storage.identity.remove_token(token.id)
        assert await storage.identity.find_token(token.id) is None
        with pytest.raises(NotFound):
            await storage.identity.remove_token(token.id)
        await storage.identity.add_token(a_token(samples, ann, "laptop"))

    async def test_the_last_use_is_noted(self, storage: StorageUnderTest, samples: Samples) -> None:
        """The latest use counts, whatever order uses are told in; unknown tokens are no error."""
        ann = a_user(samples, "ann")
        await storage.identity.add_user(ann)
        token = a_token(samples, ann, "laptop")
        await storage.identity.add_token(token)
        used, later = samples.clock.turn(60), samples.clock.turn(60)
        for moment in (used, later, used):
            await storage.identity.touch_token(token.id, moment)
        await storage.identity.touch_token("unknown", later)
        assert await storage.identity.find_token(token.id) == (attrs.evolve(token, last_used_at=later), ann)

    async def test_identity_is_there_when_opened_again(self, open_storage: OpenStorage, samples: Samples) -> None:
        """Another process on the database sees a user at once, and when it is opened again."""
        ann = a_user(samples, "ann")
        async with open_storage("gateway-1") as one, open_storage("gateway-2") as other:
            await one.identity.add_user(ann)
            assert await other.identity.find_user("ann") == ann
        async with open_storage("gateway-3") as again:
            assert list(await again.identity.users()) == [ann]
