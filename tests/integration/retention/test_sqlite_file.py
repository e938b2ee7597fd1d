"""What a purge leaves in an SQLite file: nothing of what it removed, and counts that are right."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from aibridge_adapters.retention import Purge
from aibridge_adapters.storage import open_storage
from aibridge_adapters.storage.spans import DAY as MICROSECONDS
from aibridge_adapters.storage.sqlite import open_sqlite
from aibridge_adapters.storage.sqlite.checkpoints import Checkpoints
from aibridge_core.records import InterceptionFilter, ModelThought, PromptUsage, Status, ToolUsage
from aibridge_core.retention import Outcome, RetentionPolicy
from aibridge_core.testing.contract.base import finished
from aibridge_core.testing.contract.purging import whole
from aibridge_core.testing.samples import ANN, BEN, Samples
from integration.retention.conftest import Turning

pytestmark = pytest.mark.anyio

DAY = 86_400.0
POLICY = RetentionPolicy(interceptions=60 * DAY, contents=30 * DAY)
RECORDS = ("user_prompts", "token_usages", "tool_usages", "model_thoughts")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "aibridge.db"


@pytest.mark.parametrize("length", [50, 20_000])
@pytest.mark.parametrize("age", [40, 70])
async def test_no_word_of_it_stays_in_the_file(
    file: Path, samples: Samples, turning: Turning, age: int, length: int
) -> None:
    """Neither in a page that is used again, nor in one that is free: short texts and long ones."""
    now = samples.clock.now()
    async with open_storage(f"sqlite:///{file}", clock=samples.clock, owner="one") as storage:
        for number in range(30):
            start = samples.start(started_at=now - timedelta(days=age if number % 2 else 1))
            word = "forgotten " if number % 2 else "remembered "
            facts = (
                PromptUsage(response_id="r", prompt=word * (length // 10)),
                ToolUsage(response_id="r", tool="Write", arguments=word * (length // 10)),
                ModelThought(response_id="r", content=word * (length // 10)),
            )
            await finished(storage, start, tuple(samples.record(start, fact) for fact in facts), samples.ended(start))
    assert b"forgotten" in file.read_bytes()
    async with open_storage(f"sqlite:///{file}", clock=samples.clock, owner="one") as storage:
        assert storage.retention is not None
        report = await Purge(storage.retention, storage.store, samples.clock, sleep=turning.sleep).run(POLICY)
        assert (report.outcome, report.deleted + report.erased) == (Outcome.DONE, 15)
    kept = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert b"remembered" in kept
    assert b"forgotten" not in kept


@pytest.mark.parametrize(("settle_every", "settled"), [(1, 60), (7, 60), (500, 0)])
async def test_counts_equal_a_recount_and_nobody_is_orphaned(
    file: Path, samples: Samples, turning: Turning, settle_every: int, settled: int
) -> None:
    """The tables of counts that lists rely on, against the rows themselves; every record has its interception."""
    now = samples.clock.now()
    async with open_sqlite(str(file), clock=samples.clock, owner="one", settle_every=settle_every) as storage:
        for number in range(80):
            who, model = (ANN, BEN)[number % 2], f"model {number % 3}"
            await whole(storage, samples, started_at=now - timedelta(days=number), initiator=who, model=model)
        running = samples.start(started_at=now - timedelta(days=70))
        await storage.recorder.begin(running)
        assert storage.retention is not None
        purge = Purge(storage.retention, storage.store, samples.clock, sleep=turning.sleep)
        assert (await purge.run(POLICY)).deleted == 20
        assert await storage.store.count(InterceptionFilter()) == 61
        assert await storage.store.count(InterceptionFilter(status=Status.IN_FLIGHT)) == 1
    kinds = "provider, provider_name, model, client, status"
    with closing(sqlite3.connect(file)) as connection:
        for table, key in (("daily_counts", "day"), ("initiator_daily_counts", "initiator_id, day")):
            columns = key.replace("day", f"started_at / {MICROSECONDS}")
            recount = connection.execute(
                f"SELECT {columns}, {kinds}, count(*) FROM interceptions WHERE fresh IS NULL "
                f"GROUP BY {columns}, {kinds} ORDER BY {columns}, {kinds}"
            )
            counts = connection.execute(f"SELECT {key}, {kinds}, n FROM {table} ORDER BY {key}, {kinds}")
            found = counts.fetchall()
            assert found == recount.fetchall()
            assert sum(n for *_, n in found) == settled
        for table in RECORDS:
            orphans = f"SELECT count(*) FROM {table} WHERE interception_id NOT IN (SELECT id FROM interceptions)"
            assert connection.execute(orphans).fetchone() == (0,)
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (60,)


async def test_a_large_trail_is_looked_through_in_pieces(file: Path, samples: Samples, turning: Turning) -> None:
    """Of thousands of old interceptions a few still hold content: all of them are found."""
    now = samples.clock.now()
    async with open_storage(f"sqlite:///{file}", clock=samples.clock, owner="one") as storage:
        for number in range(2100):
            at = now - timedelta(days=50) + timedelta(seconds=number)
            if number in (0, 999, 1000, 1001, 2099):
                await whole(storage, samples, started_at=at)
            else:
                start = samples.start(started_at=at)
                await storage.recorder.begin(start)
                await storage.recorder.record([])
                if number % 100 == 0:
                    await storage.recorder.end(samples.ended(start))
        assert storage.retention is not None
        purge = Purge(storage.retention, storage.store, samples.clock, sleep=turning.sleep)
        assert (await purge.due(POLICY)).contents == 5
        assert (await purge.run(POLICY)).erased == 5


async def test_what_was_written_is_copied_beside_the_writer(file: Path, samples: Samples) -> None:
    """After a hundred interceptions, from the log to the file; where that fails, the writer does it later."""
    async with open_storage(f"sqlite:///{file}", clock=samples.clock, owner="one") as storage:
        checkpoints = Checkpoints(file)
        start = samples.start()
        await finished(storage, start, (samples.prompt(start, "copied"),), samples.ended(start))
        await checkpoints.after(99)
        assert b"copied" not in file.read_bytes()
        await checkpoints.after(1)
        assert b"copied" in file.read_bytes()
    await Checkpoints(file.parent / "missing.db").after(100)
