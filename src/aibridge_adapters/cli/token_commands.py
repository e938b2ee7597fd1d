"""`aibridge tokens`: the credentials that clients send.

Belongs here: flags and words. A token's text goes to standard output alone and once; it is never logged or kept.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from aibridge_adapters.cli.database import database_options, run_with_users
from aibridge_adapters.cli.errors import Misuse
from aibridge_adapters.cli.group import Group
from aibridge_adapters.cli.output import Column, emit, output_option
from aibridge_adapters.cli.safe_text import safe_json
from aibridge_adapters.cli.user_commands import CACHE_NOTE
from aibridge_adapters.cli.values import moment_after, rfc3339
from aibridge_adapters.clock import SystemClock
from aibridge_adapters.identity import NewToken, Users
from aibridge_core.identity import ApiToken, User


@click.group(cls=Group)
def tokens() -> None:
    """Make and revoke the tokens by which the gateway knows people.

    A client sends its token where it would send the provider's key. Only its hash is kept: a lost token can't be
    shown again, make a new one.

    \b
    export AIBRIDGE_TOKEN=$(aibridge tokens create ann --name laptop --expires 90d)
    """


@tokens.command()
@click.argument("user")
@click.option("--name", default="default", show_default=True, help="What it is for; each name once per user.")
@click.option("--expires", metavar="TIME", help="90d, 12h, or 2027-01-31T00:00:00Z. Default: never.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Format.")
@database_options
def create(user: str, name: str, expires: str | None, output: str, **database: Any) -> None:
    """Create a token for USER (a username or an id), and show it this once.

    Standard output is the token alone, so that TOKEN=$(aibridge tokens create ann) works.
    """
    expires_at = _expiry(expires)

    async def make(users: Users) -> tuple[User, NewToken]:
        return await users.get(user), await users.create_token(user, name=name, expires_at=expires_at)

    owner, made = run_with_users(make, **database)
    if output == "json":
        click.echo(safe_json({"token": made.text, **token_json(made.token, owner.username)}))
    else:
        until = f"until {rfc3339(expires_at)}" if expires_at else "until it is revoked"
        click.echo(f"A token of {owner.username}, valid {until}. It is shown this once:", err=True)
        click.echo(made.text)


@tokens.command("list")
@click.argument("user", required=False)
@output_option
@database_options
def list_(user: str | None, output: str | None, **database: Any) -> None:
    """List the tokens of USER, or of everybody; never their secrets."""

    async def read(users: Users) -> tuple[Sequence[User], Sequence[ApiToken]]:
        return await users.all(), await users.tokens(user)

    owners, found = run_with_users(read, **database)
    names = {owner.id: owner.username for owner in owners}
    emit([token_json(token, names.get(token.user_id, "")) for token in found], _COLUMNS, output)


@tokens.command()
@click.argument("token")
@database_options
def revoke(token: str, **database: Any) -> None:
    """Revoke TOKEN, given as its id, as USERNAME/NAME, or as the whole text of a token that leaked.

    A running gateway knows within 5 seconds. Answers that are under way are finished.
    """
    revoked = run_with_users(lambda users: users.revoke(token), **database)
    click.echo(f"Revoked {revoked.name!r} ({revoked.id}). {CACHE_NOTE}")


def token_json(token: ApiToken, username: str) -> dict[str, Any]:
    """A token as `--output json` shows it, without anything secret."""
    return {
        "id": token.id,
        "user_id": token.user_id,
        "username": username,
        "name": token.name,
        "created_at": rfc3339(token.created_at),
        "expires_at": rfc3339(token.expires_at) if token.expires_at else None,
        "last_used_at": rfc3339(token.last_used_at) if token.last_used_at else None,
    }


_COLUMNS = (
    Column(title="USER", cell=lambda row: row["username"]),
    Column(title="NAME", cell=lambda row: row["name"]),
    Column(title="ID", cell=lambda row: row["id"]),
    Column(title="CREATED", cell=lambda row: row["created_at"][:10], rank=1),
    Column(title="EXPIRES", cell=lambda row: (row["expires_at"] or "never")[:10]),
    Column(title="LAST USED", cell=lambda row: (row["last_used_at"] or "never")[:16].replace("T", " ")),
)


def _expiry(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return moment_after(text, SystemClock().now())
    except ValueError as error:
        raise Misuse(f'parse expires value "{text}": {error}; or a duration such as 90d') from error
