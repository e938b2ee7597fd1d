"""All configured servers looked at once, for an administrator.

Belongs here: one connection to each, and what it shows. Never: formats.
"""

import ssl
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import anyio
from attrs import frozen

from aibridge_adapters.config import USER, McpServerSettings, ToolSettings
from aibridge_adapters.mcp.bearer import UserBearer
from aibridge_adapters.mcp.link import clean, http_client
from aibridge_adapters.mcp.offers import Offer, offer
from aibridge_adapters.mcp.renewals import Renewals
from aibridge_adapters.mcp.renewer import Renewer
from aibridge_adapters.mcp.session import FAREWELL, Session, Tools, Upkeep
from aibridge_adapters.mcp.tasks import Tasks
from aibridge_adapters.mcp.wallet import Keeping, Wallet
from aibridge_adapters.mcp.wire import Bearer, trust
from aibridge_core.ports import Clock


@frozen(kw_only=True)
class ServerReport:
    """What one server showed."""

    server: McpServerSettings
    seconds: float
    """To connect and to list the tools."""
    protocol: str
    """Version that was agreed on; empty if it can't be used."""
    error: str
    """Why it can't be used; empty if it can."""
    offer: Offer
    wants_user: bool = False
    """It was not asked: it wants a token of a user, and none was named."""


@frozen(kw_only=True)
class Visitor:
    """The user whose tokens are used."""

    id: str
    username: str
    keeping: Keeping


async def survey(
    servers: Sequence[McpServerSettings],
    policy: ToolSettings,
    *,
    clock: Clock,
    ca_bundle: Path | None = None,
    visitor: Visitor | None = None,
) -> list[ServerReport]:
    """Ask all servers at once; reports in their order. Servers that want a token of each user get the visitor's.

    Raises ValueError for a CA bundle that can't be used.
    """
    context, renewing = trust(ca_bundle), Tasks()
    reports: dict[str, ServerReport] = {}

    async def ask(server: McpServerSettings) -> None:
        if server.auth != USER:
            reports[server.name] = await _ask(server, policy, clock, context, None)
        elif visitor is None:
            reports[server.name] = ServerReport(
                server=server, seconds=0.0, protocol="", error="", offer=Offer(), wants_user=True
            )
        else:
            bearer = _bearer(visitor, server, clock, context, renewing)
            reports[server.name] = await _ask(server, policy, clock, context, bearer)

    async with anyio.create_task_group() as tasks:
        for server in servers:
            tasks.start_soon(ask, server)
    await renewing.finish(FAREWELL)
    return [reports[server.name] for server in servers]


def _bearer(
    visitor: Visitor, server: McpServerSettings, clock: Clock, context: ssl.SSLContext, tasks: Tasks
) -> UserBearer:
    return UserBearer(
        user_id=visitor.id,
        username=visitor.username,
        server=server.name,
        wallet=Wallet(visitor.keeping, {server.name: server.url}, clock),
        renewals=Renewals(visitor.keeping, Renewer(context, clock), clock, tasks),
        clock=clock,
        tell=lambda event: None,
    )


async def _ask(
    server: McpServerSettings, policy: ToolSettings, clock: Clock, context: ssl.SSLContext, bearer: Bearer | None
) -> ServerReport:
    offers = [Offer()]

    def take(tools: Tools, _: float) -> None:
        offers.append(offer(server, tools))

    upkeep = Upkeep(
        connect_timeout=policy.connect_timeout,
        list_ttl=policy.list_ttl,
        in_use=lambda: True,
        on_tools=take,
        on_over=lambda: None,
    )
    session = Session(partial(http_client, server, policy.connect_timeout, context, bearer), server.url, upkeep)
    tasks, begun = Tasks(), clock.monotonic()
    tasks.start(session.run())
    try:
        await session.known.wait()
        return ServerReport(
            server=server,
            seconds=clock.monotonic() - begun,
            protocol=session.protocol,
            error=clean(server, session.failure, *(bearer.sent if bearer else ())),
            offer=offers[-1],
        )
    finally:
        session.close()
        await tasks.finish(FAREWELL)
