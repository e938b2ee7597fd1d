"""`aibridge mcp token`: what users are known by to MCP servers that want a token of each.

Belongs here: flags and words. A token comes from a prompt, standard input or a file, never from the command line, where
other users of the machine and the shell's history would see it; and it is never shown again.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from aibridge_adapters.cli.database import database_options, run_with_storage
from aibridge_adapters.cli.errors import Failure, Misuse, failures_in_words
from aibridge_adapters.cli.group import Group
from aibridge_adapters.cli.output import Column, Row, emit, output_option
from aibridge_adapters.cli.safe_text import safe
from aibridge_adapters.cli.user_commands import CACHE_NOTE
from aibridge_adapters.cli.values import rfc3339
from aibridge_adapters.clock import SystemClock, new_id
from aibridge_adapters.compose_mcp import token_keeping
from aibridge_adapters.config import Settings
from aibridge_adapters.config_sources.values import BadValue, read_secret_file
from aibridge_adapters.identity import Users
from aibridge_adapters.mcp import McpUnusable, TokensNotKept, opened_keeping
from aibridge_adapters.storage import Storage
from aibridge_core.identity import Invalid, User
from aibridge_core.tool_credentials import ToolCredential, ToolCredentials

user_option = click.option("--user", required=True, metavar="USER", help="Whose token: a username or an id.")
server_option = click.option("--server", required=True, metavar="NAME", help="Which server, as it is configured.")


@click.group(cls=Group)
def token() -> None:
    """Keep the tokens by which MCP servers know each user.

    For servers that are configured with auth = user. Tokens are encrypted with secrets_key (AIBRIDGE_SECRETS_KEY) and
    never shown again.

    \b
    aibridge mcp token set --user ann --server tickets
    aibridge mcp check --user ann
    """


@token.command("set")
@user_option
@server_option
@click.option("--file", "file", type=click.Path(path_type=Path), metavar="FILE", help="A file that holds the token.")
@database_options
def set_(user: str, server: str, file: Path | None, **database: Any) -> None:
    """Keep a token of a user for a server, in place of any other.

    It is asked for on a terminal, and read from standard input elsewhere:

    \b
    pass show tickets/ann | aibridge mcp token set --user ann --server tickets
    """
    text = _token_text(file)

    async def keep(settings: Settings, storage: Storage) -> User:
        from aibridge_adapters.mcp.kept import KeptTokens, private_server  # noqa: PLC0415  needs the extra
        from aibridge_adapters.mcp.tokens import UserToken  # noqa: PLC0415

        chosen = private_server({each.name: each for each in settings.mcp}, server)
        keeping = opened_keeping(token_keeping(settings, storage), for_servers=[server])
        owner = await users_of(storage).get(user)
        kept = KeptTokens(keeping, SystemClock(), new_id)
        await kept.set(owner, chosen, UserToken(text=text, url=chosen.url))
        return owner

    with failures_in_words(McpUnusable):
        owner = run_with_storage(keep, **database)
    click.echo(f"Kept a token of {owner.username} for {server}. {CACHE_NOTE}")
    click.echo(f"To see whether the server takes it: aibridge mcp check --user {owner.username}", err=True)


@token.command("list")
@click.option("--user", metavar="USER", help="Of this user alone: a username or an id.")
@output_option
@database_options
def list_(user: str | None, output: str | None, **database: Any) -> None:
    """List who has a token for which server; never the tokens."""

    async def read(_: Settings, storage: Storage) -> list[Row]:
        people = users_of(storage)
        chosen = None if user is None else [(await people.get(user)).id]
        names = {each.id: each.username for each in await people.all()}
        return [_row(each, names.get(each.user_id, "")) for each in await credentials_of(storage).find(chosen)]

    with failures_in_words(McpUnusable):
        emit(run_with_storage(read, **database), _COLUMNS, output)


@token.command()
@user_option
@server_option
@database_options
def remove(user: str, server: str, **database: Any) -> None:
    """Forget a user's token for a server.

    A running gateway knows within 5 seconds and then makes no more requests with it; calls that are under way are
    finished. The token itself stays valid until the server revokes it.
    """

    async def forget(_: Settings, storage: Storage) -> User:
        owner = await users_of(storage).get(user)
        await credentials_of(storage).remove(owner.id, server)
        return owner

    with failures_in_words(McpUnusable):
        owner = run_with_storage(forget, **database)
    click.echo(f"Removed the token of {owner.username} for {safe(server)}. {CACHE_NOTE}")


@token.command()
@database_options
def reseal(**database: Any) -> None:
    """Encrypt all tokens anew with the first key of secrets_key.

    To change keys: put the new one in front of the old one, restart all gateways, run this, take the old one away.
    """

    async def seal(settings: Settings, storage: Storage) -> tuple[int, Sequence[ToolCredential]]:
        from aibridge_adapters.mcp.kept import KeptTokens  # noqa: PLC0415  needs the extra

        keeping = opened_keeping(token_keeping(settings, storage), for_servers=[])
        done = await KeptTokens(keeping, SystemClock(), new_id).reseal()
        return done.count, done.unreadable

    with failures_in_words(McpUnusable):
        count, unreadable = run_with_storage(seal, **database)
    click.echo(f"Sealed anew: {count}.")
    if unreadable:
        places = ", ".join(f"{each.user_id} for {each.server}" for each in unreadable)
        raise Failure(
            safe(f"no key that is given opens the token of: {places}; set those tokens again, or add the key")
        )


def users_of(storage: Storage) -> Users:
    """The users of a storage."""
    return Users(storage.identity, SystemClock(), new_id)


def credentials_of(storage: Storage) -> ToolCredentials:
    """Where tokens are kept. Raises TokensNotKept if this storage has no place for them."""
    store: ToolCredentials | None = getattr(storage, "tool_credentials", None)
    if store is None:
        raise TokensNotKept("this storage keeps no tokens of users; SQLite and PostgreSQL do")
    return store


def _token_text(file: Path | None) -> str:
    if file is not None:
        try:
            return read_secret_file(file)
        except BadValue as error:
            raise Misuse(f"--file {safe(str(file))}: {error}") from error
    if sys.stdin.isatty():
        return str(click.prompt("Token", hide_input=True, err=True)).strip()
    text = sys.stdin.readline().strip()
    if not text:
        raise Invalid("no token came on standard input")
    return text


def _row(credential: ToolCredential, username: str) -> Row:
    return {
        "username": username,
        "user_id": credential.user_id,
        "server": credential.server,
        "kind": "login" if credential.renewable else "token",
        "created_at": rfc3339(credential.created_at),
        "expires_at": rfc3339(credential.expires_at) if credential.expires_at else None,
    }


_COLUMNS = (
    Column(title="USER", cell=lambda row: row["username"]),
    Column(title="SERVER", cell=lambda row: row["server"]),
    Column(title="KIND", cell=lambda row: row["kind"]),
    Column(title="SET", cell=lambda row: row["created_at"][:10], rank=1),
    Column(title="EXPIRES", cell=lambda row: (row["expires_at"] or "unknown")[:16].replace("T", " ")),
)
