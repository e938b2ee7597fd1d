"""Opening a client's WebSocket to its provider, or refusing it.

Belongs here: which upgrades are taken, and what every tunnel needs. Never: what passes in it (`conversation`).
"""

from collections.abc import Callable
from typing import Final

from attrs import frozen

from aibridge_core.bridge import Bridge
from aibridge_core.errors import UpgradeRefused
from aibridge_core.intake import Caller
from aibridge_core.ports import ToolServers
from aibridge_core.providers.routes import Mode
from aibridge_core.routing import Match
from aibridge_core.sockets import OpenTunnel, SocketUpstream, Tunnels
from aibridge_core.wire import ClientRequest

MESSAGE_ROOM: Final = 1024 * 1024
"""Characters by which a message may pass the limit and still be refused in words; beyond, the server closes."""


@frozen(kw_only=True)
class Tunnelling:
    """What tunnels need beside the application itself."""

    tunnels: Tunnels
    bridge_on: Callable[[SocketUpstream], Bridge]
    """A bridge to this upstream, without tools of ours."""
    tools: ToolServers
    patience: float | None
    """Longest silence of a provider within a response, in seconds."""
    max_message: int
    """Of a client, in bytes."""

    async def open(self, match: Match | None, request: ClientRequest, caller: Caller) -> OpenTunnel:
        """Open the provider's side. Raises UpgradeRefused, and what `Tunnels.open` does."""
        if match is None or not takes_sockets(match):
            raise UpgradeRefused("WebSockets are not served here; use HTTP")
        toolbox = await self.tools.toolbox(caller.actor)
        if toolbox.tools:
            raise UpgradeRefused("tools are injected over HTTP only; use HTTP")
        return await self.tunnels.open(match, request, caller)


def takes_sockets(match: Match) -> bool:
    """Whether there can be a tunnel on a route. A client that is refused one asks by HTTP, and hears why there."""
    provider, route = match.provider, match.route
    return provider.enabled and provider.websockets and route.mode is Mode.BRIDGED and route.dialect == "responses"
