"""Steps of the schema that change tables which hold data: everything is read afterwards as before."""

import sqlite3
import tempfile
from contextlib import asynccontextmanager, closing
from datetime import timedelta

import pytest
from attrs import frozen

from aibridge_adapters.storage.rows import END_COLUMNS, RECORD_TABLES, START_COLUMNS, end_row, record_row, start_row
from aibridge_adapters.storage.sqlite import open_sqlite
from aibridge_adapters.storage.sqlite.files import connect_writer, prepare, prepare_to_migrate
from aibridge_adapters.storage.sqlite.schema import migrate, shipped_migrations
from aibridge_core.records import InterceptionFilter, Page, Status
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.contract.listing import FILTERS, crowd
from aibridge_core.testing.memory import MemoryStorage
from aibridge_core.testing.samples import FACTS, Samples

pytestmark = pytest.mark.anyio


@frozen
class PlainRecorder:
    """Writes with the columns that every program so far has known."""

    connection: sqlite3.Connection

    async def begin(self, start):
        """A row in flight."""
        self.insert(
            "interceptions",
            (*START_COLUMNS, "session_id", "owner"),
            (*start_row(start), start.client_session_id or start.id, "gateway-1"),
        )

    async def record(self, records):
        """Rows."""
        for record in records:
            table = RECORD_TABLES[type(record.fact)]
            self.insert(table.name, table.all_columns, record_row(record))

    async def end(self, ended):
        """An update, as the triggers of all steps expect it."""
        changes = ", ".join(f"{column} = ?" for column in END_COLUMNS[1:5])
        interception_id, *values, _ = end_row(ended)
        self.connection.execute(f"UPDATE interceptions SET {changes} WHERE id = ?", (*values, interception_id))

    def insert(self, table, columns, row):
        """One row."""
        marks = ", ".join("?" * len(columns))
        self.connection.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", row)


@frozen
class Before:
    """What a program of that time could do: write."""

    recorder: PlainRecorder


@asynccontextmanager
async def at_step(file, version):
    """A database whose schema ends with that step."""
    prepare(file)
    with closing(connect_writer(file)) as connection:
        migrate(connection, now=0, migrations=shipped_migrations()[:version])
        yield Before(PlainRecorder(connection))


async def lists(storage):
    """Everything by every filter, and how many there are."""
    found = []
    for name, value in (*FILTERS, ("client", None), ("status", Status.IN_FLIGHT), ("status", Status.COMPLETED)):
        where = InterceptionFilter(**{name: value})
        found.append((name, list(await storage.store.list(where, Page(limit=200))), await storage.store.count(where)))
    return found


@pytest.mark.parametrize("settle_every", [1, 500])
@pytest.mark.parametrize("version", [5, 6, 7, 8])
async def test_what_was_there_is_read_as_before(tmp_path, version, settle_every):
    """Every record, list and count is kept; threads go on, ends are counted, and what is deleted is gone.

    Step 6 writes fewer pages, 7 and 8 settle what has ended in bulk, 9 indexes calls in bulk. Whoever writes without
    knowing that does no harm.
    """
    file, samples, oracle = tmp_path / "a.db", Samples(), MemoryStorage()
    whole = samples.start()
    records = [*(samples.record(whole, fact) for fact in FACTS), samples.tool_call(whole, "call_1")]
    async with at_step(file, version) as before:
        first = await crowd(before, oracle, samples=samples)
        for storage in (before, oracle):
            await storage.recorder.begin(whole)
            await storage.recorder.record(records)
    async with open_sqlite(str(file), clock=FakeClock(), owner="gateway-1", settle_every=settle_every) as storage:
        assert await lists(storage) == await lists(oracle)
        child = samples.start(correlating_tool_call_id="call_1")
        ends = [samples.ended(start) for start in (child, whole)]  # one that began before, one after
        for each in (storage, oracle):
            await each.recorder.begin(child)
            for ended in ends:
                await each.recorder.end(ended)
        assert await lists(storage) == await lists(oracle)
        assert (await storage.store.get(child.id)).thread_parent_id == whole.id
        await storage.retention.delete_interceptions(started_before=first + timedelta(days=999), limit=1000)
        running = InterceptionFilter(status=Status.IN_FLIGHT)
        assert await storage.store.count(InterceptionFilter()) == await storage.store.count(running) == 24
    with closing(sqlite3.connect(file)) as connection:
        for table in ("daily_counts", "initiator_daily_counts"):
            assert connection.execute(f"SELECT * FROM {table}").fetchall() == []
        orphans = "SELECT * FROM tool_usages WHERE interception_id NOT IN (SELECT id FROM interceptions)"
        assert connection.execute(orphans).fetchall() == []
        orphans = "SELECT * FROM tool_calls WHERE usage NOT IN (SELECT number FROM tool_usages)"
        assert connection.execute(orphans).fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


async def test_views_and_triggers_of_others_stay(tmp_path):
    """What an organisation has built beside a table goes on when that gets a new form."""
    file, samples = tmp_path / "a.db", Samples()
    async with at_step(file, 5) as before:
        connection = before.recorder.connection
        connection.execute("CREATE VIEW theirs AS SELECT tool FROM tool_usages")
        connection.execute(
            "CREATE TRIGGER theirs_too AFTER DELETE ON users BEGIN DELETE FROM tool_usages WHERE tool = old.id; END"
        )
        await before.recorder.begin(start := samples.start())
        await before.recorder.record([samples.tool_call(start, "call_1")])
    async with open_sqlite(str(file), clock=FakeClock(), owner="gateway-1"):
        pass
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT * FROM theirs").fetchall() == [("Read",)]
        connection.execute("INSERT INTO users VALUES ('Read', 'ann', 'Ann', 'member', 0, 1)")
        connection.execute("DELETE FROM users")
        assert connection.execute("SELECT * FROM theirs").fetchall() == []


def test_long_sorts_go_to_files_if_they_can(tmp_path, monkeypatch):
    """A step sorts in temporary files (1), or in memory (2) where no folder for them can be written."""

    def nowhere():
        raise FileNotFoundError("No usable temporary directory found")

    prepare(tmp_path / "a.db")
    with closing(connect_writer(tmp_path / "a.db")) as connection:
        prepare_to_migrate(connection)
        assert connection.execute("PRAGMA temp_store").fetchone() == (1,)
    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with closing(connect_writer(tmp_path / "a.db")) as connection:
        prepare_to_migrate(connection)
        assert connection.execute("PRAGMA temp_store").fetchone() == (2,)
