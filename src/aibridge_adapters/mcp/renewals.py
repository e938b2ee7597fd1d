"""Renews users' tokens: each once, however many requests and gateways need it.

Belongs here: who renews, and that what was renewed is kept. Never: the request itself (`renewer`).

Authorization servers give a refresh token once and take a second use for theft (OAuth 2.1, section 4.3.1). So a process
first claims the right to use it, by a change of the row that only one can make; the others wait for what comes of it.
"""

import logging
from datetime import timedelta
from typing import Final

import anyio
from attrs import Factory, define, evolve, frozen

from aibridge_adapters.mcp.errors import Refused, Unavailable
from aibridge_adapters.mcp.renewer import Renewer
from aibridge_adapters.mcp.tasks import Tasks
from aibridge_adapters.mcp.tokens import Fresh, Held
from aibridge_adapters.mcp.wallet import Keeping
from aibridge_core.errors import StoreUnavailable
from aibridge_core.ports import Clock
from aibridge_core.tool_credentials import ToolCredential

CLAIM: Final = 30.0
"""Seconds that a process has to renew; longer than it waits for an answer. One that died holds it no longer."""
LOOK_AGAIN: Final = 0.2
"""Seconds between two looks at what another process is renewing."""
LOOKS: Final = 200
"""How many; somewhat longer than a claim."""
KEEPING_PAUSES: Final = (0.2, 1.0, 5.0)
"""Seconds between tries to keep a renewed token: if it is lost, the user has to log in again."""

_log = logging.getLogger("aibridge.mcp")


@define
class _Flight:
    """A renewal under way."""

    over: anyio.Event = Factory(anyio.Event)
    held: Held | None = None
    error: Unavailable | None = None


@frozen
class Renewals:
    """Belongs to one event loop. A renewal outlives whoever asked for it."""

    _keeping: Keeping
    _renewer: Renewer
    _clock: Clock
    _tasks: Tasks
    _flights: dict[tuple[str, str], _Flight] = Factory(dict)

    async def instead_of(self, stale: Held) -> Held:
        """Another token than this one. Raises Refused if there is none to be had, Unavailable if not now."""
        place = (stale.credential.user_id, stale.credential.server)
        flight = self._flights.get(place)
        if flight is None:
            flight = self._flights[place] = _Flight()
            self._tasks.start(self._fly(place, flight, stale))
        await flight.over.wait()
        if flight.held is None:
            raise flight.error or Unavailable("the renewal of the user's token was broken off")
        return flight.held

    async def _fly(self, place: tuple[str, str], flight: _Flight, stale: Held) -> None:
        try:
            flight.held = await self._other_than(stale)
        except Unavailable as error:
            flight.error = error
        except StoreUnavailable:
            flight.error = Unavailable("the database with the users' tokens does not answer")
        finally:
            del self._flights[place]
            flight.over.set()

    async def _other_than(self, stale: Held) -> Held:
        for _ in range(LOOKS):
            held = await self._now(stale.credential)
            if held.credential.sealed != stale.credential.sealed:
                return held
            if held.token.renewal is None:
                raise Refused("it refuses the user's token, which can't be renewed")
            claimed = held.credential.claimed_until
            if claimed is not None and claimed > self._clock.now():
                await anyio.sleep(LOOK_AGAIN)
            elif (mine := await self._claimed(held.credential)) is not None:
                return await self._renewed(evolve(held, credential=mine))
        raise Unavailable("another gateway is renewing the user's token")

    async def _now(self, known: ToolCredential) -> Held:
        found = await self._keeping.store.find([known.user_id])
        credential = next((each for each in found if each.server == known.server), None)
        if credential is None:
            raise Refused("the user's token was removed")
        return Held(credential=credential, token=self._keeping.seals.open(credential))

    async def _claimed(self, credential: ToolCredential) -> ToolCredential | None:
        until = self._clock.now() + timedelta(seconds=CLAIM)
        mine = _next(credential, claimed_until=until)
        return mine if await self._keeping.store.replace(mine) else None

    async def _renewed(self, held: Held) -> Held:
        try:
            fresh = await self._renewer.renew(held.token)
        except Unavailable:
            await self._keeping.store.replace(_next(held.credential, claimed_until=None))
            raise
        return await self._kept(held.credential, fresh)

    async def _kept(self, credential: ToolCredential, fresh: Fresh) -> Held:
        sealed = self._keeping.seals.seal(fresh.token, user_id=credential.user_id, server=credential.server)
        renewed = _next(credential, sealed=sealed, expires_at=fresh.expires_at, claimed_until=None)
        for pause in (*KEEPING_PAUSES, None):
            try:
                if await self._keeping.store.replace(renewed):
                    return Held(credential=renewed, token=fresh.token)
                return await self._now(credential)  # removed, replaced, or kept by a try whose answer was lost
            except StoreUnavailable:
                if pause is None:
                    break
                await anyio.sleep(pause)
        _log.error(
            "a renewed token could not be kept; its user may have to log in again", extra={"server": credential.server}
        )
        raise Unavailable("the user's renewed token could not be kept")


def _next(credential: ToolCredential, **changes: object) -> ToolCredential:
    return evolve(credential, revision=credential.revision + 1, **changes)  # type: ignore[arg-type]
