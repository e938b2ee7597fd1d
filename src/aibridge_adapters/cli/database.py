"""The way of `aibridge users`, `aibridge tokens` and `aibridge mcp` to the database that the settings name.

Belongs here: opening it for one use case. Never: what is done there. A gateway that runs meanwhile isn't disturbed.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import click

from aibridge_adapters.cli.config_flags import config_options, settings_from_flags
from aibridge_adapters.cli.errors import Failure, failures_in_words
from aibridge_adapters.cli.safe_text import safe
from aibridge_adapters.clock import SystemClock, new_id
from aibridge_adapters.config import Settings
from aibridge_adapters.identity import Users
from aibridge_adapters.storage import Storage, StorageError, open_storage

T = TypeVar("T")


def database_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a database, for commands that need no other setting."""
    option = click.option("--database-url", metavar="URL", help="Database, as for `aibridge serve`.")
    return config_options(option(command))


def run_with_users(work: Callable[[Users], Awaitable[T]], **flags: Any) -> T:
    """Do one thing with users and tokens; `flags` are those of `database_options`. Raises what the settings raise."""
    return run_with_storage(lambda _, storage: work(Users(storage.identity, SystemClock(), new_id)), **flags)


def run_with_storage(work: Callable[[Settings, Storage], Awaitable[T]], **flags: Any) -> T:
    """Do one thing with settings and storage; as `run_with_users`."""
    loaded = settings_from_flags(**flags)
    for warning in loaded.warnings:
        click.echo(f"Warning: {safe(warning)}", err=True)
    if ":memory:" in loaded.settings.database_url:
        raise Failure("a database in memory is gone when this command ends; name a file with --database-url")
    with failures_in_words(StorageError):
        return anyio.run(_run, loaded.settings, work)


async def _run(settings: Settings, work: Callable[[Settings, Storage], Awaitable[T]]) -> T:
    async with open_storage(settings.database_url, clock=SystemClock(), owner=f"cli-{new_id()}") as storage:
        return await work(settings, storage)
