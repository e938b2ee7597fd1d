"""Steps of the schema that change tables which hold data: everything is read afterwards as before."""

import sqlite3
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from functools import partial

import pytest
from attrs import frozen

from aibridge_adapters.storage import open_storage
from aibridge_adapters.storage.sqlite.files import connect_writer, prepare
from aibridge_adapters.storage.sqlite.recorder import SqliteRecorder
from aibridge_adapters.storage.sqlite.schema import migrate, shipped_migrations
from aibridge_adapters.storage.sqlite.writer import Writer
from aibridge_core.records import InterceptionFilter, Page
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.contract.listing import FILTERS, crowd
from aibridge_core.testing.memory import MemoryStorage
from aibridge_core.testing.samples import FACTS, Samples

pytestmark = pytest.mark.anyio


@frozen
class Before:
    """What a program of that time could do: write."""

    recorder: SqliteRecorder


@asynccontextmanager
async def at_step(file, version):
    """A database whose schema ends with that step."""
    prepare(file)
    with closing(connect_writer(file)) as connection:
        migrate(connection, now=0, migrations=shipped_migrations()[:version])
    writer = Writer(partial(connect_writer, file), owner="gateway-1")
    await writer.start()
    yield Before(SqliteRecorder(writer))
    await writer.close()


def opened(file):
    """The storage of today."""
    return open_storage(f"sqlite:///{file}", clock=FakeClock(), owner="gateway-1")


async def test_fewer_pages(tmp_path):
    """Step 6 keeps every record, list and count; threads go on, new ends are counted, and what is deleted is gone."""
    file, samples, oracle = tmp_path / "a.db", Samples(), MemoryStorage()
    whole = samples.start()
    records = [*(samples.record(whole, fact) for fact in FACTS), samples.tool_call(whole, "call_1")]
    async with at_step(file, 5) as before:
        first = await crowd(before, oracle, samples=samples)
        for storage in (before, oracle):
            await storage.recorder.begin(whole)
            await storage.recorder.record(records)
    async with opened(file) as storage:
        child = samples.start(correlating_tool_call_id="call_1")
        ended = samples.ended(child)
        for each in (storage, oracle):
            await each.recorder.begin(child)
            await each.recorder.end(ended)
        for name, value in (*FILTERS, ("client", None)):
            where = InterceptionFilter(**{name: value})
            found = list(await storage.store.list(where, Page(limit=200)))
            assert found == list(await oracle.store.list(where, Page(limit=200)))
            assert await storage.store.count(where) == await oracle.store.count(where)
        assert (await storage.store.get(child.id)).thread_parent_id == whole.id
        await storage.retention.delete_interceptions(started_before=first + timedelta(days=999), limit=1000)
    with closing(sqlite3.connect(file)) as connection:
        for table in ("daily_counts", "initiator_daily_counts"):
            assert connection.execute(f"SELECT * FROM {table}").fetchall() == []
        orphans = "SELECT * FROM tool_usages WHERE interception_id NOT IN (SELECT id FROM interceptions)"
        assert connection.execute(orphans).fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
