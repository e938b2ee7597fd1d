"""`aibridge mcp login`: a token for a user, from the authorization server that an MCP server trusts.

Belongs here: flags, words, the browser. Never: the flow (`aibridge_adapters.mcp.login`).
"""

import logging
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import click

from aibridge_adapters.cli.database import database_options, run_with_storage
from aibridge_adapters.cli.errors import Misuse, failures_in_words
from aibridge_adapters.cli.mcp_token_commands import server_option, user_option, users_of
from aibridge_adapters.cli.redirect_listener import RedirectListener, redirect_listener
from aibridge_adapters.cli.safe_text import safe
from aibridge_adapters.cli.user_commands import CACHE_NOTE
from aibridge_adapters.cli.values import rfc3339
from aibridge_adapters.clock import SystemClock, new_id
from aibridge_adapters.compose_mcp import token_keeping
from aibridge_adapters.config import McpServerSettings, Settings
from aibridge_adapters.config_sources.values import BadValue, read_secret_file
from aibridge_adapters.http.server import ListenError
from aibridge_adapters.mcp import McpUnusable, opened_keeping
from aibridge_adapters.mcp.errors import LoginFailed
from aibridge_adapters.storage import Storage
from aibridge_core.identity import User
from aibridge_core.tool_credentials import ToolCredential

if TYPE_CHECKING:
    from aibridge_adapters.mcp.login import KnownClient
    from aibridge_adapters.mcp.tokens import Fresh

LONGEST: Final = 600.0
"""Seconds that a person has."""


@click.command()
@user_option
@server_option
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Where the browser comes back to. Default: any.")
@click.option("--no-browser", is_flag=True, help="Don't open one; the address is printed anyway.")
@click.option("--client-id", metavar="ID", help="The gateway's, where servers don't register clients by themselves.")
@click.option(
    "--client-secret-file", type=click.Path(path_type=Path), metavar="FILE", help="Its secret, if it has one."
)
@database_options
def login(
    *,
    user: str,
    server: str,
    port: int,
    no_browser: bool,
    client_id: str | None,
    client_secret_file: Path | None,
    **database: Any,
) -> None:
    """Log a user in to a server in a browser, and keep the token, which the gateway renews from then on.

    Whoever says yes in the browser is who the server will see. The browser comes back to this machine; if it runs on
    another one, choose a port and forward it: ssh -L 8765:127.0.0.1:8765 gateway.example.com

    \b
    aibridge mcp login --user ann --server tickets
    """
    logging.getLogger("mcp").setLevel(logging.CRITICAL + 1)  # its lines quote what servers answer
    secret = _secret(client_secret_file)
    if secret and not client_id:
        raise Misuse("--client-secret-file goes with --client-id")

    async def work(settings: Settings, storage: Storage) -> tuple[User, ToolCredential]:
        from aibridge_adapters.mcp.kept import KeptTokens, private_server  # noqa: PLC0415  needs the extra
        from aibridge_adapters.mcp.login import KnownClient  # noqa: PLC0415

        chosen = private_server({each.name: each for each in settings.mcp}, server)
        keeping = opened_keeping(token_keeping(settings, storage), for_servers=[server])
        owner = await users_of(storage).get(user)
        client = KnownClient(id=client_id, secret=secret) if client_id else None
        fresh = await _logged_in(chosen, settings, client, port=port, browser=not no_browser)
        kept = KeptTokens(keeping, SystemClock(), new_id)
        return owner, await kept.set(owner, chosen, fresh.token, expires_at=fresh.expires_at)

    with failures_in_words(McpUnusable, LoginFailed, ListenError, ValueError):
        owner, credential = run_with_storage(work, **database)
    until = f"until {rfc3339(credential.expires_at)}" if credential.expires_at else "for as long as the server likes"
    then = "; the gateway renews it" if credential.renewable else ""
    click.echo(f"Kept a token of {owner.username} for {server}, valid {until}{then}. {CACHE_NOTE}")


async def _logged_in(
    server: McpServerSettings, settings: Settings, client: "KnownClient | None", *, port: int, browser: bool
) -> "Fresh":
    from aibridge_adapters.mcp.login import Person, Redirected, log_in  # noqa: PLC0415  needs the extra
    from aibridge_adapters.mcp.wire import trust  # noqa: PLC0415

    async with redirect_listener(port) as listener:

        async def answer() -> Redirected:
            found = await listener.answer()
            return Redirected(code=found["code"], state=found["state"], issuer=found.get("iss"))

        async def show(page: str) -> None:
            await _show(page, listener, browser=browser)

        person = Person(redirect_uri=listener.url, show=show, answer=answer)
        try:
            with anyio.fail_after(LONGEST):
                return await log_in(
                    server, person, clock=SystemClock(), context=trust(settings.ca_bundle), client=client
                )
        except TimeoutError:
            raise LoginFailed(f"nobody logged in within {LONGEST / 60:.0f} minutes") from None


async def _show(page: str, listener: RedirectListener, *, browser: bool) -> None:
    listener.expect(page)
    click.echo("Open this address in a browser, and say yes:", err=True)
    click.echo(safe(page), err=True)
    if browser and sys.stderr.isatty():
        await anyio.to_thread.run_sync(webbrowser.open, page)


def _secret(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return read_secret_file(file)
    except BadValue as error:
        raise Misuse(f"--client-secret-file {safe(str(file))}: {error}") from error
