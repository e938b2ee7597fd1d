"""`aibridge users`: who may use the gateway.

Belongs here: flags and words. Never: rules (identity/users.py) or storage (database.py).
"""

import sys
from typing import Any

import click

from aibridge_adapters.cli.database import database_options, run_with_users
from aibridge_adapters.cli.errors import Failure, Misuse
from aibridge_adapters.cli.group import Group
from aibridge_adapters.cli.output import Column, emit, output_option
from aibridge_adapters.cli.values import rfc3339
from aibridge_core.actors import Role
from aibridge_core.identity import User

CACHE_NOTE = "A running gateway knows within 5 seconds."

_role = click.Choice([role.value for role in Role])


@click.group(cls=Group)
def users() -> None:
    """Say who may use the gateway, and what they may read.

    A member reads their own interceptions, an auditor and an admin everybody's. These commands work on the
    database itself, whether a gateway runs or not.

    \b
    aibridge users create ann --name 'Ann Lee' --role admin
    aibridge tokens create ann --name laptop
    """


@users.command()
@click.argument("username")
@click.option("--name", default="", help="Name for people to read.")
@click.option("--role", type=_role, default=Role.MEMBER.value, show_default=True, help="What the user may read.")
@database_options
def create(username: str, name: str, role: str, **database: Any) -> None:
    """Create a user.

    USERNAME is 1 to 64 characters of a-z A-Z 0-9 . _ - @
    """
    user = run_with_users(lambda users: users.create(username, name=name, role=Role(role)), **database)
    click.echo(f"Created {user.username} ({user.role}), id {user.id}.")
    click.echo(f"Next, a token: aibridge tokens create {user.username} --name laptop", err=True)


@users.command("list")
@output_option
@database_options
def list_(output: str | None, **database: Any) -> None:
    """List all users, by username."""
    emit([user_json(user) for user in run_with_users(lambda users: users.all(), **database)], _COLUMNS, output)


@users.command()
@click.argument("user")
@database_options
def suspend(user: str, **database: Any) -> None:
    """Refuse all tokens of USER (a username or an id), until `aibridge users resume`.

    A running gateway knows within 5 seconds. Answers that are under way are finished.
    """
    found = run_with_users(lambda users: users.suspend(user), **database)
    click.echo(f"Suspended {found.username}: every token is refused. {CACHE_NOTE}")


@users.command()
@click.argument("user")
@database_options
def resume(user: str, **database: Any) -> None:
    """End the suspension of USER."""
    found = run_with_users(lambda users: users.resume(user), **database)
    click.echo(f"Resumed {found.username}: tokens are valid again.")


@users.command()
@click.argument("user")
@click.argument("new_role", metavar="[member|auditor|admin]", type=_role)
@database_options
def role(user: str, new_role: str, **database: Any) -> None:
    """Change what USER may read."""
    found = run_with_users(lambda users: users.set_role(user, Role(new_role)), **database)
    click.echo(f"{found.username} is now {found.role}. {CACHE_NOTE}")


@users.command()
@click.argument("user")
@click.option("-y", "--yes", is_flag=True, help="Don't ask. Needed where nobody can be asked.")
@database_options
def delete(user: str, yes: bool, **database: Any) -> None:
    """Delete USER with all tokens. Interceptions stay.

    To keep the name from being given to somebody else, suspend the user instead.
    """
    if not yes:
        _ask(f"Delete {user} and all tokens?")
    found = run_with_users(lambda users: users.delete(user), **database)
    click.echo(f"Deleted {found.username}. {CACHE_NOTE}")


def user_json(user: User) -> dict[str, Any]:
    """A user as `--output json` shows it."""
    return {
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "role": user.role.value,
        "suspended": user.suspended,
        "created_at": rfc3339(user.created_at),
    }


_COLUMNS = (
    Column(title="USERNAME", cell=lambda row: row["username"]),
    Column(title="NAME", cell=lambda row: row["name"], rank=2),
    Column(title="ROLE", cell=lambda row: row["role"]),
    Column(
        title="STATE",
        cell=lambda row: "suspended" if row["suspended"] else "active",
        style=lambda row: "red" if row["suspended"] else "green",
    ),
    Column(title="CREATED", cell=lambda row: row["created_at"][:10], rank=3),
    Column(title="ID", cell=lambda row: row["id"], rank=1),
)


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise Misuse("nobody can be asked here; say --yes")
    if not click.confirm(question):
        raise Failure("not deleted")
