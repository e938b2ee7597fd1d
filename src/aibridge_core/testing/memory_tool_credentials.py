"""Sealed credentials of users in memory.

Belongs here: what the contract of tool credentials says, in the plainest words. Never: opening what is sealed.
"""

from collections.abc import Collection, Sequence

from attrs import frozen

from aibridge_core.identity import NotFound, User
from aibridge_core.tool_credentials import ToolCredential


@frozen
class MemoryToolCredentials:
    """Implements `aibridge_core.tool_credentials.ToolCredentials`."""

    _users: dict[str, User]
    _kept: dict[tuple[str, str], ToolCredential]

    async def put(self, credential: ToolCredential) -> None:
        """Raises NotFound."""
        if credential.user_id not in self._users:
            raise NotFound(f"there is no user {credential.user_id}")
        self._kept[_place(credential)] = credential

    async def replace(self, credential: ToolCredential) -> bool:
        """Whether the revision before was there."""
        before = self._kept.get(_place(credential))
        if before is None or (before.id, before.revision) != (credential.id, credential.revision - 1):
            return False
        self._kept[_place(credential)] = credential
        return True

    async def find(self, user_ids: Collection[str] | None = None) -> Sequence[ToolCredential]:
        """By user, then server."""
        return [self._kept[place] for place in sorted(self._kept) if user_ids is None or place[0] in user_ids]

    async def remove(self, user_id: str, server: str) -> None:
        """Raises NotFound."""
        if self._kept.pop((user_id, server), None) is None:
            raise NotFound(f"there is no credential of {user_id} for {server}")


def _place(credential: ToolCredential) -> tuple[str, str]:
    return (credential.user_id, credential.server)
