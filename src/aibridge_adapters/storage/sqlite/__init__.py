"""SQLite: the embedded default. One file, one writing thread, any number of readers.

Belongs here: how the parts are put together and taken apart. Never: SQL.
"""

import sqlite3
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from functools import partial
from pathlib import Path

import anyio.to_thread

from aibridge_adapters.storage.errors import StorageNotOpened
from aibridge_adapters.storage.migrations import Applied
from aibridge_adapters.storage.opened import Storage
from aibridge_adapters.storage.rows import micros
from aibridge_adapters.storage.sqlite.checkpoints import Checkpoints
from aibridge_adapters.storage.sqlite.files import connect_reader, connect_writer, prepare, prepare_to_migrate
from aibridge_adapters.storage.sqlite.identity import SqliteIdentityStore
from aibridge_adapters.storage.sqlite.leases import SqliteLeases
from aibridge_adapters.storage.sqlite.network_log import SqliteNetworkLog
from aibridge_adapters.storage.sqlite.readers import Readers
from aibridge_adapters.storage.sqlite.recorder import SqliteRecorder
from aibridge_adapters.storage.sqlite.retention import SqliteRetention
from aibridge_adapters.storage.sqlite.schema import ledger, migrate, shipped_migrations
from aibridge_adapters.storage.sqlite.settling import EVERY
from aibridge_adapters.storage.sqlite.store import SqliteInterceptionStore
from aibridge_adapters.storage.sqlite.tool_credentials import SqliteToolCredentials
from aibridge_adapters.storage.sqlite.writer import Writer
from aibridge_core.ports import Clock

__all__ = ["create_schema", "open_sqlite", "read_ledger", "shipped_migrations"]


def open_sqlite(
    path: str, *, clock: Clock, owner: str, settle_every: int = EVERY
) -> AbstractAsyncContextManager[Storage]:
    """Open the database file at `path`, made if it is missing; `:memory:` is a file that is gone afterwards.

    `settle_every`: how many ended interceptions get into their indexes together. Leaving the context writes what still
    waits. Entering raises StorageNotOpened, MigrationFailed.
    """
    opened = _open_temporary if path == ":memory:" else partial(_open, Path(path).absolute())
    return opened(clock, owner, settle_every)


@asynccontextmanager
async def _open_temporary(clock: Clock, owner: str, settle_every: int) -> AsyncIterator[Storage]:
    """A real file, so that it behaves like one: SQLite's own in-memory databases let readers block the writer."""
    with tempfile.TemporaryDirectory(prefix="aibridge-") as folder:
        async with _open(Path(folder) / "aibridge.db", clock, owner, settle_every) as storage:
            yield storage


@asynccontextmanager
async def _open(file: Path, clock: Clock, owner: str, settle_every: int) -> AsyncIterator[Storage]:
    await anyio.to_thread.run_sync(create_schema, file, clock)
    writer = Writer(partial(connect_writer, file), owner=owner, settle_every=settle_every)
    readers = Readers(file)
    await writer.start()
    try:
        yield Storage(
            recorder=SqliteRecorder(writer),
            writing=writer.writing,
            store=SqliteInterceptionStore(readers),
            leases=SqliteLeases(writer, owner),
            identity=SqliteIdentityStore(writer, readers),
            retention=SqliteRetention(writer, readers, Checkpoints(file), owner),
            tool_credentials=SqliteToolCredentials(writer, readers),
            network_log=SqliteNetworkLog(writer, readers),
        )
    finally:
        readers.close()
        await writer.close()


def create_schema(file: Path, clock: Clock) -> None:
    """Make the database file if it is missing, and bring its schema up to date.

    Raises StorageNotOpened, MigrationFailed.
    """
    prepare(file)
    try:
        connection = connect_writer(file)
    except sqlite3.Error as error:
        raise StorageNotOpened(f"can't open the database {file}: {error}") from error
    try:
        prepare_to_migrate(connection)
        migrate(connection, now=micros(clock.now()), migrations=shipped_migrations())
    finally:
        connection.close()


def read_ledger(file: Path) -> Sequence[Applied]:
    """The steps of the schema that a file has, in order; none if there is no file. Raises StorageNotOpened."""
    if not file.exists():
        return ()
    try:
        with closing(connect_reader(file)) as connection:
            return ledger(connection)
    except sqlite3.Error as error:
        raise StorageNotOpened(f"can't read the database {file}: {error}") from error
