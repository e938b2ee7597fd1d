"""The tables of counts on PostgreSQL, looked at from outside: no trace of what was deleted is left in them."""

from datetime import timedelta

import pytest
from psycopg.errors import LockNotAvailable

from aibridge_adapters.storage.postgres.schema import migrate, shipped_migrations
from aibridge_core.records import InterceptionFilter
from aibridge_core.testing.contract.base import completed
from aibridge_core.testing.samples import Samples
from integration.postgres.opening import opened, raw, rows

pytestmark = pytest.mark.anyio

EVERYTHING = "SELECT (SELECT count(*) FROM daily_counts), (SELECT count(*) FROM initiator_daily_counts)"
SPREAD = (
    "INSERT INTO {0} SELECT {1}, provider, provider_name, model, client, status, (shard + 1) % 8, 40 FROM {0}",
    "UPDATE {0} SET n = n - 40 WHERE n <> 40",
)
TABLES = {"daily_counts": "day", "initiator_daily_counts": "initiator_id, day"}


async def spread_over_two_shards(url: str) -> None:
    """The same counts, as if two connections had made them: one shard has too much, the other less than nothing."""
    async with raw(url) as connection:
        for table, keys in TABLES.items():
            columns = f"{keys}, provider, provider_name, model, client, status, shard, n"
            insert = SPREAD[0].replace("INTO {0}", f"INTO {table} ({columns})")
            await connection.execute(insert.format(table, keys))
            await connection.execute(SPREAD[1].format(table))


async def delete_everything(url: str, samples: Samples) -> None:
    async with opened(url) as storage:
        after = samples.clock.now() + timedelta(days=1)
        await storage.retention.delete_interceptions(started_before=after, limit=100)


async def test_a_purge_leaves_no_counts(postgres_url):
    """Nobody can read from the counts who used what on a day whose interceptions are gone."""
    samples = Samples()
    async with opened(postgres_url) as storage:
        await completed(storage, samples)
        await completed(storage, samples)
    await spread_over_two_shards(postgres_url)

    await delete_everything(postgres_url, samples)

    assert await rows(postgres_url, EVERYTHING) == [(0, 0)]


async def test_a_repair_by_hand_leaves_no_counts(postgres_url):
    """Whoever moves interceptions to another day with SQL finds no count of the day before."""
    async with opened(postgres_url) as storage:
        await completed(storage, Samples())
    async with raw(postgres_url) as connection:
        await connection.execute("UPDATE interceptions SET started_at = '2020-01-01T12:00:00Z'")
    days = "SELECT day::text FROM daily_counts UNION ALL SELECT day::text FROM initiator_daily_counts"
    assert await rows(postgres_url, days) == [("2020-01-01",)] * 2


async def test_what_remains_is_counted(postgres_url):
    """Deleting one of three leaves the counts of the other two."""
    samples = Samples()
    async with opened(postgres_url) as storage:
        for _ in range(3):
            await completed(storage, samples)
        await spread_over_two_shards(postgres_url)
        after = samples.clock.now() + timedelta(days=1)
        assert await storage.retention.delete_interceptions(started_before=after, limit=1) == 1
        assert await storage.store.count(InterceptionFilter()) == 2


async def test_a_count_that_somebody_changes_is_not_waited_for(postgres_url):
    """Another connection holds a shard: a deletion goes on beside it, and what it counts is right."""
    samples = Samples()
    async with opened(postgres_url) as storage:
        await completed(storage, samples)
    await spread_over_two_shards(postgres_url)
    async with raw(postgres_url) as other, raw(postgres_url) as deleting:
        await deleting.execute("SET lock_timeout = '2s'")
        (mine,) = await (await deleting.execute("SELECT pg_backend_pid() %% 8", ())).fetchone() or ()
        await other.execute("BEGIN")
        await other.execute("SELECT FROM daily_counts WHERE shard <> %s FOR UPDATE", (mine,))
        try:
            await deleting.execute("DELETE FROM interceptions")
        except LockNotAvailable:
            pytest.fail("the deletion waited for counts of another connection")
        await other.execute("ROLLBACK")
    totals = "SELECT (SELECT sum(n) FROM daily_counts), (SELECT count(*) FROM initiator_daily_counts)"
    assert await rows(postgres_url, totals) == [(0, 0)]


async def test_counts_that_earlier_versions_left(empty_postgres_url):
    """Counts of nothing in a database of the schema before are gone after the step; others stay."""
    samples = Samples()
    steps = shipped_migrations()
    async with raw(empty_postgres_url) as connection:
        await migrate(connection, now=0, migrations=steps[:6])
        for day, numbers in (("2020-01-01", (5, -5)), ("2020-01-02", (5, -3))):
            for shard, n in enumerate(numbers):
                values = (day, "p", "n", "m", "c", "completed", shard, n)
                marks = ", ".join(["%s"] * len(values))
                for table, keys in TABLES.items():
                    columns = f"{keys}, provider, provider_name, model, client, status, shard, n"
                    ann = ("ann",) if table != "daily_counts" else ()
                    own = f"INSERT INTO {table} ({columns}) VALUES ({'%s, ' * len(ann)}{marks})"
                    await connection.execute(own, (*ann, *values))
        await migrate(connection, now=0, migrations=steps)
    left = "SELECT day::text, sum(n)::integer FROM {} GROUP BY day"
    assert await rows(empty_postgres_url, left.format("daily_counts")) == [("2020-01-02", 2)]
    assert await rows(empty_postgres_url, left.format("initiator_daily_counts")) == [("2020-01-02", 2)]
    async with opened(empty_postgres_url) as storage:
        await completed(storage, samples)
        assert await storage.store.count(InterceptionFilter()) == 3
