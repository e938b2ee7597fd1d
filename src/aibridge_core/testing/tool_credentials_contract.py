"""The contract of a store of tool credentials, as tests. Add `ToolCredentialsContract` to a storage's test class.

Belongs here: sealed values kept, replaced, found, removed. Never: sealing.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, Protocol

import anyio
import attrs
import pytest

from aibridge_core.identity import NotFound, User
from aibridge_core.testing.contract.base import StorageUnderTest
from aibridge_core.testing.identity_contract import a_user
from aibridge_core.testing.samples import Samples
from aibridge_core.tool_credentials import ToolCredential, ToolCredentials


class StorageWithCredentials(StorageUnderTest, Protocol):
    """A storage that keeps credentials of users for MCP servers."""

    @property
    def tool_credentials(self) -> ToolCredentials:
        """The part that keeps them."""


OpenWithCredentials = Callable[[str], AbstractAsyncContextManager[StorageWithCredentials]]
"""Opens the adapter for the process that the argument names."""


def a_credential(samples: Samples, user: User, server: str = "wiki", **changes: Any) -> ToolCredential:
    """Of that user for that server."""
    plain = ToolCredential(
        id=samples.new_id(),
        user_id=user.id,
        server=server,
        sealed=bytes(range(256)),
        created_at=samples.clock.turn(1),
    )
    return attrs.evolve(plain, **changes)


async def ann_in(storage: StorageWithCredentials, samples: Samples, username: str = "ann") -> User:
    """A user that the storage knows."""
    user = a_user(samples, username)
    await storage.identity.add_user(user)
    return user


class ToolCredentialsContract:
    """The ToolCredentials port. Storages that keep no credentials do without this suite."""

    async def test_credentials_are_kept(self, storage: StorageWithCredentials, samples: Samples) -> None:
        """Every field comes back, sealed bytes as they were; by user, then server."""
        ann, ben = await ann_in(storage, samples), await ann_in(storage, samples, "ben")
        plain = a_credential(samples, ann, "wiki")
        full = a_credential(
            samples,
            ann,
            "tickets",
            expires_at=samples.clock.turn(60),
            claimed_until=samples.clock.turn(30),
            renewable=True,
            revision=7,
        )
        of_ben = a_credential(samples, ben, "wiki", sealed=b"\x00other")
        for credential in (of_ben, plain, full):
            await storage.tool_credentials.put(credential)
        assert list(await storage.tool_credentials.find([ann.id])) == [full, plain]
        assert list(await storage.tool_credentials.find()) == [full, plain, of_ben]
        assert list(await storage.tool_credentials.find({ben.id, "somebody else"})) == [of_ben]
        assert list(await storage.tool_credentials.find([])) == []

    async def test_a_new_credential_takes_the_place(self, storage: StorageWithCredentials, samples: Samples) -> None:
        """Of the same user for the same server, whatever revision it had; others stay."""
        ann = await ann_in(storage, samples)
        old, other = a_credential(samples, ann, revision=5), a_credential(samples, ann, "tickets")
        new = a_credential(samples, ann, sealed=b"new")
        for credential in (old, other, new):
            await storage.tool_credentials.put(credential)
        assert list(await storage.tool_credentials.find([ann.id])) == [other, new]

    async def test_nobody_has_no_credentials(self, storage: StorageWithCredentials, samples: Samples) -> None:
        """What nobody could use, or remove, isn't kept."""
        nobody = a_user(samples, "nobody")
        with pytest.raises(NotFound):
            await storage.tool_credentials.put(a_credential(samples, nobody))
        with pytest.raises(NotFound):
            await storage.tool_credentials.remove(nobody.id, "wiki")
        assert list(await storage.tool_credentials.find()) == []

    async def test_only_the_next_revision_replaces(self, storage: StorageWithCredentials, samples: Samples) -> None:
        """A change that was made of an older one, or of another one, is refused, and nothing changes."""
        ann = await ann_in(storage, samples)
        first = a_credential(samples, ann)
        await storage.tool_credentials.put(first)
        later = samples.clock.turn(60)
        second = attrs.evolve(first, sealed=b"second", revision=1, expires_at=later, claimed_until=later)
        assert await storage.tool_credentials.replace(second)
        assert list(await storage.tool_credentials.find()) == [second]
        for wrong in (
            attrs.evolve(first, sealed=b"late", revision=1),
            attrs.evolve(second, sealed=b"early", revision=3),
            attrs.evolve(second, sealed=b"another", revision=2, id=samples.new_id()),
        ):
            assert not await storage.tool_credentials.replace(wrong)
        assert list(await storage.tool_credentials.find()) == [second]
        third = attrs.evolve(second, claimed_until=None, expires_at=None, renewable=True, revision=2)
        assert await storage.tool_credentials.replace(third)
        assert list(await storage.tool_credentials.find()) == [third]

    async def test_what_was_removed_is_not_replaced(self, storage: StorageWithCredentials, samples: Samples) -> None:
        """A renewal that ends after the credential was taken away doesn't bring it back."""
        ann = await ann_in(storage, samples)
        first = a_credential(samples, ann)
        await storage.tool_credentials.put(first)
        await storage.tool_credentials.remove(ann.id, "wiki")
        assert not await storage.tool_credentials.replace(attrs.evolve(first, revision=1))
        assert list(await storage.tool_credentials.find()) == []
        with pytest.raises(NotFound):
            await storage.tool_credentials.remove(ann.id, "wiki")

    async def test_one_of_many_replaces(self, open_storage: OpenWithCredentials, samples: Samples) -> None:
        """Of several processes that want to change the same revision one succeeds."""
        succeeded = []
        async with open_storage("gateway-1") as one, open_storage("gateway-2") as two:
            first = a_credential(samples, await ann_in(one, samples))
            await one.tool_credentials.put(first)

            async def replace(storage: StorageWithCredentials, sealed: bytes) -> None:
                if await storage.tool_credentials.replace(attrs.evolve(first, revision=1, sealed=sealed)):
                    succeeded.append(sealed)

            async with anyio.create_task_group() as tasks:
                for number in range(6):
                    tasks.start_soon(replace, (one, two)[number % 2], bytes([number]))
            assert [each.sealed for each in await two.tool_credentials.find()] == succeeded

    async def test_credentials_go_with_their_user(self, storage: StorageWithCredentials, samples: Samples) -> None:
        """And only with theirs."""
        ann, ben = await ann_in(storage, samples), await ann_in(storage, samples, "ben")
        kept = a_credential(samples, ben)
        for credential in (a_credential(samples, ann), a_credential(samples, ann, "tickets"), kept):
            await storage.tool_credentials.put(credential)
        await storage.identity.remove_user(ann.id)
        assert list(await storage.tool_credentials.find()) == [kept]
        await storage.identity.add_user(ann)
        assert list(await storage.tool_credentials.find([ann.id])) == []

    async def test_times_are_exact(self, storage: StorageWithCredentials, samples: Samples) -> None:
        """To the microsecond."""
        ann = await ann_in(storage, samples)
        exact = samples.clock.now() + timedelta(microseconds=123457)
        credential = a_credential(samples, ann, created_at=exact, expires_at=exact, claimed_until=exact)
        await storage.tool_credentials.put(credential)
        assert list(await storage.tool_credentials.find()) == [credential]
