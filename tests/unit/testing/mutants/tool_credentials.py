"""Mistakes about credentials of users for MCP servers."""

from collections.abc import Collection, Sequence

import anyio.lowlevel
import attrs

from aibridge_core.testing.memory_tool_credentials import MemoryToolCredentials
from aibridge_core.tool_credentials import ToolCredential
from unit.testing.mutants.mutant import Mutant


class LastReplaceWins(MemoryToolCredentials):
    async def replace(self, credential: ToolCredential) -> bool:
        place = (credential.user_id, credential.server)
        if place not in self._kept or self._kept[place].id != credential.id:
            return False
        self._kept[place] = credential
        return True


class ReplaceBringsBack(MemoryToolCredentials):
    async def replace(self, credential: ToolCredential) -> bool:
        if (credential.user_id, credential.server) not in self._kept:
            await self.put(credential)
        return await super().replace(credential)


class ReplaceRaces(MemoryToolCredentials):
    async def replace(self, credential: ToolCredential) -> bool:
        place = (credential.user_id, credential.server)
        there = place in self._kept and self._kept[place].revision == credential.revision - 1
        await anyio.lowlevel.checkpoint()
        if there:
            self._kept[place] = credential
        return there


class OfNobody(MemoryToolCredentials):
    async def put(self, credential: ToolCredential) -> None:
        self._kept[(credential.user_id, credential.server)] = credential


class FirstOneStays(MemoryToolCredentials):
    async def put(self, credential: ToolCredential) -> None:
        if (credential.user_id, credential.server) not in self._kept:
            await super().put(credential)


class EverybodysForNobody(MemoryToolCredentials):
    async def find(self, user_ids: Collection[str] | None = None) -> Sequence[ToolCredential]:
        return await super().find(user_ids or None)


class WholeSeconds(MemoryToolCredentials):
    async def put(self, credential: ToolCredential) -> None:
        await super().put(attrs.evolve(credential, created_at=credential.created_at.replace(microsecond=0)))


MUTANTS = (
    Mutant(
        mistake="the last replace wins",
        tool_credentials=LastReplaceWins,
        caught_by="test_only_the_next_revision_replaces",
    ),
    Mutant(
        mistake="a replace brings back",
        tool_credentials=ReplaceBringsBack,
        caught_by="test_what_was_removed_is_not_replaced",
    ),
    Mutant(mistake="replaces race", tool_credentials=ReplaceRaces, caught_by="test_one_of_many_replaces"),
    Mutant(mistake="credentials of nobody", tool_credentials=OfNobody, caught_by="test_nobody_has_no_credentials"),
    Mutant(
        mistake="the first one stays", tool_credentials=FirstOneStays, caught_by="test_a_new_credential_takes_the_place"
    ),
    Mutant(mistake="nobody is everybody", tool_credentials=EverybodysForNobody, caught_by="test_credentials_are_kept"),
    Mutant(mistake="whole seconds", tool_credentials=WholeSeconds, caught_by="test_times_are_exact"),
)
