"""The tools of all configured MCP servers, behind the port of the core.

Belongs here: who gets which tools, and one call after its validation. Never: sessions, filters, retries.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import anyio
import msgspec
from attrs import frozen
from mcp import MCPError, types
from pydantic import ValidationError

from aibridge_adapters.config import USER, McpServerSettings, ToolSettings
from aibridge_adapters.mcp.errors import Unavailable
from aibridge_adapters.mcp.events import Call, Called, Event, Listener, WarmedUp, WarmUp, Watcher, unwatched
from aibridge_adapters.mcp.link import FIRST_PAUSE, LONGEST_PAUSE, Link, Surroundings
from aibridge_adapters.mcp.private import NoUserLinks, PrivateLinks, UserLinks, serves
from aibridge_adapters.mcp.results import content_of
from aibridge_adapters.mcp.session import FAREWELL
from aibridge_adapters.mcp.tasks import Tasks
from aibridge_adapters.mcp.wallet import REMEMBERED, Keeping
from aibridge_adapters.mcp.wire import trust
from aibridge_core.actors import Actor
from aibridge_core.ports import Clock
from aibridge_core.tools import Toolbox, ToolCall, ToolResult

_log = logging.getLogger("aibridge.mcp")

MOST_WARM: Final = 10_000
"""Users whose tools are remembered; beyond, all are looked up again."""
LONGEST_ERROR: Final = 500
"""Characters of an error that a server writes."""


@frozen(kw_only=True)
class _Warm:
    username: str
    toolbox: Toolbox
    links: Sequence[Link]


class McpServers:
    """Implements `aibridge_core.ports.ToolServers`. An asynchronous context; belongs to one event loop."""

    def __init__(
        self,
        servers: Sequence[McpServerSettings],
        policy: ToolSettings,
        *,
        clock: Clock,
        ca_bundle: Path | None = None,
        listeners: Sequence[Listener] = (),
        watcher: Watcher = unwatched,
        keeping: Keeping | None = None,
        first_pause: float = FIRST_PAUSE,
        longest_pause: float = LONGEST_PAUSE,
        remembered: float = REMEMBERED,
    ) -> None:
        """`keeping`: where users' tokens are, needed if a server wants a token of each user.

        `first_pause` and `longest_pause`: seconds between tries to connect to a server that is down; `remembered`:
        how long a token may be used after it was taken away. Raises ValueError for a CA bundle that can't be used.
        """
        self._policy = policy
        self._clock = clock
        self._listeners = tuple(listeners)
        self._watcher = watcher
        self._tasks = Tasks()
        self._warm: dict[str, _Warm] = {}
        """By the user's id."""
        around = Surroundings(
            policy=policy,
            clock=clock,
            context=trust(ca_bundle),
            tasks=self._tasks,
            tell=self._tell,
            watcher=watcher,
            changed=self._warm.clear,
            first_pause=first_pause,
            longest_pause=longest_pause,
        )
        self._servers = {server.name: server for server in servers}
        self._links = {server.name: Link(server, around) for server in servers if server.auth != USER}
        private = [server for server in servers if server.auth == USER]
        self._private: UserLinks = NoUserLinks()
        if private:
            assert keeping, "a server wants a token of each user, and there is no place for them"
            self._private = PrivateLinks(private, around, keeping, self._forget, remembered=remembered)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for link in self._links.values():
            link.close()
        self._private.close()
        await self._tasks.finish(FAREWELL)

    async def toolbox(self, actor: Actor) -> Toolbox:
        """What this user is offered; once every server is known, without waiting for anything."""
        warm = self._warm.get(actor.id)
        if warm is None or warm.username != actor.username or not self._private.known(actor):
            with self._watcher(WarmUp()):
                warm = await self._warm_up(actor)
        for link in warm.links:
            link.use()
        return warm.toolbox

    async def call(self, actor: Actor, calls: Sequence[ToolCall]) -> Sequence[ToolResult]:
        """Run all at once; results in the order of the calls. Cancelled, it cancels what still runs."""
        results: dict[int, ToolResult] = {}

        async def run(number: int, call: ToolCall) -> None:
            results[number] = await self._run(actor, call)

        async with anyio.create_task_group() as tasks:
            for number, call in enumerate(calls):
                tasks.start_soon(run, number, call)
        return [results[number] for number in range(len(calls))]

    async def _warm_up(self, actor: Actor) -> _Warm:
        begun = self._clock.monotonic()
        links = [link for link in self._links.values() if serves(link.settings, actor.username)]
        for link in links:
            link.use()
        with anyio.move_on_after(self._policy.connect_timeout):
            links += await self._private.of(actor)
            for link in links:
                link.use()
            for link in links:
                await link.settled.wait()
        tools = sorted((tool for link in links for tool in link.tools), key=lambda tool: tool.id)
        toolbox = Toolbox(tools=tools, never_for=self._policy.skip_models)
        warm = _Warm(username=actor.username, toolbox=toolbox, links=links)
        if all(link.settled.is_set() and not link.retired for link in links):
            self._remember(actor.id, warm)
        self._tell(
            WarmedUp(
                servers=tuple(link.settings.name for link in links),
                seconds=self._clock.monotonic() - begun,
                missing=tuple(link.settings.name for link in links if not link.up),
            )
        )
        return warm

    async def _run(self, actor: Actor, call: ToolCall) -> ToolResult:
        try:
            link = await self._link_of(actor, call.tool.server)
        except Unavailable as error:
            return ToolResult(call=call, error=str(error))
        with self._watcher(Call(call=call)):
            result = await self._result(link, call, self._clock.monotonic())
            self._tell(_called(result))
        return result

    async def _result(self, link: Link, call: ToolCall, begun: float) -> ToolResult:
        def failed(error: str) -> ToolResult:
            return ToolResult(call=call, error=link.clean(error), duration=self._clock.monotonic() - begun)

        server = f"the MCP server {link.settings.name}"
        try:
            with anyio.fail_after(link.settings.timeout):
                answer = await link.call(call.tool.name, _arguments(call))
        except TimeoutError:
            return failed(f"the tool did not answer within {link.settings.timeout:g} s")
        except msgspec.DecodeError as error:
            return failed(f"the call's arguments can't be sent: {error}")
        except Unavailable as error:
            return failed(f"{server} is not available: {error}")
        except MCPError as error:
            return failed(f"{server} could not run the tool: {error}"[:LONGEST_ERROR])
        except (ValidationError, RuntimeError):
            return failed(f"{server} answered with something that is not a result of this tool by its own description")
        except Exception:
            _log.exception("an injected tool could not be run", extra={"server": call.tool.server})
            return failed("the gateway could not run the tool")
        return self._answered(call, answer, begun)

    def _answered(self, call: ToolCall, answer: types.CallToolResult, begun: float) -> ToolResult:
        content = content_of(answer, limit=self._policy.max_result)
        return ToolResult(
            call=call,
            content=content.blocks,
            structured=content.structured,
            is_error=bool(answer.is_error),
            duration=self._clock.monotonic() - begun,
            size=content.size,
        )

    async def _link_of(self, actor: Actor, server: str) -> Link:
        """A shared link, or this user's own. Raises Unavailable, with a whole sentence."""
        settings = self._servers.get(server)
        if settings is None or not serves(settings, actor.username):
            raise Unavailable(f"{actor.username} has no MCP server {server}")
        if settings.auth != USER:
            return self._links[server]
        try:
            return await self._private.link(actor, settings)
        except Unavailable as error:
            raise Unavailable(f"the MCP server {server} is not available: {error}") from error

    def _remember(self, user_id: str, warm: _Warm) -> None:
        if len(self._warm) >= MOST_WARM:
            self._warm.clear()
        self._warm[user_id] = warm

    def _forget(self, user_id: str) -> None:
        self._warm.pop(user_id, None)

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)


def _called(result: ToolResult) -> Called:
    tool = result.call.tool
    return Called(
        server=tool.server,
        url=tool.server_url,
        tool=tool.name,
        seconds=result.duration,
        size=result.size,
        is_error=result.is_error,
        error=result.error,
    )


def _arguments(call: ToolCall) -> dict[str, Any]:
    """The dialect has seen to it that the text is an object, or empty."""
    found: dict[str, Any] = msgspec.json.decode(call.arguments) if call.arguments.strip() else {}
    return found
