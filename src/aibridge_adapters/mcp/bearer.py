"""The token of one user, for the requests of that user's session with one server.

Belongs here: which token goes with a request, and what becomes of one that is refused. Never: the requests.
"""

from collections import deque
from datetime import timedelta
from functools import partial
from typing import Final

from attrs import field, frozen

from aibridge_adapters.mcp.errors import Refused, Unavailable
from aibridge_adapters.mcp.events import Renewed, Tell
from aibridge_adapters.mcp.renewals import Renewals
from aibridge_adapters.mcp.tokens import Held
from aibridge_adapters.mcp.wallet import Wallet
from aibridge_core.ports import Clock

EARLY: Final = timedelta(seconds=30)
"""A token is renewed so long before it expires: clocks differ, and requests take their time."""

REMEMBERED: Final = 4
"""Tokens."""


@frozen(kw_only=True)
class UserBearer:
    """Implements `aibridge_adapters.mcp.wire.Bearer`."""

    user_id: str
    username: str
    server: str
    wallet: Wallet = field(repr=False)
    renewals: Renewals = field(repr=False)
    clock: Clock = field(repr=False)
    tell: Tell = field(repr=False)
    sent: deque[str] = field(repr=False, init=False, factory=partial(deque, maxlen=REMEMBERED))
    """What went out lately, for whoever must not show it."""

    async def current(self) -> str:
        """The user's token; a fresh one if it is about to expire. Raises Unavailable."""
        return self._noted(await self._current())

    async def other_than(self, refused: str) -> str:
        """What to try instead of a token that the server refused. Raises Unavailable."""
        held = await self._held()
        return self._noted(held if held.token.text != refused else await self._renewed(held))

    async def give_up(self, refused: str) -> None:
        """The server refuses even a fresh one. Raises Unavailable."""
        held = await self._held()
        if held.token.text == refused:
            self.wallet.refuse(held)

    async def _current(self) -> Held:
        held = await self._held()
        expires_at = held.credential.expires_at
        if expires_at is None or not held.credential.renewable or self.clock.now() < expires_at - EARLY:
            return held
        try:
            return await self._renewed(held)
        except Refused:
            raise
        except Unavailable:
            if self.clock.now() < expires_at:
                return held
            raise

    def _noted(self, held: Held) -> str:
        if held.token.text not in self.sent:
            self.sent.append(held.token.text)
        return held.token.text

    async def _held(self) -> Held:
        return await self.wallet.held(self.user_id, self.server)

    async def _renewed(self, held: Held) -> Held:
        begun, error = self.clock.monotonic(), ""
        try:
            fresh = await self.renewals.instead_of(held)
            self.wallet.take(fresh)
        except Unavailable as failure:
            error = str(failure)
            if isinstance(failure, Refused):
                self.wallet.refuse(held)
            raise
        finally:
            seconds = self.clock.monotonic() - begun
            if held.token.renewal is not None:
                self.tell(Renewed(server=self.server, user=self.username, seconds=seconds, error=error))
        return fresh
