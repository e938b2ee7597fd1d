"""What an administrator does with users' tokens: set, remove, seal anew.

Belongs here: rules about tokens, and errors that say what to do. Never: where a token's text comes from, or printing.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from attrs import evolve, frozen

from aibridge_adapters.config import USER, McpServerSettings
from aibridge_adapters.mcp.errors import Unavailable
from aibridge_adapters.mcp.tokens import UserToken
from aibridge_adapters.mcp.wallet import Keeping
from aibridge_core.identity import Invalid, NotFound, User
from aibridge_core.ports import Clock, NewId
from aibridge_core.tool_credentials import ToolCredential

LONGEST: Final = 16 * 1024
"""Characters of a token; servers don't take longer headers."""
_TOKEN: Final = re.compile(r"[!-~]+")


@frozen(kw_only=True)
class Resealed:
    """What came of sealing all tokens anew."""

    count: int
    unreadable: tuple[ToolCredential, ...]
    """Sealed with keys that are not given, or changed by somebody."""


@frozen
class KeptTokens:
    """Raises IdentityError (`aibridge_core.identity`) for what isn't possible, StoreUnavailable."""

    _keeping: Keeping
    _clock: Clock
    _new_id: NewId

    async def set(
        self, user: User, server: McpServerSettings, token: UserToken, *, expires_at: datetime | None = None
    ) -> ToolCredential:
        """Keep a token in place of any other. Raises Invalid, NotFound."""
        check_text(token.text)
        credential = ToolCredential(
            id=self._new_id(),
            user_id=user.id,
            server=server.name,
            sealed=self._keeping.seals.seal(token, user_id=user.id, server=server.name),
            created_at=self._clock.now(),
            expires_at=expires_at,
            renewable=token.renewal is not None,
        )
        await self._keeping.store.put(credential)
        return credential

    async def reseal(self) -> Resealed:
        """Seal what older keys have sealed with the newest one. What changes meanwhile is sealed with it anyway."""
        count, unreadable = 0, []
        for credential in await self._keeping.store.find():
            if self._keeping.seals.is_newest(credential):
                continue
            try:
                token = self._keeping.seals.open(credential)
            except Unavailable:
                unreadable.append(credential)
                continue
            sealed = self._keeping.seals.seal(token, user_id=credential.user_id, server=credential.server)
            count += await self._keeping.store.replace(
                evolve(credential, sealed=sealed, revision=credential.revision + 1)
            )
        return Resealed(count=count, unreadable=tuple(unreadable))


def check_text(text: str) -> None:
    """Raises Invalid. The token isn't repeated."""
    if text.lower().startswith("bearer "):
        raise Invalid("leave the word Bearer out; the gateway adds it")
    if not _TOKEN.fullmatch(text) or len(text) > LONGEST:
        raise Invalid(f"a token is 1 to {LONGEST} visible ASCII characters without blanks")


def private_server(servers: Mapping[str, McpServerSettings], name: str) -> McpServerSettings:
    """The server with this name, if it wants a token of each user. Raises NotFound, Invalid."""
    server = servers.get(name)
    if server is None:
        known = ", ".join(each.name for each in servers.values() if each.auth == USER) or "none"
        raise NotFound(f"no MCP server {name!r} is configured; those with a token of each user are: {known}")
    if server.auth != USER:
        raise Invalid(
            f"MCP server {name!r} has auth = {server.auth}; only one with auth = user "
            "(AIBRIDGE_MCP_<N>_AUTH) takes tokens of users"
        )
    return server
