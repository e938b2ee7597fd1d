"""PostgreSQL: one database for several gateways. psycopg, one writing connection, a few for everything else.

Belongs here: how the parts are put together and taken apart. Never: SQL.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import psycopg

from aibridge_adapters.storage.errors import StorageNotOpened
from aibridge_adapters.storage.limits import Limits
from aibridge_adapters.storage.migrations import Applied, Migration
from aibridge_adapters.storage.opened import Storage
from aibridge_adapters.storage.postgres.connecting import Address, Connection, address, in_words, require_usable
from aibridge_adapters.storage.postgres.identity import PostgresIdentityStore
from aibridge_adapters.storage.postgres.leases import PostgresLeases
from aibridge_adapters.storage.postgres.line import Line
from aibridge_adapters.storage.postgres.network_log import PostgresNetworkLog
from aibridge_adapters.storage.postgres.pool import Pool
from aibridge_adapters.storage.postgres.recorder import PostgresRecorder
from aibridge_adapters.storage.postgres.retention import PostgresRetention
from aibridge_adapters.storage.postgres.schema import ledger, migrate, shipped_migrations
from aibridge_adapters.storage.postgres.shared_limits import PostgresSharedLimits
from aibridge_adapters.storage.postgres.store import PostgresInterceptionStore
from aibridge_adapters.storage.postgres.tool_credentials import PostgresToolCredentials
from aibridge_adapters.storage.postgres.writer import Writer
from aibridge_adapters.storage.rows import micros
from aibridge_core.ports import Clock

__all__ = ["address", "create_schema", "open_postgres", "read_ledger", "shipped_migrations"]


def open_postgres(
    url: str, *, clock: Clock, owner: str, limits: Limits | None = None
) -> AbstractAsyncContextManager[Storage]:
    """Open the database at a `postgresql://` URL; its schema is brought up to date first.

    Leaving the context writes what still waits. Raises StorageConfigError at once; entering raises StorageNotOpened,
    MigrationFailed.
    """
    return _open(address(url), clock, owner, limits or Limits())


@asynccontextmanager
async def _open(where: Address, clock: Clock, owner: str, limits: Limits) -> AsyncIterator[Storage]:
    await create_schema(where, clock)
    pool = Pool(where, limits)
    writer = Writer(Line(where, owner=owner, limits=limits), limits)
    shared_limits = PostgresSharedLimits(where, pool, owner)
    writer.start()
    try:
        yield Storage(
            recorder=PostgresRecorder(writer),
            writing=writer.writing,
            store=PostgresInterceptionStore(pool),
            leases=PostgresLeases(pool, owner, clock),
            identity=PostgresIdentityStore(pool),
            retention=PostgresRetention(pool, owner, clock),
            tool_credentials=PostgresToolCredentials(pool),
            network_log=PostgresNetworkLog(pool),
            shared_limits=shared_limits,
        )
    finally:
        await shared_limits.close()
        await writer.close()
        await pool.close()


async def create_schema(where: Address, clock: Clock) -> Sequence[Migration]:
    """Bring the schema up to date; answers the steps that were missing. Raises StorageNotOpened, MigrationFailed."""
    async with _connected(where) as connection:
        return await migrate(connection, now=micros(clock.now()), migrations=shipped_migrations())


async def read_ledger(where: Address) -> Sequence[Applied]:
    """The steps of the schema that the database has, in order. Raises StorageNotOpened."""
    async with _connected(where) as connection:
        try:
            return await ledger(connection)
        except psycopg.Error as error:
            raise StorageNotOpened(f"can't read the database {where.shown}: {in_words(error)}") from error


@asynccontextmanager
async def _connected(where: Address) -> AsyncIterator[Connection]:
    """A connection for one use. Raises StorageNotOpened if there is none, or the server isn't one for us."""
    try:
        connection = await where.connect()
    except psycopg.Error as error:
        raise StorageNotOpened(f"can't connect to the database {where.shown}: {in_words(error)}") from error
    try:
        require_usable(connection, where.shown)
        yield connection
    finally:
        await connection.close()
