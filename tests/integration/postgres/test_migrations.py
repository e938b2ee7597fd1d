"""The schema of a PostgreSQL database: made once, whole, by one of many."""

from datetime import timedelta
from functools import partial

import anyio
import attrs
import psycopg
import pytest

from aibridge_adapters.storage import DatabaseTooNew, MigrationFailed
from aibridge_adapters.storage.migrations import Migration
from aibridge_adapters.storage.postgres.schema import LOCK, LONGEST_WAIT, ledger, migrate, shipped_migrations
from aibridge_core.records import InterceptionFilter
from aibridge_core.testing.contract.base import completed
from aibridge_core.testing.samples import Samples
from integration.postgres.opening import opened, raw, rows

pytestmark = pytest.mark.anyio

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
LEDGER = "SELECT version, name FROM schema_migrations ORDER BY 1"
ONE = Migration(version=1, name="one", script="CREATE TABLE one (id integer); CREATE TABLE too (id integer);")
BROKEN = Migration(version=2, name="broken", script="CREATE TABLE three (id integer); CREATE TABLE one (id integer);")


async def test_every_step_is_noted(postgres_url):
    """The ledger names all steps, numbered without a gap."""
    shipped = [(each.version, each.name) for each in shipped_migrations()]
    assert await rows(postgres_url, LEDGER) == shipped
    assert [version for version, _ in shipped] == list(range(1, len(shipped) + 1))


def test_gateways_of_the_version_before_go_on():
    """Every step since the ledger can tell says from which version on; its own is too late."""
    for step in shipped_migrations()[6:]:
        assert step.works_from is not None and step.works_from < step.version


async def test_many_start_at_once(empty_postgres_url):
    """Of several processes on an empty database one makes the schema; all then work on it."""
    samples = Samples()

    async def process(owner: str) -> None:
        async with opened(empty_postgres_url, owner) as storage:
            await completed(storage, samples)

    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(process, f"gateway-{number}")
    async with opened(empty_postgres_url) as storage:
        assert await storage.store.count(InterceptionFilter()) == 4
    assert len(await rows(empty_postgres_url, LEDGER)) == len(shipped_migrations())


async def test_the_others_wait(empty_postgres_url):
    """While one process migrates, another one waits until it is done, longer than any statement may take."""
    done = anyio.Event()

    async def second() -> None:
        async with opened(empty_postgres_url, "gateway-2"):
            done.set()

    async with raw(empty_postgres_url) as first, anyio.create_task_group() as tasks:
        await first.execute("BEGIN")
        await first.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        tasks.start_soon(second)
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        with anyio.fail_after(10):
            while await (await first.execute(waiting)).fetchone() == (0,):
                await anyio.sleep(0.01)
        assert not done.is_set()
        await first.execute("COMMIT")


async def test_a_failed_step_changes_nothing(empty_postgres_url):
    """Neither it nor the steps before it leave a trace, and the message names the step and the reason."""
    async with raw(empty_postgres_url) as connection:
        with pytest.raises(MigrationFailed, match='0002_broken failed, nothing was changed: relation "one" already'):
            await migrate(connection, now=0, migrations=[ONE, BROKEN])
    assert await rows(empty_postgres_url, TABLES) == []


async def test_a_later_failed_step_leaves_what_was(empty_postgres_url):
    """A database that has the first steps keeps them, and mended steps can be applied afterwards."""
    mended = attrs.evolve(BROKEN, script="CREATE TABLE three (id integer)")
    async with raw(empty_postgres_url) as connection:
        assert list(await migrate(connection, now=0, migrations=[ONE])) == [ONE]
        with pytest.raises(MigrationFailed):
            await migrate(connection, now=0, migrations=[ONE, BROKEN])
        assert await rows(empty_postgres_url, LEDGER) == [(1, "one")]
        assert list(await migrate(connection, now=0, migrations=[ONE, mended])) == [mended]
        assert list(await migrate(connection, now=0, migrations=[ONE, mended])) == []
    assert await rows(empty_postgres_url, TABLES) == [("one",), ("schema_migrations",), ("three",), ("too",)]


async def test_a_failed_migration_stops_the_start(empty_postgres_url):
    """A table of another program in the way: no half of our schema stands beside it afterwards."""
    async with raw(empty_postgres_url) as connection:
        await connection.execute("CREATE TABLE tool_usages (id integer)")
    with pytest.raises(MigrationFailed, match='0001_interceptions failed, nothing was changed: relation "tool_usages"'):
        async with opened(empty_postgres_url):
            pass
    assert await rows(empty_postgres_url, TABLES) == [("tool_usages",)]


async def test_a_step_waits_for_a_long_reader_and_nobody_waits_for_it(empty_postgres_url):
    """While somebody reads a table that a step changes, others go on with it; the step is made when the reader ends."""
    more = Migration(version=2, name="more", script="ALTER TABLE one ADD COLUMN more integer")
    async with (
        raw(empty_postgres_url) as mine,
        raw(empty_postgres_url) as reader,
        raw(empty_postgres_url) as other,
        anyio.create_task_group() as tasks,
    ):
        await migrate(mine, now=0, migrations=[ONE])
        await reader.execute("BEGIN")
        await reader.execute("SELECT FROM one")
        tasks.start_soon(lambda: migrate(mine, now=0, migrations=[ONE, more]))
        await someone_waits_for_a_table(other)
        await other.execute("SET statement_timeout = '900ms'")  # what a new request has
        for number in range(3):
            await other.execute("INSERT INTO one VALUES (%s)", (number,))
        assert await rows(empty_postgres_url, LEDGER) == [(1, "one")]
        await reader.execute("COMMIT")
    assert await rows(empty_postgres_url, "SELECT id, more FROM one") == [(0, None), (1, None), (2, None)]


async def someone_waits_for_a_table(connection) -> None:
    """Return as soon as it is so; fails the test after ten seconds."""
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'relation' AND NOT granted"
    with anyio.fail_after(10):
        while await (await connection.execute(waiting)).fetchone() == (0,):
            await anyio.sleep(0.005)


async def test_a_reader_that_does_not_end(empty_postgres_url):
    """After a while the migration gives up, with nothing changed, and says where to look."""
    more = Migration(version=2, name="more", script="CREATE TABLE two (); ALTER TABLE one ADD COLUMN more integer")
    async with raw(empty_postgres_url) as mine, raw(empty_postgres_url) as reader:
        await migrate(mine, now=0, migrations=[ONE])
        await reader.execute("BEGIN")
        await reader.execute("SELECT FROM one")
        with pytest.raises(MigrationFailed, match=r"in use for 0 s, nothing was changed; see pg_stat_activity"):
            await migrate(mine, now=0, migrations=[ONE, more], patience=0)
        await reader.execute("COMMIT")
        assert await rows(empty_postgres_url, TABLES) == [("one",), ("schema_migrations",), ("too",)]
        assert list(await migrate(mine, now=0, migrations=[ONE, more])) == [more]


async def test_a_writer_that_takes_tables_in_another_order(empty_postgres_url, monkeypatch):
    """The server ends the step, so that the writer gets on; the step is tried again."""
    monkeypatch.setattr("aibridge_adapters.storage.postgres.schema.SHORTEST_WAIT", LONGEST_WAIT)
    more = Migration(
        version=2, name="more", script="ALTER TABLE one ADD more integer; ALTER TABLE too ADD more integer"
    )
    async with (
        raw(empty_postgres_url) as mine,
        raw(empty_postgres_url) as writer,
        raw(empty_postgres_url) as watching,
    ):
        await migrate(mine, now=0, migrations=[ONE])
        await mine.execute("SET deadlock_timeout = '1.5 s'")  # time for the writer to get in each other's way
        await writer.execute("SET deadlock_timeout = '1 min'")  # not the one to look
        await writer.execute("BEGIN; INSERT INTO too VALUES (1)")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(migrate, mine, now=0, migrations=[ONE, more]))
            await someone_waits_for_a_table(watching)
            await writer.execute("INSERT INTO one VALUES (1); COMMIT")
        assert [step.step for step in await ledger(mine)] == ["0001_one", "0002_more"]


async def test_a_newer_database(postgres_url):
    """A schema from the future is refused and left alone."""
    known = len(shipped_migrations())
    async with raw(postgres_url) as connection:
        await connection.execute("INSERT INTO schema_migrations VALUES (%s, 'from_the_future', now())", (known + 1,))
    with pytest.raises(DatabaseTooNew, match=f"version {known + 1}, this aibridge knows up to {known}"):
        async with opened(postgres_url):
            pass


async def test_a_newer_database_that_the_version_before_can_work_on(postgres_url, caplog):
    """In the middle of a rollout a gateway of the version before starts again, and says that it is old."""
    shipped = shipped_migrations()
    more = "-- works from: {}\nALTER TABLE interceptions ADD COLUMN more{} integer"
    steps = [
        Migration(version=len(shipped) + number, name="more", script=more.format(len(shipped), number))
        for number in (1, 2)
    ]
    async with raw(postgres_url) as connection:
        assert list(await migrate(connection, now=0, migrations=[*shipped, *steps])) == steps
    async with opened(postgres_url) as storage:
        await completed(storage, Samples())
        assert await storage.store.count(InterceptionFilter()) == 1
    assert "the database's schema is newer than this program, which can still work on it" in caplog.messages


async def test_a_newer_database_that_only_its_own_version_can_work_on(postgres_url):
    """One step of several is enough to refuse it."""
    shipped = shipped_migrations()
    scripts = (f"-- works from: {len(shipped)}\nSELECT 1", f"-- works from: {len(shipped) + 1}\nSELECT 1")
    steps = [
        Migration(version=len(shipped) + number, name="more", script=script) for number, script in enumerate(scripts, 1)
    ]
    async with raw(postgres_url) as connection:
        await migrate(connection, now=0, migrations=[*shipped, *steps])
    with pytest.raises(DatabaseTooNew):
        async with opened(postgres_url):
            pass


async def test_a_ledger_without_a_word_about_older_versions(empty_postgres_url):
    """Those of the first versions have no such column; the next step adds it."""
    async with raw(empty_postgres_url) as connection:
        await migrate(connection, now=0, migrations=[ONE])
        await connection.execute("ALTER TABLE schema_migrations DROP COLUMN works_from")
        (one,) = await ledger(connection)
        assert (one.step, one.works_from) == ("0001_one", None)
        more = Migration(version=2, name="more", script="-- works from: 1\nSELECT 1")
        await migrate(connection, now=0, migrations=[ONE, more])
        assert [step.works_from for step in await ledger(connection)] == [None, 1]


async def test_a_step_beside_a_backup(empty_postgres_url):
    """Who reads the ledger, as pg_dump does for hours, keeps no step waiting that needs no table of his."""
    more = Migration(version=2, name="more", script="CREATE TABLE two ()")
    async with raw(empty_postgres_url) as mine, raw(empty_postgres_url) as reader:
        await migrate(mine, now=0, migrations=[ONE])
        await reader.execute("BEGIN")
        await reader.execute("SELECT FROM schema_migrations")
        assert list(await migrate(mine, now=0, migrations=[ONE, more], patience=0)) == [more]
        await reader.execute("COMMIT")


async def test_a_user_who_may_not(postgres_databases, empty_postgres_url):
    """Somebody without the right to make tables learns that from the server's words."""
    role = psycopg.sql.Identifier(f"{postgres_databases.prefix}_reader")
    async with raw(empty_postgres_url) as connection:
        await connection.execute(psycopg.sql.SQL("CREATE ROLE {}").format(role))
        await connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        try:
            await connection.execute(psycopg.sql.SQL("SET ROLE {}").format(role))
            with pytest.raises(MigrationFailed, match="permission denied for schema public"):
                await migrate(connection, now=0, migrations=shipped_migrations())
        finally:
            await connection.execute("RESET ROLE")
            await connection.execute(psycopg.sql.SQL("DROP ROLE {}").format(role))


async def test_a_gateway_that_may_not_change_tables(postgres_databases, postgres_url):
    """On a schema that is up to date, rights on rows are enough for everything that a gateway does."""
    name = f"{postgres_databases.prefix}_gateway"
    role = psycopg.sql.Identifier(name)
    samples = Samples()
    async with raw(postgres_url) as connection:
        await connection.execute(psycopg.sql.SQL("CREATE ROLE {}").format(role))
        try:
            for grant in (
                "GRANT USAGE ON SCHEMA public TO {}",
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}",
            ):
                await connection.execute(psycopg.sql.SQL(grant).format(role))
            async with opened(f"{postgres_url}&options=-crole%3D{name}") as storage:
                found = await completed(storage, samples)
                await storage.leases.renew(samples.clock.now())
                await storage.leases.interrupt_orphans(samples.clock.now(), older_than=20.0)
                assert await storage.retention.claim(samples.clock.now(), seconds=60)
                after = found.start.started_at + timedelta(days=1)
                assert await storage.retention.delete_interceptions(started_before=after, limit=10) == 1
                assert await storage.store.count(InterceptionFilter()) == 0
        finally:
            await connection.execute(psycopg.sql.SQL("DROP OWNED BY {}").format(role))
            await connection.execute(psycopg.sql.SQL("DROP ROLE {}").format(role))
