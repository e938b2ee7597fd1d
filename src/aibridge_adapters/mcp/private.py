"""The links of users to servers that want a token of each: one link for each user and server, never shared.

Belongs here: which user has which link, and the end of links whose token is gone. Never: tokens in clear, calls.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, Protocol

import anyio
from attrs import evolve, frozen

from aibridge_adapters.config import EVERYBODY, McpServerSettings
from aibridge_adapters.mcp.bearer import UserBearer
from aibridge_adapters.mcp.errors import Unavailable
from aibridge_adapters.mcp.events import LeftOut
from aibridge_adapters.mcp.link import Link, Surroundings
from aibridge_adapters.mcp.renewals import Renewals
from aibridge_adapters.mcp.renewer import Renewer
from aibridge_adapters.mcp.tokens import Held
from aibridge_adapters.mcp.wallet import HAS_NONE, MOST_KNOWN, REMEMBERED, Keeping, Wallet
from aibridge_core.actors import Actor
from aibridge_core.errors import StoreUnavailable

LOOKS: Final = 2.5
"""How often, in the time that tokens are remembered, those of users who have links are looked at again; so that hardly
any request has to wait for the storage."""


def serves(server: McpServerSettings, username: str) -> bool:
    """Whether the settings give this user the server."""
    return EVERYBODY in server.users or username in server.users


class UserLinks(Protocol):
    """What `McpServers` needs of them."""

    def known(self, actor: Actor) -> bool:
        """Whether `of` would answer without waiting."""
        ...

    async def of(self, actor: Actor) -> Sequence[Link]:
        """Those of this user. Never raises."""
        ...

    async def link(self, actor: Actor, server: McpServerSettings) -> Link:
        """To a server that this user may have. Raises Unavailable if there is no token for it."""
        ...

    def close(self) -> None:
        """End all of them."""
        ...


@frozen
class NoUserLinks:
    """Where no server wants a token of each user."""

    def known(self, actor: Actor) -> bool:
        """There is nothing to ask."""
        return True

    async def of(self, actor: Actor) -> Sequence[Link]:
        """None."""
        return ()

    async def link(self, actor: Actor, server: McpServerSettings) -> Link:
        """Raises Unavailable."""
        raise Unavailable("there is no such server")

    def close(self) -> None:
        """Nothing to end."""


@frozen(kw_only=True)
class _Private:
    grant: str
    """Id of the credential that it was made for; a renewed one has the same."""
    link: Link


class PrivateLinks:
    """Links are made when their user is first offered tools, and forgotten when they rest."""

    def __init__(
        self,
        servers: Iterable[McpServerSettings],
        around: Surroundings,
        keeping: Keeping,
        forget: Callable[[str], None],
        *,
        remembered: float = REMEMBERED,
    ) -> None:
        """`forget` gets the id of a user whose tools are others than before."""
        self._servers = {server.name: server for server in servers}
        self._around = around
        self._forget = forget
        self._look_every = remembered / LOOKS
        urls = {server.name: server.url for server in self._servers.values()}
        self._wallet = Wallet(keeping, urls, around.clock, changed=self._sort_out, remembered=remembered)
        self._renewals = Renewals(keeping, Renewer(around.context, around.clock), around.clock, around.tasks)
        self._links: defaultdict[str, dict[str, _Private]] = defaultdict(dict)
        self._told: dict[tuple[str, str], str] = {}
        self._watching = False
        self._scope = anyio.CancelScope()

    def known(self, actor: Actor) -> bool:
        """Whether the wallet knows this user, or needn't."""
        return self._wallet.knows(actor.id) or not any(self._for(actor))

    async def of(self, actor: Actor) -> Sequence[Link]:
        """Links to the servers that this user has a token for; for the others the reason is told."""
        wanted = list(self._for(actor))
        if not wanted:
            return ()
        try:
            pocket = await self._wallet.pocket(actor.id)
        except Unavailable as error:
            pocket = {server.name: str(error) for server in wanted}
        found = [self._link(actor, server, pocket.get(server.name, HAS_NONE)) for server in wanted]
        return [link for link in found if link is not None]

    async def link(self, actor: Actor, server: McpServerSettings) -> Link:
        """Raises Unavailable if this user has no token for it."""
        link = self._link(actor, server, await self._wallet.held(actor.id, server.name))
        assert link is not None
        return link

    def close(self) -> None:
        """End all sessions, and stop looking."""
        self._scope.cancel()
        for links in self._links.values():
            for private in links.values():
                private.link.close()

    def _for(self, actor: Actor) -> Iterator[McpServerSettings]:
        return (server for server in self._servers.values() if serves(server, actor.username))

    def _link(self, actor: Actor, server: McpServerSettings, held: Held | str) -> Link | None:
        if isinstance(held, str):
            self._leave_out(actor.id, actor.username, server.name, held)
            return None
        self._told.pop((actor.id, server.name), None)
        private = self._links.get(actor.id, {}).get(server.name)
        if private is None or (private.grant, private.link.user) != (held.credential.id, actor.username):
            self._drop(actor.id, server.name, "the user's token is another now")
            private = _Private(grant=held.credential.id, link=self._new_link(actor, server))
            self._links[actor.id][server.name] = private
            self._watch()
        return private.link

    def _new_link(self, actor: Actor, server: McpServerSettings) -> Link:
        bearer = UserBearer(
            user_id=actor.id,
            username=actor.username,
            server=server.name,
            wallet=self._wallet,
            renewals=self._renewals,
            clock=self._around.clock,
            tell=self._around.tell,
        )
        around = evolve(self._around, changed=partial(self._forget, actor.id))
        return Link(server, around, user=actor.username, bearer=bearer)

    def _sort_out(self, user_id: str) -> None:
        """The user's tokens are others than before: end what they no longer allow."""
        self._forget(user_id)
        pocket = self._wallet.remembered(user_id)
        for server, private in list(self._links.get(user_id, {}).items()):
            held = pocket.get(server, HAS_NONE)
            if isinstance(held, str):
                self._leave_out(user_id, private.link.user, server, held)
                self._drop(user_id, server, held)
            elif held.credential.id != private.grant:
                self._drop(user_id, server, "the user's token is another now")

    def _drop(self, user_id: str, server: str, reason: str) -> None:
        links = self._links.get(user_id, {})
        if (private := links.pop(server, None)) is not None:
            private.link.retire(reason)
        if not links:
            self._links.pop(user_id, None)

    def _leave_out(self, user_id: str, username: str, server: str, reason: str) -> None:
        if self._told.get((user_id, server)) == reason:
            return
        if len(self._told) >= MOST_KNOWN:
            self._told.clear()
        self._told[user_id, server] = reason
        self._around.tell(LeftOut(server=server, user=username, reason=reason))

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            self._around.tasks.start(self._keep_looking())

    async def _keep_looking(self) -> None:
        """See what was taken away from users who have links, also while they ask for nothing."""
        with self._scope:
            while self._links:
                await anyio.sleep(self._look_every)
                self._drop_resting()
                try:
                    if self._links:
                        await self._wallet.look(*self._links)
                except StoreUnavailable:
                    continue  # what is remembered expires; then it is the requests that say so
        self._watching = False

    def _drop_resting(self) -> None:
        for user_id, links in list(self._links.items()):
            for server, private in list(links.items()):
                if private.link.resting:
                    self._forget(user_id)
                    self._drop(user_id, server, "nobody used it")
