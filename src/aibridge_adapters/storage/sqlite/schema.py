"""Brings a database's schema up to date: numbered migrations, forward only.

Belongs here: which migrations there are and how they are applied. Never: a table's columns; they are in
`migrations/`, one file per step, never changed once released.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence

from aibridge_adapters.storage.errors import MigrationFailed, StorageNotOpened
from aibridge_adapters.storage.migrations import NOT_OURS, Applied, Migration, missing, shipped, warn_of_newer
from aibridge_adapters.storage.rows import moment_of

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    works_from INTEGER
)
"""
_LEDGER_NAMED = "SELECT 1 FROM pragma_table_info('schema_migrations') WHERE name = 'works_from'"
_NAME_IN_LEDGER = "ALTER TABLE schema_migrations ADD COLUMN works_from INTEGER"
_NOTE = "INSERT INTO schema_migrations (version, name, applied_at, works_from) VALUES (?, ?, ?, ?)"


def shipped_migrations() -> Sequence[Migration]:
    """All steps that this program knows, in order."""
    return shipped(__package__)


def migrate(connection: sqlite3.Connection, *, now: int, migrations: Sequence[Migration]) -> None:
    """Apply what is missing, all of it or nothing; processes that start at the same time take turns.

    `now` is in microseconds since the Unix epoch. The connection must not be in a transaction. Raises
    MigrationFailed, DatabaseTooNew, StorageNotOpened.
    """
    try:
        applied = ledger(connection)
        if not missing(applied, migrations):
            warn_of_newer(applied, migrations)
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
    if not connection.execute(_LEDGER_NAMED).fetchone():
        connection.execute(_NAME_IN_LEDGER)
    for migration in missing(ledger(connection), migrations):
        _apply(connection, now, migration)


def _apply(connection: sqlite3.Connection, now: int, migration: Migration) -> None:
    try:
        for statement in _statements(migration.script):
            connection.execute(statement)
    except sqlite3.Error as error:
        raise MigrationFailed(f"migration {migration.step} failed, nothing was changed: {error}") from error
    connection.execute(_NOTE, (migration.version, migration.name, now, migration.works_from))


def ledger(connection: sqlite3.Connection) -> Sequence[Applied]:
    """What has been applied, in order. Raises sqlite3.Error, StorageNotOpened for a ledger that isn't ours."""
    columns = {row[0] for row in connection.execute("SELECT name FROM pragma_table_info('schema_migrations')")}
    if not columns:
        return ()
    if not columns >= {"version", "name", "applied_at"}:
        raise StorageNotOpened(f"the database can't be used: {NOT_OURS}")
    works_from = "works_from" if "works_from" in columns else "NULL"
    query = f"SELECT version, name, applied_at, {works_from} FROM schema_migrations ORDER BY version"
    return [
        Applied(version=version, name=name, at=moment_of(at), works_from=oldest)
        for version, name, at, oldest in connection.execute(query).fetchall()
    ]


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
