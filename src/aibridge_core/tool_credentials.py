"""What users are known by to MCP servers that want a credential of each, and the port that keeps it.

Belongs here: values and the port. Never: a credential in clear, which only the adapter that seals it ever holds.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from attrs import field, frozen


@frozen(kw_only=True)
class ToolCredential:
    """The credential of one user for one server, sealed. A user has at most one for a server."""

    id: str
    """Another one each time a credential is set; the same while it is only renewed."""
    user_id: str
    server: str
    """Configured name of the server."""
    sealed: bytes = field(repr=False)
    """Encrypted and authenticated together with user and server, so that it is worth nothing in another's row."""
    created_at: datetime
    """When it was set."""
    expires_at: datetime | None = None
    """Until when the server takes it, as far as is known."""
    renewable: bool = False
    """Whether the gateway can get a fresh one when it expires."""
    claimed_until: datetime | None = None
    """Until then one process is getting a fresh one, and the others wait: most servers give it once only."""
    revision: int = 0
    """Grows by one with every change of the same `id`."""


class ToolCredentials(Protocol):
    """Keeps sealed credentials of users. A storage may do without it; then servers that need them can't be used.

    Every method raises `aibridge_core.errors.StoreUnavailable`.
    """

    async def put(self, credential: ToolCredential) -> None:
        """Keep it, in place of any other of this user for this server.

        Raises `aibridge_core.identity.NotFound` if there is no such user.
        """
        ...

    async def replace(self, credential: ToolCredential) -> bool:
        """Keep it in place of the one with the same `id` and the `revision` before.

        False, and nothing changes, if that one is not there any more. Of several that try at once one succeeds.
        """
        ...

    async def find(self, user_ids: Collection[str] | None = None) -> Sequence[ToolCredential]:
        """Those of these users, or of all if None; by `user_id`, then `server`."""
        ...

    async def remove(self, user_id: str, server: str) -> None:
        """Raises `aibridge_core.identity.NotFound`. Removing a user removes all of theirs."""
        ...
