"""`aibridge mcp list` and `check`: what an administrator sees, and the exit codes."""

import json
import subprocess
import sys

import anyio
import pytest
from attrs import evolve

from aibridge_adapters.compose import gateway
from aibridge_adapters.config import McpServerSettings, Settings
from aibridge_adapters.mcp import McpNotInstalled
from integration.mcp.using import nobody_listens
from support.mcp_server import tool_server

pytestmark = pytest.mark.anyio


async def aibridge(*arguments: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command as a process of its own."""
    return await anyio.run_process(
        [sys.executable, "-m", "aibridge_adapters.cli.main", "mcp", *arguments],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environ},
        check=False,
    )


async def test_list_shows_tools_with_the_names_that_models_see() -> None:
    """Every tool of every server, also those that the filters drop."""
    async with tool_server() as server:
        listed = await aibridge(
            "list",
            AIBRIDGE_MCP_0_NAME="my-tools",
            AIBRIDGE_MCP_0_URL=server.url,
            AIBRIDGE_MCP_0_TOOL_ALLOW_REGEX="e",
            AIBRIDGE_MCP_0_TOOL_DENY_REGEX="^p",
        )
    assert listed.returncode == 0, listed.stderr
    rows = {row["tool"]: row for row in json.loads(listed.stdout)}
    assert len(rows) == 8
    assert rows["echo"] == {
        "server": "my-tools",
        "tool": "echo",
        "injected_name": "bmcp_my-tools_echo",
        "offered": True,
        "reason": "",
    }
    assert (rows["big"]["offered"], rows["big"]["reason"]) == (False, "filtered")
    assert rows["picture"]["reason"] == "denied, though allowed"


async def test_check_names_the_server_that_fails_and_exits_with_1() -> None:
    """The others are shown with their latency and protocol; no secret is."""
    dead = nobody_listens()
    async with tool_server(token="a-very-secret-token") as server:
        checked = await aibridge(
            "check",
            AIBRIDGE_MCP_0_NAME="wiki",
            AIBRIDGE_MCP_0_URL=server.url,
            AIBRIDGE_MCP_0_TOKEN="a-very-secret-token",
            AIBRIDGE_MCP_1_NAME="dead",
            AIBRIDGE_MCP_1_URL=dead.url,
        )
    assert checked.returncode == 1
    wiki, broken = json.loads(checked.stdout)
    assert (wiki["ok"], wiki["tools"], wiki["protocol"], wiki["error"]) == (True, 8, "2026-07-28", "")
    assert 0 < wiki["latency_ms"] < 5000
    assert (broken["ok"], broken["error"]) == (False, "it can't be reached: connection refused")
    assert b"dead: it can't be reached" in checked.stderr
    assert b"very-secret" not in checked.stdout + checked.stderr


async def test_without_servers_there_is_nothing_to_do() -> None:
    """An empty list, a word about it, exit code 0."""
    checked = await aibridge("check")
    assert (checked.returncode, json.loads(checked.stdout)) == (0, [])
    assert b"no MCP server is configured" in checked.stderr


async def test_without_the_package_the_gateway_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configured servers that can't be asked are no small thing: the error says what to install."""
    monkeypatch.setattr("aibridge_adapters.mcp.find_spec", lambda name: None)
    settings = Settings(database_url="sqlite:///:memory:")
    with pytest.raises(McpNotInstalled, match=r"pip install 'aibridge\[mcp\]'"):
        async with gateway(evolve(settings, mcp=(McpServerSettings(name="a", url="http://127.0.0.1:1/mcp"),))):
            pytest.fail("it started")
    async with gateway(settings):
        pass
