"""What a database URL names.

Belongs here: reading the URLs of bundled storages. Never: opening anything.
"""

from importlib import import_module
from types import ModuleType

from aibridge_adapters.storage.errors import StorageConfigError

ALLOWED = (
    "postgresql://USER@HOST/DATABASE, sqlite:///relative/path.db, sqlite:////absolute/path.db or sqlite:///:memory:"
)
POSTGRES = ("postgresql", "postgres")


def scheme_of(url: str) -> str:
    """In front of `://`; empty for what is no URL."""
    scheme, separator, _ = url.partition("://")
    return scheme if separator else ""


def sqlite_path(url: str) -> str:
    """The file that an SQLite URL names, or `:memory:`. Raises StorageConfigError.

    Its message leaves the URL out: one that was mistyped may hold a password.
    """
    rest = url.partition("://")[2]
    path = rest.removeprefix("/")
    if not rest.startswith("/") or not path:
        raise StorageConfigError(f"the database URL names no file after sqlite:///; allowed are {ALLOWED}")
    if "?" in path:
        raise StorageConfigError(f"options after '?' are not supported by SQLite; allowed are {ALLOWED}")
    return path


def postgres_adapter() -> ModuleType:
    """The adapter for PostgreSQL, which is an extra. Raises StorageConfigError if psycopg, or its libpq, is missing."""
    try:
        return import_module("aibridge_adapters.storage.postgres")
    except ImportError as error:
        raise StorageConfigError(
            f"PostgreSQL needs a package that is not installed ({error.name or 'psycopg'}): "
            "pip install 'aibridge[postgres]'"
        ) from error
