"""What happens between the gateway and its MCP servers, for whoever wants to know: logs, counters, telemetry.

Belongs here: values, and the listeners that need nothing else. Never: deciding anything. An event comes when its work
is done, in the task that did it, with the time it took. Who has to know when work begins, as traces do, has a watcher:
a context around the work, in which its event is told and from which the tasks that it starts inherit.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from attrs import Factory, define, frozen

from aibridge_core.tools import ToolCall

_log = logging.getLogger("aibridge.mcp")


@frozen(kw_only=True)
class WarmedUp:
    """A request waited for servers that had not been asked yet (the span `ServerProxyManager.Init`)."""

    servers: tuple[str, ...]
    seconds: float
    missing: tuple[str, ...] = ()
    """Those that had not answered in time, or are down."""


@frozen(kw_only=True)
class Connected:
    """A session was opened, or could not be (`StreamableHTTPServerProxy.Init`)."""

    server: str
    url: str
    seconds: float
    protocol: str = ""
    """Version that was agreed on."""
    error: str = ""
    """Why not; empty if it was opened."""
    news: bool = True
    """Whether the last attempt ended otherwise."""
    user: str = ""
    """Whose session it is; empty if it serves all users."""


@frozen(kw_only=True)
class Listed:
    """A server's tools were fetched (`StreamableHTTPServerProxy.Init.fetchTools`)."""

    server: str
    url: str
    seconds: float
    offered: int
    """Tools that the filters let through."""
    dropped: int
    conflicts: tuple[str, ...] = ()
    """Tools that are allowed and denied; they are not offered."""
    changed: bool = True
    """Whether the offer is another than before."""
    user: str = ""


@frozen(kw_only=True)
class Rested:
    """Nobody used a server for a while, so its session was closed."""

    server: str
    user: str = ""


@frozen(kw_only=True)
class LeftOut:
    """A user is not offered a server that wants a token of each user. Told once, until the reason changes."""

    server: str
    user: str
    reason: str


@frozen(kw_only=True)
class Renewed:
    """A user's token had expired or was refused, and a fresh one was asked for."""

    server: str
    user: str
    seconds: float
    error: str = ""
    """Why there is none; empty if there is."""


@frozen(kw_only=True)
class Called:
    """A tool was run, or could not be (`Intercept.ProcessRequest.ToolCall`)."""

    server: str
    url: str
    tool: str
    seconds: float
    size: int = 0
    """Of the result, in bytes."""
    is_error: bool = False
    """The tool itself says that it failed."""
    error: str = ""
    """Why it could not be called or did not finish."""


Event = WarmedUp | Connected | Listed | Rested | LeftOut | Renewed | Called
Listener = Callable[[Event], None]
Tell = Callable[[Event], None]


@frozen
class WarmUp:
    """Work that ends with `WarmedUp`."""


@frozen(kw_only=True)
class Connect:
    """Work that ends with `Connected`."""

    server: str
    url: str


@frozen(kw_only=True)
class List:
    """Work that ends with `Listed`, or with an exception."""

    server: str
    url: str


@frozen(kw_only=True)
class Call:
    """Work that ends with `Called`."""

    call: ToolCall


Work = WarmUp | Connect | List | Call
Watcher = Callable[[Work], AbstractContextManager[None]]

_NOBODY = nullcontext()


def unwatched(work: Work) -> AbstractContextManager[None]:
    """A watcher that does nothing."""
    return _NOBODY


@define
class ToolCount:
    """Of one tool."""

    calls: int = 0
    errors: int = 0
    """Calls that could not be made or finished, or that the tool says have failed."""
    seconds: float = 0.0


@define
class ServerCount:
    """Of one server."""

    connected: int = 0
    failed: int = 0
    """Attempts to connect that failed."""
    tools: int = 0
    """Offered now; of a server with a token of each user, to the user whose list was fetched last."""
    left_out: int = 0
    """Users who could not be offered it, since they have no token that it takes; each once, until that changes."""
    renewed: int = 0
    """Tokens of users that were renewed."""
    not_renewed: int = 0
    """Those that could not be."""
    calls: dict[str, ToolCount] = Factory(lambda: defaultdict(ToolCount))
    """By the server's own name of the tool."""


class Counters:
    """A listener that counts, for metrics. Read `servers` at any time."""

    def __init__(self) -> None:
        self.servers: dict[str, ServerCount] = defaultdict(ServerCount)

    def __call__(self, event: Event) -> None:
        """Count one event."""
        match event:
            case Connected(server=server, error=error):
                count = self.servers[server]
                count.connected, count.failed = count.connected + (not error), count.failed + bool(error)
                count.tools = 0 if error and not event.user else count.tools
            case Listed(server=server, offered=offered):
                self.servers[server].tools = offered
            case Rested(server=server, user=""):
                self.servers[server].tools = 0
            case LeftOut(server=server):
                self.servers[server].left_out += 1
            case Renewed(server=server, error=error):
                count = self.servers[server]
                count.renewed, count.not_renewed = count.renewed + (not error), count.not_renewed + bool(error)
            case Called():
                count_of_tool = self.servers[event.server].calls[event.tool]
                count_of_tool.calls += 1
                count_of_tool.errors += bool(event.error or event.is_error)
                count_of_tool.seconds += event.seconds
            case WarmedUp() | Rested():
                pass


def write_log(event: Event) -> None:
    """A listener that writes a line for what an operator should see: each change, and each call."""
    match event:
        case Connected(error="", news=True):
            _log.info("MCP server is up", extra=_fields(event, protocol=event.protocol))
        case Connected(news=True):
            _log.warning("MCP server is down, its tools are left out", extra=_fields(event, error=event.error))
        case Listed(changed=True):
            for tool in event.conflicts:
                _log.warning("tool filtering conflict; marking tool disallowed", extra=_fields(event, tool=tool))
            _log.info("MCP tools listed", extra=_fields(event, offered=event.offered, dropped=event.dropped))
        case Rested():
            _log.info("MCP server was not used, disconnected", extra=_whose(event))
        case LeftOut() | Renewed():
            _write_of_tokens(event)
        case Called():
            outcome = event.error or ("the tool reports an error" if event.is_error else "")
            fields = {"tool": event.tool, "result_bytes": event.size, **({"error": outcome} if outcome else {})}
            _log.log(
                logging.WARNING if outcome else logging.DEBUG,
                "injected tool invoked",
                extra=_fields(event, **fields),
            )
        case WarmedUp(missing=missing):
            fields = {"servers": len(event.servers), "missing": list(missing), "seconds": round(event.seconds, 3)}
            _log.debug("MCP servers asked for their tools", extra=fields)
        case _:
            _log.debug("%s", event)


def _write_of_tokens(event: LeftOut | Renewed) -> None:
    match event:
        case LeftOut():
            _log.info("MCP server is left out for a user", extra={**_whose(event), "reason": event.reason})
        case Renewed(error=""):
            _log.info("token of a user was renewed", extra=_fields(event))
        case Renewed():
            _log.warning("token of a user could not be renewed", extra=_fields(event, error=event.error))


def _fields(event: Connected | Listed | Renewed | Called, **more: object) -> dict[str, object]:
    return {**_whose(event), "seconds": round(event.seconds, 3), **more}


def _whose(event: Connected | Listed | Rested | LeftOut | Renewed | Called) -> dict[str, object]:
    user = "" if isinstance(event, Called) else event.user
    return {"server": event.server, **({"user": user} if user else {})}
