"""Brings a database's schema up to date: numbered migrations, forward only.

Belongs here: how migrations are applied. Never: a table's columns; they are in `migrations/`, one file per step, never
changed once released.

All missing steps are one transaction, which holds a lock that belongs to it: so it is free again when the transaction
ends, however it ends, and a pooler in transaction mode is no obstacle.
"""

import logging
from collections.abc import Sequence

import psycopg
from psycopg.pq import TransactionStatus

from aibridge_adapters.storage.errors import DatabaseTooNew, MigrationFailed
from aibridge_adapters.storage.migrations import Applied, Migration, shipped
from aibridge_adapters.storage.postgres.columns import MOMENT, moment, readable
from aibridge_adapters.storage.postgres.connecting import Connection, in_words
from aibridge_adapters.storage.rows import moment_of

_log = logging.getLogger(__name__)

LOCK = 4_271_859_316_225_501
"""The advisory lock of whoever migrates; any number that no other application on the database uses."""

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL
)
"""
_BEGIN = "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"
"""A migration takes as long as it takes, and so does waiting for another process's."""


def shipped_migrations() -> Sequence[Migration]:
    """All steps that this program knows, in order."""
    return shipped(__package__)


async def migrate(connection: Connection, *, now: int, migrations: Sequence[Migration]) -> Sequence[Migration]:
    """Apply what is missing, all of it or nothing; what that was. Processes that start at the same time take turns.

    `now` is in microseconds since the Unix epoch. The connection must not be in a transaction. Raises
    MigrationFailed, DatabaseTooNew.
    """
    try:
        if await applied(connection) == len(migrations):
            return ()
        await connection.execute(_BEGIN)
        try:
            missing = await _apply_missing(connection, now, migrations)
            await connection.execute("COMMIT")
        finally:
            if connection.pgconn.transaction_status != TransactionStatus.IDLE and not connection.closed:
                await connection.execute("ROLLBACK")
    except psycopg.Error as error:
        raise MigrationFailed(f"the database's schema can't be brought up to date: {_why(error)}") from error
    return missing


async def applied(connection: Connection) -> int:
    """The newest step that the database has; 0 for an empty one. Raises psycopg.Error."""
    cursor = await connection.execute("SELECT to_regclass('schema_migrations') IS NOT NULL")
    if await cursor.fetchone() != (True,):
        return 0
    newest = await (await connection.execute("SELECT coalesce(max(version), 0) FROM schema_migrations")).fetchone()
    return int(newest[0]) if newest else 0


async def ledger(connection: Connection) -> Sequence[Applied]:
    """What has been applied, in order. Raises psycopg.Error."""
    if not await applied(connection):
        return ()
    query = f"SELECT version, name, {readable('applied_at')} FROM schema_migrations ORDER BY version"
    rows = await (await connection.execute(query)).fetchall()
    return [Applied(version=version, name=name, at=moment_of(at)) for version, name, at in rows]


async def _apply_missing(connection: Connection, now: int, migrations: Sequence[Migration]) -> Sequence[Migration]:
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))  # whoever comes second finds the work done
    await connection.execute(_LEDGER)
    present = await applied(connection)
    if present > len(migrations):
        raise DatabaseTooNew(
            f"the database's schema has version {present}, this aibridge knows up to {len(migrations)}; "
            "run the aibridge that wrote it, or a newer one"
        )
    for migration in migrations[present:]:
        await _apply(connection, now, migration)
    return migrations[present:]


async def _apply(connection: Connection, now: int, migration: Migration) -> None:
    _log.info("applying migration %s", migration.step)
    try:
        await connection.execute(migration.script.encode())
    except psycopg.Error as error:
        raise MigrationFailed(f"migration {migration.step} failed, nothing was changed: {_why(error)}") from error
    row = (migration.version, migration.name, *moment(now))
    await connection.execute(
        f"INSERT INTO schema_migrations (version, name, applied_at) VALUES (%s, %s, {MOMENT})", row
    )


def _why(error: psycopg.Error) -> str:
    """Migrations hold nobody's data, so the server's own words may be shown."""
    return error.diag.message_primary or in_words(error)
