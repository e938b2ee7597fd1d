"""One connection to an MCP server, from its opening to its end, in a task of its own.

Belongs here: the life of the protocol library's client, which has to be entered and left in one task, and keeping the
list of tools fresh. Never: when to connect again (`link`), or who may call (`servers`).
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from math import inf
from typing import Any, Final

import anyio
from attrs import field, frozen
from mcp import Client, MCPError, types
from mcp.client import IncomingMessage
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import SubscriptionLost
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from aibridge_adapters.mcp.errors import Unavailable
from aibridge_adapters.mcp.wire import MOST_MESSAGE, GuardedClient, explain

MOST_PAGES: Final = 100
"""Of a list of tools; a server that goes on for ever is refused."""
FAREWELL: Final = 2.0
"""Seconds that a server has to take our goodbye."""
RELISTEN: Final = 10.0
"""Seconds until notifications are asked for again, after the server ended them."""

Tools = Sequence[types.Tool]


@frozen(kw_only=True)
class Upkeep:
    """What a session needs to know and to tell."""

    connect_timeout: float
    """To open and to list, in seconds."""
    list_ttl: float
    in_use: Callable[[], bool]
    """Whether anybody used the server since this was asked last."""
    around_list: Callable[[], AbstractContextManager[None]] = field(default=nullcontext, repr=False)
    """Gives a context around fetching a list and telling it."""
    on_tools: Callable[[Tools, float], None] = field(repr=False)
    """Gets every list, and how long it took."""
    on_over: Callable[[], None] = field(repr=False)
    """The session is of no use for new calls from now on."""


class Session:
    """Start `run` in a task; await `known`; call until `over`."""

    def __init__(self, make_http: Callable[[Callable[[str], None]], GuardedClient], url: str, upkeep: Upkeep) -> None:
        self.known = anyio.Event()
        """It is open, or `failure` says why it is not."""
        self.over = anyio.Event()
        self.failure = ""
        self.rested = False
        """It ended because nobody used it."""
        self._http = make_http(self.leave)
        self._url = url
        self._upkeep = upkeep
        self._client: Client | None = None
        self._scope = anyio.CancelScope()
        self._stale = anyio.Event()
        self._calls = 0
        self._drained = anyio.Event()

    @property
    def usable(self) -> bool:
        """Whether it takes calls."""
        return self._client is not None and not self.over.is_set()

    @property
    def protocol(self) -> str:
        """The version that was agreed on."""
        return self._client.protocol_version if self._client else ""

    async def run(self) -> None:
        """The whole life. Never raises but when cancelled."""
        try:
            with self._scope:
                self._scope.deadline = anyio.current_time() + self._upkeep.connect_timeout
                await self._live()
        except Exception as error:
            self.leave(_reason(error))
        self.leave("" if self.known.is_set() else f"it did not answer within {self._upkeep.connect_timeout:g} s")
        self._client = None

    def leave(self, reason: str) -> None:
        """End it as soon as the calls that run are done; new ones need another session."""
        if self.over.is_set():
            return
        self.failure = reason
        self.over.set()
        self.known.set()
        self._stale.set()
        if not self._calls:
            self._drained.set()
        self._upkeep.on_over()

    def close(self) -> None:
        """End it now, with what runs on it."""
        self.leave("the gateway shuts down")
        self._drained.set()
        self._scope.deadline = anyio.current_time() + FAREWELL

    async def call(self, tool: str, arguments: dict[str, Any], *, patience: float) -> types.CallToolResult:
        """Run a tool. Cancelled, it tells the server.

        The time is the caller's to keep; `patience`, in seconds, is only the library's, which is shorter by default.
        Raises MCPError, and RuntimeError or pydantic.ValidationError for a result against its schema.
        """
        assert self._client
        self._calls += 1
        try:
            return await self._client.call_tool(tool, arguments, read_timeout_seconds=patience)
        finally:
            self._calls -= 1
            if self.over.is_set() and not self._calls:
                self._drained.set()

    async def _live(self) -> None:
        transport = streamable_http_client(self._url, http_client=self._http, max_sse_event_size=MOST_MESSAGE)
        client = Client(
            transport,
            client_info=types.Implementation(name="aibridge", version=version("aibridge")),
            message_handler=self._hear,
            read_timeout_seconds=self._upkeep.connect_timeout,
            cache=None,
        )
        async with self._http, client, anyio.create_task_group() as tasks:
            await self._list(client)
            self._client = client
            self.known.set()
            self._scope.deadline = inf
            tasks.start_soon(self._listen, client)
            await self._keep_fresh(client)
            await self._drained.wait()
            self._scope.deadline = min(self._scope.deadline, anyio.current_time() + FAREWELL)
            tasks.cancel_scope.cancel()

    async def _keep_fresh(self, client: Client) -> None:
        while not self.over.is_set():
            with anyio.move_on_after(self._upkeep.list_ttl):
                await self._stale.wait()
            if self.over.is_set():
                return
            if not self._stale.is_set() and not self._upkeep.in_use():
                self.rested = True
                self.leave("")
                return
            self._stale = anyio.Event()
            try:
                with anyio.fail_after(self._upkeep.connect_timeout):
                    await self._list(client)
            except (MCPError, Unavailable, TimeoutError) as error:
                self.leave(_reason(error))

    async def _list(self, client: Client) -> None:
        with self._upkeep.around_list():
            await self._fetch(client)

    async def _fetch(self, client: Client) -> None:
        begun = anyio.current_time()
        tools: list[types.Tool] = []
        cursor = None
        for _ in range(MOST_PAGES):
            page = await client.list_tools(cursor=cursor)
            tools += page.tools
            cursor = page.next_cursor
            if cursor is None:
                self._upkeep.on_tools(tools, anyio.current_time() - begun)
                return
        raise Unavailable(f"its list of tools has more than {MOST_PAGES} pages")

    async def _listen(self, client: Client) -> None:
        """Since 2026-07-28 notifications have to be asked for; before, they come by themselves."""
        capabilities = client.server_capabilities.tools
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS or not (capabilities and capabilities.list_changed):
            return
        while True:
            try:
                async with client.listen(tools_list_changed=True) as subscription:
                    self._stale.set()  # what changed before we listened was told to nobody
                    async for _ in subscription:
                        self._stale.set()
            except (MCPError, SubscriptionLost, TimeoutError):
                pass  # listened for again, after a while
            await anyio.sleep(RELISTEN)

    async def _hear(self, message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._stale.set()


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, MCPError | Unavailable):
        return str(error)
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return f"{type(error).__name__}: {explain(error)}"
