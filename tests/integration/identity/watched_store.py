"""An identity store that counts what it is asked, and can be slow or away."""

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime

import anyio

from aibridge_core.errors import StoreUnavailable
from aibridge_core.identity import ApiToken, User
from aibridge_core.testing.memory_identity import MemoryIdentityStore


async def _at_once() -> None:
    await anyio.lowlevel.checkpoint()


class WatchedStore(MemoryIdentityStore):
    """The store in memory, with what a test wants to see of its reading side."""

    __setattr__ = object.__setattr__  # the store itself is frozen; what a test turns here is not

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()
        self.away = False
        self.before_answer: Callable[[], Awaitable[None]] = _at_once
        """Awaited inside every look-up."""

    async def find_token(self, token_id: str) -> tuple[ApiToken, User] | None:
        await self._visit("find_token")
        return await super().find_token(token_id)

    async def find_user(self, text: str) -> User | None:
        await self._visit("find_user")
        return await super().find_user(text)

    async def touch_token(self, token_id: str, used_at: datetime) -> None:
        await self._visit("touch_token")
        await super().touch_token(token_id, used_at)

    async def _visit(self, name: str) -> None:
        self.asked[name] += 1
        await self.before_answer()
        if self.away:
            raise StoreUnavailable("the database is away")
