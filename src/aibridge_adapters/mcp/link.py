"""One MCP server: when it is connected, what it offers, how its tools are called.

Belongs here: the states of a server and the way between them. Never: several servers, users.

    idle        nobody needs it: no session
    unsettled   a session is being opened; whoever needs the server waits for that
    up          a session is open; `tools` is what it offers
    down        no session could be opened; nobody waits, and the next try comes by itself, later after each failure
"""

import ssl
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import anyio
from attrs import field, frozen
from mcp import MCPError, types

from aibridge_adapters.config import McpServerSettings, ToolSettings
from aibridge_adapters.mcp.errors import Unavailable
from aibridge_adapters.mcp.events import Connect, Connected, Event, List, Listed, Rested, Watcher, unwatched
from aibridge_adapters.mcp.offers import offer
from aibridge_adapters.mcp.session import Session, Tools, Upkeep
from aibridge_adapters.mcp.tasks import Tasks
from aibridge_adapters.mcp.wire import NOT_SENT, Bearer, GuardedClient
from aibridge_core.actors import mask
from aibridge_core.ports import Clock
from aibridge_core.tools import Tool

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
"""Seconds between two tries to connect; each pause is twice the one before."""
SHORTEST_SECRET: Final = 6
"""Characters; what is shorter is no secret, and would be found in many words."""


@frozen(kw_only=True)
class Surroundings:
    """What all servers share."""

    policy: ToolSettings
    clock: Clock
    context: ssl.SSLContext
    tasks: Tasks
    tell: Callable[[Event], None] = field(repr=False)
    watcher: Watcher = field(default=unwatched, repr=False)
    changed: Callable[[], None] = field(repr=False)
    """The tools of a server are others than before."""
    first_pause: float = FIRST_PAUSE
    longest_pause: float = LONGEST_PAUSE


class Link:
    """The gateway's side of one server. It connects when it is first needed."""

    def __init__(
        self, settings: McpServerSettings, around: Surroundings, *, user: str = "", bearer: Bearer | None = None
    ) -> None:
        """`user` and `bearer`: whose link it is, if not everybody's, and the token of that user."""
        self.settings = settings
        self.user = user
        self._bearer = bearer
        self.retired = False
        """It is not to be used any more."""
        self.tools: tuple[Tool, ...] = ()
        self.settled = anyio.Event()
        """It is up or down; another event each time this is open again."""
        self._around = around
        self._session: Session | None = None
        self._opening: Session | None = None
        """The newest session, open or not."""
        self._running = False
        self._used = False
        self._needed_at = around.clock.monotonic()
        self._scope = anyio.CancelScope()
        self._reason = ""
        self._told: str | None = None
        """The outcome of the last try to connect, as it was told: "" is success."""

    def clean(self, text: str) -> str:
        """A text of the server's, or about it, without any secret that it is sent."""
        return clean(self.settings, text, *(self._bearer.sent if self._bearer else ()))

    @property
    def up(self) -> bool:
        """Whether it can be called now."""
        return self._session is not None and self._session.usable

    @property
    def resting(self) -> bool:
        """Whether it has no session and doesn't try to get one."""
        return not self._running

    def use(self) -> None:
        """It is needed now. Cheap: for every request."""
        self._used = True
        if not self._running and not self.retired:
            self._running = True
            self._around.tasks.start(self._keep())

    async def call(self, tool: str, arguments: dict[str, Any]) -> types.CallToolResult:
        """Run a tool. Raises Unavailable, MCPError, and RuntimeError for a result against its schema.

        A call that the server has certainly not seen, as after its restart, is made once more on a new session.
        """
        patience = self.settings.timeout + self._around.policy.connect_timeout
        session = await self._open_session()
        try:
            return await session.call(tool, arguments, patience=patience)
        except MCPError as error:
            if error.data != NOT_SENT:
                raise
        session = await self._open_session()
        return await session.call(tool, arguments, patience=patience)

    def close(self) -> None:
        """End its session, and don't open another."""
        self._scope.cancel()
        if self._opening is not None:
            self._opening.close()

    def retire(self, reason: str) -> None:
        """It is not to be used any more. What runs is finished, nothing new begins."""
        self.retired, self._running, self._reason = True, False, reason
        self._scope.cancel()
        if self._opening is not None:
            self._opening.leave(reason)
        self._session, self.tools = None, ()
        self.settled.set()

    async def _open_session(self) -> Session:
        while True:
            self.use()
            if self._session is not None and self._session.usable:
                return self._session
            if self.settled.is_set():
                raise Unavailable(self._reason)
            await self.settled.wait()

    async def _keep(self) -> None:
        """Keep it connected while it is used."""
        failures = 0
        with self._scope:
            while not self.retired:
                session = await self._connect()
                failures = failures + 1 if session.failure else 0
                if session.usable:
                    await self._outlive(session)
                elif session.failure:
                    self._fall(session.failure)
                    await self._pause(failures)
                if not self._needed(session):
                    self._rest()
                    return

    async def _outlive(self, session: Session) -> None:
        """Until the session is over; for a moment more if that was at once, so that no server is called in a loop."""
        begun = self._around.clock.monotonic()
        await session.over.wait()
        if not session.rested and self._around.clock.monotonic() - begun < self._around.first_pause:
            await anyio.sleep(self._around.first_pause)

    async def _pause(self, failures: int) -> None:
        await anyio.sleep(pause_after(failures, self._around.first_pause, self._around.longest_pause))

    def _needed(self, session: Session) -> bool:
        """Whether anybody used it within the time that a list of tools counts as fresh."""
        if session.rested:
            return self._used
        now = self._around.clock.monotonic()
        if self._was_used():
            self._needed_at = now
        return now - self._needed_at < self._around.policy.list_ttl

    async def _connect(self) -> Session:
        begun = self._around.clock.monotonic()
        session = self._opening = self._new_session()
        with self._around.watcher(Connect(server=self.settings.name, url=self.settings.url)):
            self._around.tasks.start(session.run())
            await session.known.wait()
            self._tell_outcome(session, self._around.clock.monotonic() - begun)
        if session.usable:
            self._session = session
            self.settled.set()
        return session

    def _new_session(self) -> Session:
        policy = self._around.policy
        make_http = partial(http_client, self.settings, policy.connect_timeout, self._around.context, self._bearer)
        session: Session

        def lost() -> None:
            if self._session is session:
                self._session, self.settled = None, anyio.Event()

        upkeep = Upkeep(
            connect_timeout=policy.connect_timeout,
            list_ttl=policy.list_ttl,
            in_use=self._was_used,
            around_list=partial(self._around.watcher, List(server=self.settings.name, url=self.settings.url)),
            on_tools=self._take_tools,
            on_over=lost,
        )
        session = Session(make_http, self.settings.url, upkeep)
        return session

    def _was_used(self) -> bool:
        used, self._used = self._used, False
        return used

    def _take_tools(self, listed: Tools, seconds: float) -> None:
        offered = offer(self.settings, listed)
        changed = offered.tools != self.tools
        self._around.tell(
            Listed(
                server=self.settings.name,
                url=self.settings.url,
                seconds=seconds,
                offered=len(offered.tools),
                dropped=len(offered.dropped),
                conflicts=offered.conflicts,
                changed=changed,
                user=self.user,
            )
        )
        if changed and not self.retired:
            self._offer(offered.tools)

    def _fall(self, reason: str) -> None:
        self._reason = self.clean(reason)
        self._session = None
        self._offer(())
        self.settled.set()

    def _rest(self) -> None:
        self._running = False
        self._told = None
        self._session, self.settled = None, anyio.Event()
        self._offer(())
        self._around.tell(Rested(server=self.settings.name, user=self.user))

    def _offer(self, tools: Sequence[Tool]) -> None:
        self.tools = tuple(tools)
        self._around.changed()

    def _tell_outcome(self, session: Session, seconds: float) -> None:
        error = self.clean(session.failure)
        event = Connected(
            server=self.settings.name,
            url=self.settings.url,
            seconds=seconds,
            protocol=session.protocol,
            error=error,
            news=self._told is None or bool(self._told) != bool(error),
            user=self.user,
        )
        self._told = error
        self._around.tell(event)


def pause_after(failures: int, first: float, longest: float) -> float:
    """Seconds until the next try to connect, after so many failures in a row (1 or more)."""
    return min(first * 2.0 ** min(failures - 1, 30), longest)


def http_client(
    server: McpServerSettings,
    connect: float,
    context: ssl.SSLContext,
    user: Bearer | None,
    on_trouble: Callable[[str], None],
) -> GuardedClient:
    """The HTTP client of one session with this server; `connect` is the time to connect, in seconds."""
    return GuardedClient(server, connect=connect, context=context, user=user, on_trouble=on_trouble)


def clean(server: McpServerSettings, text: str, *more: str) -> str:
    """A text of a server's, or about it, without the secrets that it is sent (`more` too); some servers repeat them."""
    for secret in (server.token, *(value for _, value in server.headers), *more):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, mask(secret))
    return text
