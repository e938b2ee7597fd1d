"""`aibridge mcp token`, and `list` and `check` for a user: real processes on a real SQLite file and a real server."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from attrs import Factory, define
from click.testing import CliRunner, Result

from aibridge_adapters.cli.main import cli
from aibridge_adapters.compose import gateway
from aibridge_adapters.config import USER, McpServerSettings, Settings
from aibridge_adapters.mcp import TokensNotKept
from aibridge_core.testing.memory import MemoryStorage
from integration.mcp.test_gateway import ASKED, calling
from support.mcp_authorization import AuthorizedToolServer, authorized_tool_server
from support.raw_upstream import raw_upstream
from support.running import running_gateway

pytestmark = pytest.mark.anyio
KEY = base64.b64encode(bytes(range(32))).decode()
NEWER = base64.b64encode(bytes(range(32, 64))).decode()


@define
class Admin:
    """Runs `aibridge` as a process of its own, on one database, and keeps all that it wrote."""

    folder: Path
    variables: dict[str, str] = Factory(dict)
    written: bytes = b""

    async def __call__(self, *arguments: str, given: str = "", **more: str) -> subprocess.CompletedProcess[bytes]:
        done = await anyio.run_process(
            [sys.executable, "-m", "aibridge_adapters.cli.main", *arguments],
            input=given.encode(),
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.folder),
                "AIBRIDGE_DATABASE_URL": f"sqlite:///{self.folder / 'aibridge.db'}",
                **self.variables,
                **more,
            },
            check=False,
        )
        self.written += done.stdout + done.stderr
        return done

    async def rows(self, *arguments: str, **more: str) -> Any:
        """What the command lists."""
        done = await self(*arguments, "--output", "json", **more)
        return json.loads(done.stdout)

    @property
    def kept(self) -> bytes:
        """All files."""
        return b"".join(path.read_bytes() for path in self.folder.iterdir() if path.is_file())


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    return Admin(tmp_path)


async def ready(admin: Admin, server: AuthorizedToolServer, *users: str) -> None:
    """The server is configured as `wiki` and wants a token of each user; these users are known."""
    admin.variables |= {
        "AIBRIDGE_MCP_0_NAME": "wiki",
        "AIBRIDGE_MCP_0_URL": server.url,
        "AIBRIDGE_MCP_0_AUTH": "user",
        "AIBRIDGE_SECRETS_KEY": KEY,
    }
    for user in users:
        assert (await admin("users", "create", user)).returncode == 0


async def test_from_the_first_token_to_its_end(admin: Admin) -> None:
    """Set, listed, checked with, used, removed; and neither shown nor kept in clear at any time."""
    async with authorized_tool_server() as server:
        await ready(admin, server, "ann", "bob")
        secret = server.grants.issue("ann")
        done = await admin("mcp", "token", "set", "--user", "ann", "--server", "wiki", given=f"{secret}\n")
        assert (done.returncode, done.stderr.decode().splitlines()[-1]) == (
            0,
            "To see whether the server takes it: aibridge mcp check --user ann",
        )
        (row,) = await admin.rows("mcp", "token", "list")
        assert (row["username"], row["server"], row["kind"], row["expires_at"]) == ("ann", "wiki", "token", None)
        (checked,) = await admin.rows("mcp", "check", "--user", "ann")
        assert (checked["state"], checked["tools"], checked["auth"]) == ("ok", 9, "user")
        assert "whoami" in {row["tool"] for row in await admin.rows("mcp", "list", "--user", "ann")}
        assert server.tokens_seen == {secret}
        for command, states in (("check", ["not asked: say --user"]), ("list", [])):
            unasked = await admin("mcp", command, "--output", "json")
            assert (unasked.returncode, unasked.stderr) == (
                3,
                b"Error: not asked, for they want a token of each user: wiki. Name one with --user\n",
            )
            assert [row["state"] for row in json.loads(unasked.stdout)] == states
        without = await admin("mcp", "check", "--user", "bob")
        assert (without.returncode, without.stderr) == (
            1,
            b"Error: MCP servers that can't be used: wiki: the user has no token for it\n",
        )
        await admin("config", "show")
        removed = await admin("mcp", "token", "remove", "--user", "ann", "--server", "wiki")
        assert removed.stdout == b"Removed the token of ann for wiki. A running gateway knows within 5 seconds.\n"
        assert await admin.rows("mcp", "token", "list") == []
        assert secret.encode() not in admin.written + admin.kept
        assert KEY.encode() not in admin.written


WIKI = {
    "AIBRIDGE_MCP_0_NAME": "wiki",
    "AIBRIDGE_MCP_0_URL": "http://127.0.0.1:1/mcp",
    "AIBRIDGE_MCP_0_AUTH": "user",
    "AIBRIDGE_SECRETS_KEY": KEY,
}
REFUSED: Sequence[tuple[tuple[str, ...], str, dict[str, str], str]] = (
    (("--user", "ann", "--server", "wiki"), "", {}, "no token came on standard input"),
    (("--user", "ann", "--server", "wiki"), "Bearer abc", {}, "leave the word Bearer out"),
    (("--user", "ann", "--server", "wiki"), "two words", {}, "visible ASCII characters without blanks"),
    (("--user", "eve", "--server", "wiki"), "abc", {}, "there is no user 'eve'"),
    (("--user", "ann", "--server", "wik"), "abc", {}, "no MCP server 'wik' is configured; those with"),
    (("--user", "ann", "--server", "wiki"), "abc", {"AIBRIDGE_MCP_0_AUTH": "none"}, "has auth = none"),
    (("--user", "ann", "--server", "wiki"), "abc", {"AIBRIDGE_SECRETS_KEY": ""}, "AIBRIDGE_SECRETS_KEY"),
    (("--user", "ann", "--server", "wiki", "--file", "nothing"), "", {}, "there is no such file"),
    (("--user", "ann", "--server", "wiki", "--token", "abc"), "", {}, "No such option"),
    (("--user", "ann", "--server", "wiki", "abc"), "", {}, "unexpected extra argument"),
)


def test_what_is_no_token(tmp_path: Path) -> None:
    """Each refusal says what to do; a token never comes from the command line."""
    clean = {name: None for name in os.environ if "AIBRIDGE" in name}
    variables = {**clean, **WIKI, "AIBRIDGE_DATABASE_URL": f"sqlite:///{tmp_path / 'aibridge.db'}"}

    def run(*arguments: str, given: str = "", **changes: str) -> Result:
        return CliRunner().invoke(cli, arguments, input=given, env={**variables, **changes}, prog_name="aibridge")

    assert run("users", "create", "ann").exit_code == 0
    for arguments, given, changes, words in REFUSED:
        done = run("mcp", "token", "set", *arguments, given=given, **changes)
        assert done.exit_code in (1, 2)
        assert words in done.stderr
        assert "abc" not in done.output or words == "unexpected extra argument"
    assert json.loads(run("mcp", "token", "list", "--output", "json").stdout) == []


async def test_changing_the_key(admin: Admin, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The new one in front, sealed anew, the old one away: the token, which came from a file, is still of use."""
    async with authorized_tool_server() as server:
        await ready(admin, server, "ann")
        file = tmp_path_factory.mktemp("secret") / "token"
        file.write_text(server.grants.issue("ann") + "\n", encoding="utf-8")
        await admin("mcp", "token", "set", "--user", "ann", "--server", "wiki", "--file", str(file))
        lost = await admin("mcp", "token", "reseal", AIBRIDGE_SECRETS_KEY=NEWER)
        assert (lost.returncode, b"no key that is given opens the token of" in lost.stderr) == (1, True)
        done = await admin("mcp", "token", "reseal", AIBRIDGE_SECRETS_KEY=f"{NEWER},{KEY}")
        assert (done.returncode, done.stdout) == (0, b"Sealed anew: 1.\n")
        assert (await admin("mcp", "check", "--user", "ann", AIBRIDGE_SECRETS_KEY=NEWER)).returncode == 0
        assert (await admin("mcp", "check", "--user", "ann", AIBRIDGE_SECRETS_KEY=KEY)).returncode == 1


async def test_a_gateway_uses_what_the_command_has_set(admin: Admin, tmp_path: Path) -> None:
    """While it runs; the call is made with the user's own token, and the trail has neither it nor the other's."""
    async with authorized_tool_server() as server, raw_upstream(calling("whoami")) as upstream:
        await ready(admin, server)
        wiki = McpServerSettings(name="wiki", url=server.url, auth=USER)
        async with (
            running_gateway(tmp_path, upstream.url, mcp=(wiki,), secrets_key=(bytes(range(32)),)) as up,
            up.client() as client,
        ):
            secret = server.grants.issue("ann")
            done = await admin("mcp", "token", "set", "--user", "ann", "--server", "wiki", given=secret)
            assert done.returncode == 0, done.stderr
            answer = await client.post("/anthropic/v1/messages", json=ASKED, headers=up.anthropic)
            assert "you are ann" in answer.text
            (interception,) = await up.ended()
            (usage,) = interception["tool_usages"]
            assert (usage["tool"], usage["server_url"]) == ("whoami", server.url)
            assert secret not in json.dumps(interception)
            assert up.gateway.mcp_counters.servers["wiki"].left_out == 0


async def test_without_a_key_or_a_place_the_gateway_does_not_start() -> None:
    """For library users, whose settings nobody has checked before."""
    wiki = McpServerSettings(name="wiki", url="http://127.0.0.1:1/mcp", auth=USER)
    with pytest.raises(TokensNotKept, match=r"MCP server wiki wants a token of each user .* .AIBRIDGE_SECRETS_KEY"):
        async with gateway(Settings(database_url="sqlite:///:memory:", mcp=(wiki,))):
            pytest.fail("it started")
    memory = MemoryStorage()
    parts = {name: getattr(memory, name) for name in ("recorder", "store", "leases", "identity", "retention")}
    plugin = type("Plugin", (), parts)()
    with pytest.raises(TokensNotKept, match="this storage keeps no tokens of users; SQLite and PostgreSQL do"):
        async with gateway(Settings(mcp=(wiki,), secrets_key=(bytes(32),)), storage=plugin):
            pytest.fail("it started")
