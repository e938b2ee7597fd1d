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

_ALLOWED = (
    "postgresql://USER@HOST/DATABASE, sqlite:///relative/path.db, sqlite:////absolute/path.db or sqlite:///:memory:"
)
_NO_PSYCOPG = "PostgreSQL needs a package that is not installed ({}): pip install 'aibridge[postgres]'"


def open_storage(
    url: str, *, clock: Clock, owner: str, limits: Limits | None = None
) -> AbstractAsyncContextManager[Storage]:
    """An asynchronous context around the storage at `url`; leaving it writes everything that still waits.

    `owner` names this process, unlike any other that uses the same database: what it begins belongs to it.
    `limits` are for PostgreSQL. `sqlite:///:memory:` is a private database that is gone when the context is left.
    Raises StorageConfigError at once; entering raises StorageNotOpened, MigrationFailed.
    """
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgresql", "postgres") and separator:
        return _open_postgres(url, clock, owner, limits)
    if scheme != "sqlite" or not separator:
        return _open_other(scheme if separator else "", url, clock, owner)
    path = rest.removeprefix("/")
    if not rest.startswith("/") or not path:
        raise StorageConfigError(f"{url!r} names no file; allowed are {_ALLOWED}")
    if "?" in path:
        raise StorageConfigError(f"options after '?' are not supported in {url!r}; allowed are {_ALLOWED}")
    return open_sqlite(path, clock=clock, owner=owner)


def _open_postgres(url: str, clock: Clock, owner: str, limits: Limits | None) -> AbstractAsyncContextManager[Storage]:
    try:
        from aibridge_adapters.storage.postgres import open_postgres  # noqa: PLC0415 - an extra
    except ImportError as error:  # psycopg is missing, or its libpq
        raise StorageConfigError(_NO_PSYCOPG.format(error.name or "psycopg")) from error
    return open_postgres(url, clock=clock, owner=owner, limits=limits)


def _open_other(scheme: str, url: str, clock: Clock, owner: str) -> AbstractAsyncContextManager[Storage]:
    opened = open_with_plugin(scheme, url, clock=clock, owner=owner)
    if opened is None:
        installed = "".join(f", {each}://... (a plugin)" for each in plugin_schemes())
        raise StorageConfigError(f"unknown database URL scheme {scheme!r}; allowed are {_ALLOWED}{installed}")
    return opened
