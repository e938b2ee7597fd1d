"""`aibridge mcp`: what the configured MCP servers offer, and whether they answer.

Belongs here: options and columns. Never: talking to a server (`aibridge_adapters.mcp`). No running gateway is needed:
these commands connect to the servers themselves, as the gateway would, and read users' tokens from its database.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import anyio
import click

from aibridge_adapters.cli.config_flags import settings_from_flags
from aibridge_adapters.cli.database import database_options, run_with_storage
from aibridge_adapters.cli.errors import Failure, Incomplete, failures_in_words
from aibridge_adapters.cli.group import Group
from aibridge_adapters.cli.mcp_login_command import login
from aibridge_adapters.cli.mcp_token_commands import token, users_of
from aibridge_adapters.cli.output import Column, Row, emit, output_option
from aibridge_adapters.cli.safe_text import safe
from aibridge_adapters.clock import SystemClock
from aibridge_adapters.compose_mcp import token_keeping
from aibridge_adapters.config import USER, Settings
from aibridge_adapters.mcp import McpUnusable, check_installed, opened_keeping
from aibridge_adapters.storage import Storage
from aibridge_core.tools import injected_name

if TYPE_CHECKING:
    from aibridge_adapters.mcp.survey import ServerReport

_TOOL_COLUMNS = (
    Column(title="SERVER", cell=lambda row: row["server"]),
    Column(title="TOOL", cell=lambda row: row["tool"]),
    Column(title="NAME FOR MODELS", cell=lambda row: row["injected_name"] or "-", rank=1),
    Column(
        title="OFFERED",
        cell=lambda row: "yes" if row["offered"] else f"no: {row['reason']}",
        style=lambda row: "" if row["offered"] else "yellow",
    ),
)
_SERVER_COLUMNS = (
    Column(title="SERVER", cell=lambda row: row["server"]),
    Column(title="STATE", cell=lambda row: row["state"], style=lambda row: "red" if row["state"] == "failed" else ""),
    Column(title="TOOLS", cell=lambda row: str(row["tools"]), number=True),
    Column(title="DROPPED", cell=lambda row: str(row["dropped"]), number=True, rank=1),
    Column(title="MS", cell=lambda row: str(row["latency_ms"]), number=True),
    Column(title="PROTOCOL", cell=lambda row: row["protocol"] or "-", rank=2),
    Column(title="AUTH", cell=lambda row: row["auth"], rank=3),
    Column(title="USERS", cell=lambda row: ",".join(row["users"]), rank=3),
    Column(title="URL", cell=lambda row: row["url"], rank=4),
    Column(title="ERROR", cell=lambda row: row["error"]),
)


@click.group(cls=Group)
def mcp() -> None:
    """Look at the MCP servers whose tools are injected.

    \b
    What models are offered:     aibridge mcp list
    Whether servers answer:      aibridge mcp check
    The same for one user:       aibridge mcp check --user ann

    The servers are those of the configuration; `aibridge config show` prints it.
    """


mcp.add_command(token)
mcp.add_command(login)
_user_option = click.option(
    "--user", metavar="USER", help="Only the servers of this user, with this user's tokens: a username or an id."
)


@mcp.command("list")
@_user_option
@output_option
@database_options
def list_tools(user: str | None, output: str | None, **database: Any) -> None:
    """List every tool of every server, with the name that models see and what the filters drop.

    Exit code 1 if a server can't be asked, 3 if one was not asked because it wants a token of each user and none was
    named; the others are listed all the same.
    """
    reports = _reports(user, **database)
    emit([row for report in reports for row in _tool_rows(report)], _TOOL_COLUMNS, output)
    _judge(reports)


@mcp.command()
@_user_option
@output_option
@database_options
def check(user: str | None, output: str | None, **database: Any) -> None:
    """Connect to every server and list its tools: state, latency, error.

    Servers that want a token of each user are asked only if a user is named. Exit code 1 if one fails, 3 if none fails
    but one was not asked.
    """
    reports = _reports(user, **database)
    emit([_server_row(report) for report in reports], _SERVER_COLUMNS, output)
    _judge(reports)


def _reports(user: str | None, **database: Any) -> "Sequence[ServerReport]":
    if user is not None:
        with failures_in_words(McpUnusable, ValueError):
            return run_with_storage(lambda settings, storage: _survey_for(user, settings, storage), **database)
    loaded = settings_from_flags(**database)
    for warning in loaded.warnings:
        click.echo(f"warning: {safe(warning)}", err=True)
    if not loaded.settings.mcp:
        click.echo("no MCP server is configured", err=True)
        return []
    with failures_in_words(McpUnusable, ValueError):
        check_installed()
        return anyio.run(_survey, loaded.settings)


async def _survey(settings: Settings) -> "Sequence[ServerReport]":
    from aibridge_adapters.mcp.survey import survey  # noqa: PLC0415  needs the extra

    return await survey(settings.mcp, settings.tools, clock=SystemClock(), ca_bundle=settings.ca_bundle)


async def _survey_for(user: str, settings: Settings, storage: Storage) -> "Sequence[ServerReport]":
    check_installed()
    from aibridge_adapters.mcp.private import serves  # noqa: PLC0415  needs the extra
    from aibridge_adapters.mcp.survey import Visitor, survey  # noqa: PLC0415

    owner = await users_of(storage).get(user)
    servers = [server for server in settings.mcp if serves(server, owner.username)]
    private = [server.name for server in servers if server.auth == USER]
    visitor = None
    if private:
        keeping = opened_keeping(token_keeping(settings, storage), for_servers=private)
        visitor = Visitor(id=owner.id, username=owner.username, keeping=keeping)
    if not servers:
        click.echo(f"no MCP server is configured for {owner.username}", err=True)
    return await survey(servers, settings.tools, clock=SystemClock(), ca_bundle=settings.ca_bundle, visitor=visitor)


def _tool_rows(report: "ServerReport") -> list[Row]:
    server = report.server.name
    rows: list[dict[str, Any]] = [
        {"server": server, "tool": tool.name, "injected_name": tool.id, "offered": True, "reason": ""}
        for tool in report.offer.tools
    ]
    for name in report.offer.dropped:
        reason = "denied, though allowed" if name in report.offer.conflicts else "filtered"
        rows.append({"server": server, "tool": name, "injected_name": "", "offered": False, "reason": reason})
    return sorted(rows, key=lambda row: injected_name(server, row["tool"]))


def _server_row(report: "ServerReport") -> Row:
    return {
        "server": report.server.name,
        "url": report.server.url,
        "ok": not report.error and not report.wants_user,
        "state": "failed" if report.error else "not asked: say --user" if report.wants_user else "ok",
        "auth": report.server.auth,
        "tools": len(report.offer.tools),
        "dropped": len(report.offer.dropped),
        "latency_ms": round(report.seconds * 1000),
        "protocol": report.protocol,
        "users": list(report.server.users),
        "error": report.error,
    }


def _judge(reports: "Sequence[ServerReport]") -> None:
    failed = [f"{report.server.name}: {report.error}" for report in reports if report.error]
    if failed:
        raise Failure(safe(f"MCP servers that can't be used: {'; '.join(failed)}"))
    if unasked := [report.server.name for report in reports if report.wants_user]:
        raise Incomplete(
            safe(f"not asked, for they want a token of each user: {', '.join(unasked)}. Name one with --user")
        )
