"""Brings a database's schema up to date: numbered migrations, forward only.

Belongs here: which migrations there are and how they are applied. Never: a table's columns; they are in
`migrations/`, one file per step, never changed once released.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence

from aibridge_adapters.storage.errors import MigrationFailed, StorageNotOpened
from aibridge_adapters.storage.migrations import NOT_OURS, Applied, Migration, missing, shipped
from aibridge_adapters.storage.rows import moment_of

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at INTEGER NOT NULL
)
"""


def shipped_migrations() -> Sequence[Migration]:
    """All steps that this program knows, in order."""
    return shipped(__package__)


def migrate(connection: sqlite3.Connection, *, now: int, migrations: Sequence[Migration]) -> None:
    """Apply what is missing, all of it or nothing; processes that start at the same time take turns.

    `now` is in microseconds since the Unix epoch. The connection must not be in a transaction. Raises
    MigrationFailed, DatabaseTooNew, StorageNotOpened.
    """
    try:
        if not missing(ledger(connection), migrations):
            return
        connection.execute("BEGIN IMMEDIATE")  # the lock: whoever comes second waits, and finds the work done
        try:
            _apply_missing(connection, now, migrations)
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise
    except sqlite3.Error as error:
        raise MigrationFailed(f"the database's schema can't be brought up to date: {error}") from error


def _apply_missing(connection: sqlite3.Connection, now: int, migrations: Sequence[Migration]) -> None:
    connection.execute(_LEDGER)
    for migration in missing(ledger(connection), migrations):
        _apply(connection, now, migration)


def _apply(connection: sqlite3.Connection, now: int, migration: Migration) -> None:
    try:
        for statement in _statements(migration.script):
            connection.execute(statement)
    except sqlite3.Error as error:
        raise MigrationFailed(f"migration {migration.step} failed, nothing was changed: {error}") from error
    row = (migration.version, migration.name, now)
    connection.execute("INSERT INTO schema_migrations (version, name, applied_at) VALUES (?, ?, ?)", row)


def ledger(connection: sqlite3.Connection) -> Sequence[Applied]:
    """What has been applied, in order. Raises sqlite3.Error, StorageNotOpened for a ledger that isn't ours."""
    columns = {row[0] for row in connection.execute("SELECT name FROM pragma_table_info('schema_migrations')")}
    if not columns:
        return ()
    if not columns >= {"version", "name", "applied_at"}:
        raise StorageNotOpened(f"the database can't be used: {NOT_OURS}")
    rows = connection.execute("SELECT version, name, applied_at FROM schema_migrations ORDER BY version").fetchall()
    return [Applied(version=version, name=name, at=moment_of(at)) for version, name, at in rows]


def _statements(script: str) -> Iterator[str]:
    """One statement after the other. `executescript` would commit what is open, so it can't be used here."""
    statement = ""
    for piece in re.split("(?<=;)", script):
        statement += piece
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if re.sub(r"--.*", "", statement).strip():
        yield statement
