"""When a gateway purges, what it logs, and what it counts."""

import logging
from datetime import timedelta

import anyio
import pytest

from aibridge_adapters.retention import Purge, Tally, keep_purging
from aibridge_core.records import InterceptionFilter
from aibridge_core.retention import Backlog, Outcome, RetentionPolicy
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.contract.base import completed
from aibridge_core.testing.memory import MemoryStorage
from aibridge_core.testing.samples import Samples
from integration.retention.conftest import Turning
from integration.retention.failing import FailingRetention

pytestmark = pytest.mark.anyio

DAY = 86_400.0
SIXTY = RetentionPolicy(interceptions=60 * DAY)


@pytest.fixture
def memory() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="aibridge.retention")


class Rhythmic:
    """Sleeps by turning the clock, and stops everything after so many sleeps."""

    def __init__(self, clock: FakeClock, sleeps: int) -> None:
        self.clock, self.sleeps = clock, sleeps
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) > self.sleeps:
            await anyio.sleep_forever()
        self.clock.turn(seconds)


async def purged(
    purge: Purge, clock: FakeClock, sleeps: int, policy: RetentionPolicy = SIXTY
) -> tuple[Tally, Rhythmic]:
    """Let a gateway purge until it sleeps for the next time."""
    tally, rhythmic = Tally(), Rhythmic(clock, sleeps)
    async with anyio.create_task_group() as tasks:

        async def keep() -> None:
            await keep_purging(purge, policy, tally=tally, clock=clock, sleep=rhythmic.sleep)

        tasks.start_soon(keep)
        while len(rhythmic.slept) <= sleeps:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    return tally, rhythmic


def fields(record: logging.LogRecord, *names: str) -> tuple[object, ...]:
    return (record.levelname, record.getMessage(), *(getattr(record, name) for name in names))


async def test_a_run_a_minute_after_the_start_then_every_ten(
    memory: MemoryStorage, samples: Samples, clock: FakeClock, turning: Turning
) -> None:
    """From start to start of runs, so that long runs are followed by shorter waits."""
    for age in (100, 61):
        await completed(memory, samples, started_at=clock.now() - timedelta(days=age))
    purge = Purge(memory.retention, memory.store, clock, sleep=turning.sleep)

    tally, rhythmic = await purged(purge, clock, sleeps=3)

    assert rhythmic.slept == [60.0, 600.0, 600.0, 600.0]
    assert await memory.store.count(InterceptionFilter()) == 0
    counters = tally.counters
    assert (counters.runs[Outcome.DONE], counters.deleted, counters.erased) == (3, 2, 0)
    assert counters.left == Backlog()
    assert counters.last_done_at == clock.now()


async def test_one_line_says_what_is_kept_and_one_what_each_run_did(
    memory: MemoryStorage, samples: Samples, clock: FakeClock, turning: Turning, caplog: pytest.LogCaptureFixture
) -> None:
    """With numbers as fields, for those who look at logs with a program."""
    await completed(memory, samples, started_at=clock.now() - timedelta(days=100))
    purge = Purge(memory.retention, memory.store, clock, sleep=turning.sleep)

    await purged(purge, clock, sleeps=1, policy=RetentionPolicy(interceptions=60 * DAY, contents=12 * 3600))

    first, run = caplog.records
    assert fields(first, "interceptions", "contents") == ("INFO", "retention", "60d", "0.5d")
    assert fields(run, "outcome", "deleted", "erased", "interceptions_left", "contents_left") == (
        "INFO", "retention run", "done", 1, 0, 0, 0,
    )  # fmt: skip
    assert run.__dict__["seconds"] >= 0


async def test_a_failed_run_warns_and_the_next_one_tries_again(
    memory: MemoryStorage, samples: Samples, clock: FakeClock, turning: Turning, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody finds out by a full disk that nothing was deleted for weeks."""
    await completed(memory, samples, started_at=clock.now() - timedelta(days=100))
    failing = FailingRetention(memory.retention, failures=3)
    purge = Purge(failing, memory.store, clock, sleep=turning.sleep)

    tally, _ = await purged(purge, clock, sleeps=2)

    warned = [fields(record, "outcome", "error") for record in caplog.records if record.levelname == "WARNING"]
    assert warned == [("WARNING", "retention run", "failed", "canceling statement due to lock timeout")]
    assert dict(tally.counters.runs) == {
        Outcome.DONE: 1, Outcome.OUT_OF_TIME: 0, Outcome.ELSEWHERE: 0, Outcome.FAILED: 1,
    }  # fmt: skip
    assert tally.counters.deleted == 1


async def test_a_defect_does_not_end_all_further_runs(
    memory: MemoryStorage, samples: Samples, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged with its traceback, counted as a failure, and the next run takes place."""
    await completed(memory, samples, started_at=clock.now() - timedelta(days=100))
    defects = [ZeroDivisionError("a defect")]

    async def sleep(seconds: float) -> None:
        raise AssertionError

    class Defective(FailingRetention):
        async def claim(self, now, *, seconds):
            if defects:
                raise defects.pop()
            return await super().claim(now, seconds=seconds)

    purge = Purge(Defective(memory.retention, failures=0), memory.store, clock, sleep=sleep)

    tally, _ = await purged(purge, clock, sleeps=2)

    (traceback,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert traceback.exc_info
    assert (tally.counters.runs[Outcome.FAILED], tally.counters.runs[Outcome.DONE]) == (1, 1)
    assert tally.counters.deleted == 1


async def test_a_run_that_left_something_is_followed_by_another(
    memory: MemoryStorage, samples: Samples, clock: FakeClock
) -> None:
    """A run has five minutes; a minute later the next goes on, and what is left stands in the counters meanwhile."""
    for _ in range(100):
        await completed(memory, samples, started_at=clock.now() - timedelta(days=100))

    async def sleep(seconds: float) -> None:
        clock.turn(150)

    purge = Purge(memory.retention, memory.store, clock, sleep=sleep)

    tally, rhythmic = await purged(purge, clock, sleeps=1)

    assert tally.counters.runs[Outcome.OUT_OF_TIME] == 1
    assert rhythmic.slept == [60.0, 60.0]
    assert tally.counters.left.interceptions == 100 - tally.counters.deleted > 0
    assert tally.counters.last_done_at is None
