"""Brings a database's schema up to date: numbered migrations, forward only.

Belongs here: how migrations are applied. Never: a table's columns; they are in `migrations/`, one file per step, never
changed once released.

All missing steps are one transaction, which holds a lock that belongs to it: so it is free again when the transaction
ends, however it ends, and a pooler in transaction mode is no obstacle.

Gateways of the version before go on meanwhile. Whoever waits for a table that a long query reads makes everybody else
wait behind itself; so a step waits for a table for a moment only, lets the others pass, and tries again.
"""

import asyncio
import logging
from collections.abc import Sequence

import psycopg
from psycopg.errors import DeadlockDetected, LockNotAvailable
from psycopg.pq import TransactionStatus

from aibridge_adapters.storage.errors import MigrationFailed, StorageNotOpened
from aibridge_adapters.storage.migrations import NOT_OURS, Applied, Migration, missing, shipped, warn_of_newer
from aibridge_adapters.storage.postgres.columns import MOMENT, moment, readable
from aibridge_adapters.storage.postgres.connecting import Connection, in_words
from aibridge_adapters.storage.rows import moment_of

_log = logging.getLogger(__name__)

LOCK = 4_271_859_316_225_501
"""The advisory lock of whoever migrates; any number that no other application on the database uses."""

PATIENCE = 60.0
"""How long a table may be in use by others before a migration gives up, in seconds."""
SHORTEST_WAIT, LONGEST_WAIT = 0.25, 2.0
"""For a table, in seconds, at the first try and at last: in the beginning too short for a request to be refused, in the
end long enough for autovacuum, which makes way for whoever has waited a second (`deadlock_timeout`)."""
PAUSE = 1.0
"""Between two tries, in seconds."""
_IN_USE = (LockNotAvailable, DeadlockDetected)
"""Somebody else has a table. Gateways take tables in another order than steps do, so each may wait for the other."""

_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL,
    works_from integer
);
DO $$ BEGIN
    -- IF NOT EXISTS would wait for a backup that reads the table, also where there is nothing to add.
    IF NOT EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = 'schema_migrations'::regclass AND attname = 'works_from'
            AND NOT attisdropped
    ) THEN
        ALTER TABLE schema_migrations ADD COLUMN works_from integer;
    END IF;
END $$
"""
_NOTE = f"INSERT INTO schema_migrations (version, name, applied_at, works_from) VALUES (%s, %s, {MOMENT}, %s)"
_BEGIN = "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"
"""A migration takes as long as it takes, and so does waiting for another process's. Waiting for a table does not."""


def shipped_migrations() -> Sequence[Migration]:
    """All steps that this program knows, in order."""
    return shipped(__package__)


async def migrate(
    connection: Connection, *, now: int, migrations: Sequence[Migration], patience: float = PATIENCE
) -> Sequence[Migration]:
    """Apply what is missing, all of it or nothing; what that was. Processes that start at the same time take turns.

    `now` is in microseconds since the Unix epoch, `patience` in seconds. The connection must not be in a transaction.
    Raises MigrationFailed, DatabaseTooNew, StorageNotOpened.
    """
    try:
        applied = await ledger(connection)
        if not missing(applied, migrations):
            warn_of_newer(applied, migrations)
            return ()
        return await _patiently(connection, now, migrations, patience)
    except _IN_USE as error:
        raise MigrationFailed(
            f"the schema can't be brought up to date: a table has been in use for {patience:g} s, nothing was changed; "
            "see pg_stat_activity for the oldest transaction, and try again when it has ended"
        ) from error
    except psycopg.Error as error:
        raise MigrationFailed(f"the database's schema can't be brought up to date: {_why(error)}") from error


async def ledger(connection: Connection) -> Sequence[Applied]:
    """What has been applied, in order. Raises psycopg.Error, StorageNotOpened for a ledger that isn't ours."""
    cursor = await connection.execute("SELECT to_regclass('schema_migrations') IS NOT NULL")
    if await cursor.fetchone() != (True,):
        return ()
    # A ledger of the first versions has no `works_from`.
    works_from = "(to_jsonb(schema_migrations) ->> 'works_from')::integer"
    query = f"SELECT version, name, {readable('applied_at')}, {works_from} FROM schema_migrations ORDER BY version"
    try:
        rows = await (await connection.execute(query)).fetchall()
    except psycopg.errors.UndefinedColumn as error:
        raise StorageNotOpened(f"the database can't be used: {NOT_OURS}") from error
    return [
        Applied(version=version, name=name, at=moment_of(at), works_from=oldest) for version, name, at, oldest in rows
    ]


async def _patiently(
    connection: Connection, now: int, migrations: Sequence[Migration], patience: float
) -> Sequence[Migration]:
    """Try until no table is in use by others. Raises one of _IN_USE when patience is over."""
    last = asyncio.get_running_loop().time() + patience
    wait = SHORTEST_WAIT
    while True:
        try:
            return await _in_one_transaction(connection, now, migrations, wait)
        except _IN_USE:
            if asyncio.get_running_loop().time() >= last:
                raise
            _log.warning("the schema can't be changed yet: a table is in use; trying again")
        wait = min(wait * 2, LONGEST_WAIT)
        await asyncio.sleep(PAUSE)


async def _in_one_transaction(
    connection: Connection, now: int, migrations: Sequence[Migration], wait: float
) -> Sequence[Migration]:
    await connection.execute(_BEGIN)
    try:
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))  # whoever comes second finds it done
        await connection.execute(f"SET LOCAL lock_timeout = {int(wait * 1000)}")
        await connection.execute(_LEDGER)
        steps = missing(await ledger(connection), migrations)
        for migration in steps:
            await _apply(connection, now, migration)
        await connection.execute("COMMIT")
    finally:
        if connection.pgconn.transaction_status != TransactionStatus.IDLE and not connection.closed:
            await connection.execute("ROLLBACK")
    return steps


async def _apply(connection: Connection, now: int, migration: Migration) -> None:
    _log.info("applying migration %s", migration.step)
    try:
        await connection.execute(migration.script.encode())
    except _IN_USE:
        raise
    except psycopg.Error as error:
        raise MigrationFailed(f"migration {migration.step} failed, nothing was changed: {_why(error)}") from error
    await connection.execute(_NOTE, (migration.version, migration.name, *moment(now), migration.works_from))


def _why(error: psycopg.Error) -> str:
    """Migrations hold nobody's data, so the server's own words may be shown."""
    return error.diag.message_primary or in_words(error)
