"""`aibridge mcp`: what the configured MCP servers offer, and whether they answer.

Belongs here: options and columns. Never: talking to a server (`aibridge_adapters.mcp`). No running gateway is needed:
these commands connect to the servers themselves, as the gateway would.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click

from aibridge_adapters.cli.config_flags import config_options, settings_from_flags
from aibridge_adapters.cli.errors import Failure, failures_in_words
from aibridge_adapters.cli.group import Group
from aibridge_adapters.cli.output import Column, Row, emit, output_option
from aibridge_adapters.cli.safe_text import safe
from aibridge_adapters.clock import SystemClock
from aibridge_adapters.config import Settings
from aibridge_adapters.mcp import McpNotInstalled, check_installed
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
    Column(
        title="STATE", cell=lambda row: "ok" if row["ok"] else "failed", style=lambda row: "" if row["ok"] else "red"
    ),
    Column(title="TOOLS", cell=lambda row: str(row["tools"]), number=True),
    Column(title="DROPPED", cell=lambda row: str(row["dropped"]), number=True, rank=1),
    Column(title="MS", cell=lambda row: str(row["latency_ms"]), number=True),
    Column(title="PROTOCOL", cell=lambda row: row["protocol"] or "-", rank=2),
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

    The servers are those of the configuration; `aibridge config show` prints it.
    """


@mcp.command("list")
@config_options
@output_option
def list_tools(config_file: Path | None, strict_config: bool, output: str | None) -> None:
    """List every tool of every server, with the name that models see and what the filters drop.

    Exit code 1 if a server can't be asked; the others are listed all the same.
    """
    reports = _reports(config_file, strict_config)
    emit([row for report in reports for row in _tool_rows(report)], _TOOL_COLUMNS, output)
    _fail(reports)


@mcp.command()
@config_options
@output_option
def check(config_file: Path | None, strict_config: bool, output: str | None) -> None:
    """Connect to every server and list its tools: state, latency, error.

    Exit code 1 if one fails.
    """
    reports = _reports(config_file, strict_config)
    emit([_server_row(report) for report in reports], _SERVER_COLUMNS, output)
    _fail(reports)


def _reports(config_file: Path | None, strict_config: bool) -> "Sequence[ServerReport]":
    loaded = settings_from_flags(config_file=config_file, strict_config=strict_config)
    for warning in loaded.warnings:
        click.echo(f"warning: {safe(warning)}", err=True)
    if not loaded.settings.mcp:
        click.echo("no MCP server is configured", err=True)
        return []
    with failures_in_words(McpNotInstalled, ValueError):
        check_installed()
        return anyio.run(_survey, loaded.settings)


async def _survey(settings: Settings) -> "Sequence[ServerReport]":
    from aibridge_adapters.mcp.survey import survey  # noqa: PLC0415  needs the extra

    return await survey(settings.mcp, settings.tools, clock=SystemClock(), ca_bundle=settings.ca_bundle)


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
        "ok": not report.error,
        "tools": len(report.offer.tools),
        "dropped": len(report.offer.dropped),
        "latency_ms": round(report.seconds * 1000),
        "protocol": report.protocol,
        "users": list(report.server.users),
        "error": report.error,
    }


def _fail(reports: "Sequence[ServerReport]") -> None:
    failed = [f"{report.server.name}: {report.error}" for report in reports if report.error]
    if failed:
        raise Failure(safe(f"MCP servers that can't be used: {'; '.join(failed)}"))
