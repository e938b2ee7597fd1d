"""Who has a token for which server: what the storage says, remembered for a moment.

Belongs here: asking, remembering, and noticing changes. Never: sessions, renewal.

What is remembered is trusted for `remembered` seconds from before the storage was asked, so that a token that was taken
away is not used longer than that. While the storage doesn't answer it is trusted for `grace` seconds instead.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from attrs import frozen

from aibridge_adapters.mcp.errors import Unavailable
from aibridge_adapters.mcp.seals import Seals
from aibridge_adapters.mcp.tokens import Held
from aibridge_core.errors import StoreUnavailable
from aibridge_core.ports import Clock
from aibridge_core.tool_credentials import ToolCredential, ToolCredentials

REMEMBERED: Final = 5.0
"""Seconds; so long a token may still be used after it was taken away."""
MOST_KNOWN: Final = 10_000
"""Users; beyond, all are asked for again."""
HAS_NONE: Final = "the user has no token for it"

Pocket = Mapping[str, Held | str]
"""By server: the token, or why it can't be used. A server that is missing: the user has none."""


@frozen(kw_only=True)
class Keeping:
    """Where tokens are kept, and how."""

    store: ToolCredentials
    seals: Seals
    deadline: float | None = None
    """Longest wait for the storage, in seconds."""
    grace: float = 0.0
    """How long tokens are trusted without the storage, in seconds."""


@frozen(kw_only=True)
class _Known:
    pocket: Pocket
    asked_at: float


class Wallet:
    """The tokens of all users. `changed` gets the id of a user who has others than before."""

    def __init__(
        self,
        keeping: Keeping,
        urls: Mapping[str, str],
        clock: Clock,
        *,
        changed: Callable[[str], None] = lambda _: None,
        remembered: float = REMEMBERED,
    ) -> None:
        """`urls`: where each server is; a token that was given for another place is not used."""
        self._keeping = keeping
        self._urls = urls
        self._clock = clock
        self._changed = changed
        self._remembered = remembered
        self._known: dict[str, _Known] = {}
        self._refused: dict[tuple[str, str], bytes] = {}

    def knows(self, user_id: str) -> bool:
        """Whether `pocket` would answer without waiting."""
        return self._age(user_id) < self._remembered

    async def pocket(self, user_id: str) -> Pocket:
        """All that this user has. Raises Unavailable."""
        if not self.knows(user_id):
            try:
                await self.look(user_id)
            except StoreUnavailable as error:
                if self._age(user_id) >= self._keeping.grace:
                    raise Unavailable("the database with the users' tokens does not answer") from error
        return self.remembered(user_id)

    def remembered(self, user_id: str) -> Pocket:
        """What was known last; empty if nothing was."""
        known = self._known.get(user_id)
        return known.pocket if known else {}

    async def held(self, user_id: str, server: str) -> Held:
        """This user's token for this server. Raises Unavailable."""
        found = (await self.pocket(user_id)).get(server, HAS_NONE)
        if isinstance(found, str):
            raise Unavailable(found)
        return found

    async def look(self, *user_ids: str) -> None:
        """Ask the storage about these users now. Raises StoreUnavailable."""
        asked_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._keeping.deadline):
                found = await self._keeping.store.find(user_ids)
        except TimeoutError as error:
            raise StoreUnavailable("the database does not answer") from error
        for user_id in user_ids:
            self._learn(user_id, [each for each in found if each.user_id == user_id], asked_at)

    def refuse(self, held: Held) -> None:
        """The server doesn't take this token: don't use it, until it is another."""
        credential = held.credential
        if len(self._refused) >= MOST_KNOWN:
            self._refused.clear()
        self._refused[credential.user_id, credential.server] = credential.sealed
        self._keep(credential.user_id, {credential.server: "the server refuses the user's token"})

    def take(self, held: Held) -> None:
        """A token was renewed."""
        self._keep(held.credential.user_id, {held.credential.server: held})

    def _learn(self, user_id: str, found: Collection[ToolCredential], asked_at: float) -> None:
        before = self._known.get(user_id)
        if before is not None and before.asked_at > asked_at:
            return  # somebody who asked later has had an answer sooner
        known = before.pocket if before else {}
        pocket = {each.server: self._opened(each, known.get(each.server)) for each in found}
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[user_id] = _Known(pocket=pocket, asked_at=asked_at)
        if before is None or _grants(pocket) != _grants(before.pocket):
            self._changed(user_id)

    def _opened(self, credential: ToolCredential, known: Held | str | None) -> Held | str:
        place = (credential.user_id, credential.server)
        if self._refused.get(place) == credential.sealed:
            return "the server refuses the user's token"
        self._refused.pop(place, None)
        if isinstance(known, Held) and known.credential == credential:
            return known
        try:
            token = self._keeping.seals.open(credential)
        except Unavailable as error:
            return str(error)
        if token.url != self._urls.get(credential.server, token.url):
            return "the user's token was given for another address of this server"
        return Held(credential=credential, token=token)

    def _keep(self, user_id: str, news: Mapping[str, Held | str]) -> None:
        before = self._known.get(user_id)
        if before is None:
            return
        self._known[user_id] = _Known(pocket={**before.pocket, **news}, asked_at=before.asked_at)
        if _grants(self._known[user_id].pocket) != _grants(before.pocket):
            self._changed(user_id)

    def _age(self, user_id: str) -> float:
        known = self._known.get(user_id)
        return self._clock.monotonic() - known.asked_at if known else float("inf")


def _grants(pocket: Pocket) -> Sequence[tuple[str, str]]:
    """What would have to change for a user to have other servers; a renewed token is the same grant."""
    return sorted((server, held.credential.id) for server, held in pocket.items() if isinstance(held, Held))
