"""Storage adapters: where interceptions, users and tokens are kept. `open_storage` finds the one for a URL.

Belongs here: the choice by URL. Never: SQL.

Schemes that aren't bundled are those of installed plugins; see `aibridge_adapters.storage.plugins`.
"""

from contextlib import AbstractAsyncContextManager

from aibridge_adapters.storage.errors import (
    DatabaseTooNew,
    MigrationFailed,
    StorageConfigError,
    StorageError,
    StorageNotOpened,
)
from aibridge_adapters.storage.limits import Limits
from aibridge_adapters.storage.opened import Storage
from aibridge_adapters.storage.plugins import open_with_plugin, plugin_schemes
from aibridge_adapters.storage.sqlite import open_sqlite
from aibridge_adapters.storage.urls import ALLOWED, POSTGRES, postgres_adapter, scheme_of, sqlite_path
from aibridge_core.ports import Clock

__all__ = [
    "DatabaseTooNew",
    "Limits",
    "MigrationFailed",
    "Storage",
    "StorageConfigError",
    "StorageError",
    "StorageNotOpened",
    "open_storage",
]


def open_storage(
    url: str, *, clock: Clock, owner: str, limits: Limits | None = None
) -> AbstractAsyncContextManager[Storage]:
    """An asynchronous context around the storage at `url`; leaving it writes everything that still waits.

    `owner` names this process, unlike any other that uses the same database: what it begins belongs to it.
    `limits` are for PostgreSQL. `sqlite:///:memory:` is a private database that is gone when the context is left.
    Raises StorageConfigError at once; entering raises StorageNotOpened, MigrationFailed.
    """
    scheme = scheme_of(url)
    if scheme in POSTGRES:
        opened: AbstractAsyncContextManager[Storage] = postgres_adapter().open_postgres(
            url, clock=clock, owner=owner, limits=limits
        )
        return opened
    if scheme == "sqlite":
        return open_sqlite(sqlite_path(url), clock=clock, owner=owner)
    return _open_other(scheme, url, clock, owner)


def _open_other(scheme: str, url: str, clock: Clock, owner: str) -> AbstractAsyncContextManager[Storage]:
    opened = open_with_plugin(scheme, url, clock=clock, owner=owner)
    if opened is None:
        installed = "".join(f", {each}://... (a plugin)" for each in plugin_schemes())
        raise StorageConfigError(f"unknown database URL scheme {scheme!r}; allowed are {ALLOWED}{installed}")
    return opened
