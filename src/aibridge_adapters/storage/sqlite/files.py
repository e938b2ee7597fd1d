"""The database file and connections to it.

Belongs here: folders, permissions, and the settings of a connection. Never: what the tables mean.
"""

import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path

from aibridge_adapters.storage.errors import StorageNotOpened

OLDEST_SQLITE = (3, 35, 0)
"""Has UPDATE FROM, and upserts without a named conflict. https://www.sqlite.org/changes.html"""

LOCK_TIMEOUT = 5.0
"""How long a statement waits for another process to let go of the database, in seconds."""

PREPARED = 256
"""Statements that stay prepared on a connection: those of the write side in all their sizes, and those of lists."""

_WRITER_SETTINGS = (
    # Readers go on while the writer writes.
    "PRAGMA journal_mode = WAL",
    # A commit returns when it is on the disk, not when it is in the operating system's memory.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    # What is deleted is overwritten with zeros and not only forgotten; that costs nothing that could be measured.
    # https://www.sqlite.org/pragma.html#pragma_secure_delete
    "PRAGMA secure_delete = ON",
    # Pages of 4 KiB in the log before they are copied to the database file: the default of 1000 copies the same index
    # pages again and again under load.
    "PRAGMA wal_autocheckpoint = 4000",
    # SQLite notes what a statement changes in case it has to undo it: in memory instead of a file for each statement.
    "PRAGMA temp_store = MEMORY",
    # Negative means KiB. More made no difference to the writer's processor time that could be measured.
    "PRAGMA cache_size = -8192",
)
_READER_SETTINGS = ("PRAGMA query_only = ON", "PRAGMA temp_store = MEMORY", "PRAGMA cache_size = -8192")


def prepare(path: Path) -> None:
    """Make the file and its folders if they are missing, for the current user only. Raises StorageNotOpened."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        needed = ".".join(map(str, OLDEST_SQLITE))
        raise StorageNotOpened(f"SQLite {needed} or newer is needed, this Python has {sqlite3.sqlite_version}")
    try:
        for folder in reversed([folder for folder in path.parents if not folder.exists()]):
            folder.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
    except OSError as error:
        raise StorageNotOpened(f"can't create the database {path}: {error.strerror}") from error


def prepare_to_migrate(connection: sqlite3.Connection) -> None:
    """Settings for steps of the schema. Raises sqlite3.Error."""
    # A table that gets a new form takes the name of the one before, which views and triggers of others may mention.
    connection.execute("PRAGMA legacy_alter_table = ON")
    with suppress(FileNotFoundError):  # no folder for temporary files can be written, so it has to be memory
        tempfile.gettempdir()
        # Keys of whole tables are sorted, and those of a long trail take too much memory.
        connection.execute("PRAGMA temp_store = FILE")


def connect_writer(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode, for the thread that calls. Raises sqlite3.Error."""
    return _connected(path, "rw", _WRITER_SETTINGS, check_same_thread=True)


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that can't write, for one thread at a time. Raises sqlite3.Error."""
    return _connected(path, "ro", _READER_SETTINGS, check_same_thread=False)


def _connected(path: Path, mode: str, settings: tuple[str, ...], *, check_same_thread: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=LOCK_TIMEOUT,
        isolation_level=None,
        cached_statements=PREPARED,
        check_same_thread=check_same_thread,
    )
    try:
        for setting in settings:
            connection.execute(setting)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
