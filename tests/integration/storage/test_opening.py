"""Opening a storage: URLs, files, schema."""

import sqlite3
import stat
from contextlib import closing

import anyio
import pytest

from aibridge_adapters.storage import (
    DatabaseTooNew,
    MigrationFailed,
    StorageConfigError,
    StorageNotOpened,
    open_storage,
)
from aibridge_adapters.storage.migrations import Migration
from aibridge_adapters.storage.sqlite.schema import ledger, migrate, shipped_migrations
from aibridge_core.records import InterceptionFilter
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.contract.base import completed
from aibridge_core.testing.samples import Samples

pytestmark = pytest.mark.anyio


def opened(path, owner="gateway-1"):
    """The storage in that file."""
    return open_storage(f"sqlite:///{path}", clock=FakeClock(), owner=owner)


def raw(path):
    """The file as any SQLite program sees it."""
    return closing(sqlite3.connect(path, isolation_level=None))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "unknown database URL scheme ''"),
        ("aibridge.db", "unknown database URL scheme ''"),
        ("mysql://ann:hunter2@host/db", "unknown database URL scheme 'mysql'"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite://aibridge.db", "names no file"),
        ("sqlite://ann:hunter2@host/db", "names no file"),
        ("sqlite:///a.db?mode=ro", "options after '?'"),
        ("sqlite:///ann@host/db?password=hunter2", "options after '?'"),
    ],
)
def test_urls_that_cannot_be_opened(url, says):
    """A URL that can't be opened is refused at once: what is wrong, what is allowed, and no password."""
    with pytest.raises(StorageConfigError) as caught:
        open_storage(url, clock=FakeClock(), owner="gateway-1")
    assert isinstance(caught.value, ValueError)
    assert says in str(caught.value)
    assert "sqlite:///relative/path.db" in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_file_and_folder_are_private(tmp_path):
    """Missing folders and the file are made for the current user alone, with all that SQLite puts beside it."""
    file = tmp_path / "new" / "deeper" / "aibridge.db"
    async with opened(file) as storage:
        await completed(storage, Samples())
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert modes == {"aibridge.db": 0o600, "aibridge.db-wal": 0o600, "aibridge.db-shm": 0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == stat.S_IMODE(file.parent.parent.stat().st_mode) == 0o700


async def test_a_relative_path(tmp_path, monkeypatch):
    """Three slashes name a file below the current folder, as it was when the storage was opened."""
    monkeypatch.chdir(tmp_path)
    async with open_storage("sqlite:///some/file #1 100%.db", clock=FakeClock(), owner="gateway-1") as storage:
        monkeypatch.chdir("/")
        await completed(storage, Samples())
        assert await storage.store.count(InterceptionFilter()) == 1
    assert (tmp_path / "some" / "file #1 100%.db").exists()


async def test_memory_is_private_and_gone():
    """Each `:memory:` database is one of its own."""
    async with (
        open_storage("sqlite:///:memory:", clock=FakeClock(), owner="a") as one,
        open_storage("sqlite:///:memory:", clock=FakeClock(), owner="b") as other,
    ):
        await completed(one, Samples())
        assert await one.store.count(InterceptionFilter()) == 1
        assert await other.store.count(InterceptionFilter()) == 0


async def test_what_is_no_database(tmp_path):
    """A file of another kind, or a folder, is named in the error and left as it is."""
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but long enough to be mistaken for one" * 100)
    before = file.read_bytes()
    for path in (file, tmp_path):
        with pytest.raises(StorageNotOpened, match=str(path)):
            async with opened(path):
                pytest.fail("it opened")
    assert file.read_bytes() == before


async def test_a_folder_that_cannot_be_made(tmp_path):
    """A path through a file can't be made, and says so."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageNotOpened, match="can't create the database"):
        async with opened(tmp_path / "file" / "sub" / "aibridge.db"):
            pytest.fail("it opened")


async def test_the_schema_is_made_once(tmp_path):
    """An empty file gets every migration, noted with its time; opening it again changes nothing."""
    file = tmp_path / "aibridge.db"
    for _ in range(2):
        async with opened(file):
            pass
    with raw(file) as connection:
        rows = connection.execute("SELECT version, name, applied_at FROM schema_migrations").fetchall()
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert [row[:2] for row in rows] == [(each.version, each.name) for each in shipped_migrations()]
    assert {row[2] for row in rows} == {int(FakeClock().now().timestamp()) * 1_000_000}
    assert {"interceptions", "user_prompts", "token_usages", "tool_usages", "model_thoughts", "users"} <= tables


def test_migrations_are_numbered_without_gaps():
    """Versions count from 1; a gap would make a database look newer than it is."""
    assert [each.version for each in shipped_migrations()] == list(range(1, len(shipped_migrations()) + 1))


async def test_processes_that_start_together(tmp_path):
    """Many that open a new file at the same time all get it, migrated once."""
    file = tmp_path / "aibridge.db"
    samples = Samples()

    async def gateway(owner):
        async with opened(file, owner) as storage:
            await completed(storage, samples)

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(gateway, f"gateway-{number}")
    async with opened(file) as storage:
        assert await storage.store.count(InterceptionFilter()) == 8


STEPS = [
    Migration(version=1, name="first", script="CREATE TABLE a (x); INSERT INTO a VALUES (1);"),
    Migration(version=2, name="second", script="CREATE TABLE b (y);\nINSERT INTO b SELECT x FROM a; -- done\n"),
]
BROKEN = Migration(version=3, name="broken", script="DROP TABLE a;\nINSERT INTO nowhere VALUES (1);")


def contents(connection):
    """Tables, and what the ledger says."""
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return tables, [row[0] for row in connection.execute("SELECT version FROM schema_migrations")]


def test_only_what_is_missing_is_applied(tmp_path):
    """A database goes on from the version that it has."""
    with raw(tmp_path / "a.db") as connection:
        migrate(connection, now=1, migrations=STEPS[:1])
        connection.execute("INSERT INTO a VALUES (2)")
        migrate(connection, now=2, migrations=STEPS)
        assert contents(connection) == (["a", "b", "schema_migrations"], [1, 2])
        assert connection.execute("SELECT y FROM b ORDER BY y").fetchall() == [(1,), (2,)]
        assert connection.execute("SELECT applied_at FROM schema_migrations").fetchall() == [(1,), (2,)]


def test_a_failed_migration_changes_nothing(tmp_path):
    """If one step fails, none of this start's steps is kept, and the error names the step and the reason."""
    with raw(tmp_path / "a.db") as connection:
        migrate(connection, now=1, migrations=STEPS[:1])
        with pytest.raises(MigrationFailed, match=r"0003_broken failed, nothing was changed: no such table: .*nowhere"):
            migrate(connection, now=2, migrations=[*STEPS, BROKEN])
        assert contents(connection) == (["a", "schema_migrations"], [1])
        assert connection.execute("SELECT x FROM a").fetchall() == [(1,)]
        assert not connection.in_transaction


def test_a_locked_database_is_not_migrated(tmp_path):
    """Someone else's long transaction stops the start with a message, after the lock timeout."""
    with raw(tmp_path / "a.db") as holder, raw(tmp_path / "a.db") as connection:
        connection.execute("PRAGMA busy_timeout = 1")
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(MigrationFailed, match="locked"):
            migrate(connection, now=1, migrations=STEPS)


async def test_a_newer_database_is_left_alone(tmp_path):
    """A database that a newer aibridge has written is refused, with both versions."""
    file = tmp_path / "aibridge.db"
    async with opened(file):
        pass
    known = len(shipped_migrations())
    with raw(file) as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (?, 'from_the_future', 0, NULL)", (known + 1,))
    with pytest.raises(DatabaseTooNew, match=f"version {known + 1}.* up to {known}"):
        async with opened(file):
            pytest.fail("it opened")


async def test_a_newer_database_that_this_version_can_work_on(tmp_path, caplog):
    """If all newer steps say so, it opens with a warning; one that doesn't is enough to refuse it."""
    file = tmp_path / "aibridge.db"
    async with opened(file):
        pass
    shipped = list(shipped_migrations())
    known = len(shipped)
    harmless = Migration(version=known + 1, name="more", script=f"-- works from: {known}\nCREATE TABLE more (x);")
    with raw(file) as connection:
        migrate(connection, now=0, migrations=[*shipped, harmless])
    async with opened(file):
        assert "the database's schema is newer than this program, which can still work on it" in caplog.messages
    harmful = Migration(version=known + 2, name="most", script=f"-- works from: {known + 1}\nCREATE TABLE most (x);")
    with raw(file) as connection:
        migrate(connection, now=0, migrations=[*shipped, harmless, harmful])
    with pytest.raises(DatabaseTooNew):
        async with opened(file):
            pytest.fail("it opened")


def test_a_ledger_without_a_word_about_older_versions(tmp_path):
    """Those of the first versions have no such column; the next step adds it."""
    with raw(tmp_path / "a.db") as connection:
        migrate(connection, now=1, migrations=STEPS[:1])
        connection.execute("ALTER TABLE schema_migrations DROP COLUMN works_from")
        assert [step.works_from for step in ledger(connection)] == [None]
        more = Migration(version=2, name="b", script="-- works from: 1\nCREATE TABLE b (y);")
        migrate(connection, now=1, migrations=[STEPS[0], more])
        assert [step.works_from for step in ledger(connection)] == [None, 1]
