"""All configured servers looked at once, for an administrator.

Belongs here: one connection to each, and what it shows. Never: formats.
"""

import ssl
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import anyio
from attrs import frozen

from aibridge_adapters.config import McpServerSettings, ToolSettings
from aibridge_adapters.mcp.link import clean, http_client
from aibridge_adapters.mcp.offers import Offer, offer
from aibridge_adapters.mcp.session import FAREWELL, Session, Tools, Upkeep
from aibridge_adapters.mcp.tasks import Tasks
from aibridge_adapters.mcp.wire import trust
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


async def survey(
    servers: Sequence[McpServerSettings], policy: ToolSettings, *, clock: Clock, ca_bundle: Path | None = None
) -> list[ServerReport]:
    """Ask all servers at once; reports in their order. Raises ValueError for a CA bundle that can't be used."""
    context = trust(ca_bundle)
    reports: dict[str, ServerReport] = {}

    async def ask(server: McpServerSettings) -> None:
        reports[server.name] = await _ask(server, policy, clock, context)

    async with anyio.create_task_group() as tasks:
        for server in servers:
            tasks.start_soon(ask, server)
    return [reports[server.name] for server in servers]


async def _ask(server: McpServerSettings, policy: ToolSettings, clock: Clock, context: ssl.SSLContext) -> ServerReport:
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
    session = Session(partial(http_client, server, policy.connect_timeout, context), server.url, upkeep)
    tasks, begun = Tasks(), clock.monotonic()
    tasks.start(session.run())
    try:
        await session.known.wait()
        return ServerReport(
            server=server,
            seconds=clock.monotonic() - begun,
            protocol=session.protocol,
            error=clean(server, session.failure),
            offer=offers[-1],
        )
    finally:
        session.close()
        await tasks.finish(FAREWELL)
