"""What a purge removes, what it leaves, and how it ends; the same on every storage."""

from datetime import timedelta

import anyio
import pytest

from aibridge_adapters.retention import Progress, Purge
from aibridge_core.content import content_of
from aibridge_core.records import Interception, InterceptionFilter, Page, Status
from aibridge_core.retention import Backlog, Outcome, RetentionPolicy
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.contract.base import completed, read
from aibridge_core.testing.contract.purging import OpenPurgeable, PurgeableStorage, whole
from aibridge_core.testing.network_log_contract import LoggingStorage, call, kept
from aibridge_core.testing.samples import Samples
from integration.retention.conftest import PurgeOf, Turning
from integration.retention.failing import FailingRetention

pytestmark = pytest.mark.anyio

DAY = 86_400.0
SIXTY = RetentionPolicy(interceptions=60 * DAY)
THIRTY_FOR_CONTENT = RetentionPolicy(interceptions=60 * DAY, contents=30 * DAY)
Everything = InterceptionFilter


async def at_ages(storage: PurgeableStorage, samples: Samples, *days: float) -> list[Interception]:
    """Interceptions, with a record of each kind, that started so many days ago."""
    now = samples.clock.now()
    return [await whole(storage, samples, started_at=now - timedelta(days=age)) for age in days]


async def ids(storage: PurgeableStorage) -> list[str]:
    return [each.start.id for each in await storage.store.list(Everything(), Page(limit=1000))]


async def has_content(storage: PurgeableStorage, interception: Interception) -> bool:
    return any(content_of(record.fact) for record in (await read(storage, interception.start)).records)


async def test_what_is_older_goes(storage: PurgeableStorage, samples: Samples, purge: Purge) -> None:
    """Sixty-one days old is gone, fifty-nine is as it was; the report says how many."""
    old, young = await at_ages(storage, samples, 61, 59)

    report = await purge.run(SIXTY)

    assert (report.outcome, report.deleted, report.erased, report.left) == (Outcome.DONE, 1, 0, Backlog())
    assert await storage.store.get(old.start.id) is None
    assert await read(storage, young.start) == young


async def test_old_network_calls_go(storage: LoggingStorage, samples: Samples, purge_of: PurgeOf) -> None:
    """Calls are kept as long as interceptions, by their own times; a dry run counts them, the report too."""
    now = samples.clock.now()
    made = [call(samples, age, made_at=now - timedelta(days=age)) for age in (59, *range(61, 100))]
    await storage.network_log.keep(made)
    purge = purge_of(storage, network_log=storage.network_log)
    assert await purge.due(SIXTY) == Backlog(network_calls=39)
    report = await purge.run(SIXTY)
    assert (report.outcome, report.deleted, report.network_calls, report.left) == (Outcome.DONE, 0, 39, Backlog())
    assert await kept(storage) == [made[0]]
    assert (await purge.run(RetentionPolicy())).network_calls == 0


async def test_the_boundary(storage: PurgeableStorage, samples: Samples, purge: Purge, clock: FakeClock) -> None:
    """An interception is kept for its whole period, and goes a microsecond later."""
    kept = await completed(storage, samples)
    clock.wall = kept.start.started_at + timedelta(days=60)
    assert (await purge.run(SIXTY)).deleted == 0
    clock.wall += timedelta(microseconds=1)
    assert (await purge.run(SIXTY)).deleted == 1


async def test_many_batches(storage: PurgeableStorage, samples: Samples, purge: Purge, turning: Turning) -> None:
    """More than one batch, with a rest after each; nothing is left, and what is counted is what is listed."""
    await at_ages(storage, samples, *[90 - number / 10 for number in range(50)])
    kept = await at_ages(storage, samples, 3, 2, 1)

    report = await purge.run(SIXTY)

    assert (report.outcome, report.deleted) == (Outcome.DONE, 50)
    assert len(turning.slept) >= 6
    assert await ids(storage) == [each.start.id for each in reversed(kept)]
    assert await storage.store.count(Everything()) == 3


async def test_zero_keeps_everything(storage: PurgeableStorage, samples: Samples, purge: Purge) -> None:
    """A run without a period removes nothing, however old."""
    made = await at_ages(storage, samples, 4000, 100)

    report = await purge.run(RetentionPolicy())

    assert (report.outcome, report.deleted, report.erased) == (Outcome.DONE, 0, 0)
    assert [await read(storage, each.start) for each in made] == made


async def test_content_goes_before_its_interception(storage: PurgeableStorage, samples: Samples, purge: Purge) -> None:
    """Sixty days: all is gone. Thirty: the texts are gone, the rows are there. Younger: whole."""
    gone, emptied, kept = await at_ages(storage, samples, 61, 31, 29)

    report = await purge.run(THIRTY_FOR_CONTENT)

    assert (report.outcome, report.deleted, report.erased) == (Outcome.DONE, 1, 1)
    assert await storage.store.get(gone.start.id) is None
    assert not await has_content(storage, emptied)
    assert len((await read(storage, emptied.start)).records) == 4
    assert await read(storage, kept.start) == kept


async def test_content_may_go_while_interceptions_stay_for_ever(
    storage: PurgeableStorage, samples: Samples, purge: Purge
) -> None:
    """A period for contents alone."""
    made = await at_ages(storage, samples, *range(4000, 3980, -1), 1)

    report = await purge.run(RetentionPolicy(contents=30 * DAY))

    assert (report.deleted, report.erased) == (0, 20)
    assert [await has_content(storage, each) for each in made] == [False] * 20 + [True]


async def test_a_second_run_finds_nothing(storage: PurgeableStorage, samples: Samples, purge: Purge) -> None:
    """And looks only at what became old since."""
    await at_ages(storage, samples, 61, 31, 30.001, 29.999)
    await purge.run(THIRTY_FOR_CONTENT)
    assert (await purge.run(THIRTY_FOR_CONTENT)).erased == 0
    samples.clock.turn(0.01 * DAY)
    assert (await purge.run(THIRTY_FOR_CONTENT)).erased == 1


async def test_late_content_goes_within_a_day(storage: PurgeableStorage, samples: Samples, purge: Purge) -> None:
    """What was written after its time, by a request that ran very long, say, is found when everything is looked at."""
    await at_ages(storage, samples, 40)
    await purge.run(THIRTY_FOR_CONTENT)
    (late,) = await at_ages(storage, samples, 50)

    await purge.run(THIRTY_FOR_CONTENT)
    assert await has_content(storage, late)
    samples.clock.turn(DAY)
    assert (await purge.run(THIRTY_FOR_CONTENT)).erased == 1
    assert not await has_content(storage, late)


async def test_what_is_in_flight_stays(storage: PurgeableStorage, samples: Samples, purge: Purge) -> None:
    """With its content, until it has ended."""
    running = samples.start(started_at=samples.clock.now() - timedelta(days=100))
    await storage.recorder.begin(running)
    await storage.recorder.record([samples.prompt(running, "a very long answer")])

    assert (await purge.run(THIRTY_FOR_CONTENT)).deleted == 0
    assert (await read(storage, running)).status is Status.IN_FLIGHT
    await storage.recorder.end(samples.ended(running))
    assert (await purge.run(THIRTY_FOR_CONTENT)).deleted == 1


async def test_a_run_ends_when_its_time_is_over(
    storage: PurgeableStorage, samples: Samples, purge_of: PurgeOf, clock: FakeClock
) -> None:
    """It says what it left, and the next run goes on there; deleting and erasing take turns, so neither starves."""
    await at_ages(storage, samples, *[90] * 40, *[45] * 40)

    async def sleep(seconds: float) -> None:
        clock.turn(1)

    purge = purge_of(storage, sleep=sleep)
    reports = [await purge.run(THIRTY_FOR_CONTENT, budget=4)]
    first = reports[0]
    assert first.outcome is Outcome.OUT_OF_TIME
    assert 0 < first.deleted < 40
    assert 0 < first.erased < 40
    assert first.left is not None
    assert first.left.interceptions == 40 - first.deleted
    assert 40 - first.erased <= first.left.contents <= 40

    while reports[-1].outcome is Outcome.OUT_OF_TIME:
        assert len(reports) < 20
        reports.append(await purge.run(THIRTY_FOR_CONTENT, budget=4))
    assert reports[-1].outcome is Outcome.DONE
    assert (sum(each.deleted for each in reports), sum(each.erased for each in reports)) == (40, 40)


async def test_one_process_purges(
    open_any: OpenPurgeable, samples: Samples, purge_of: PurgeOf, clock: FakeClock
) -> None:
    """While one is at it, another does nothing and says so; afterwards it may."""
    async with open_any("gateway-1") as one, open_any("gateway-2") as two:
        await at_ages(one, samples, *[61] * 20)
        others = []

        async def sleep(seconds: float) -> None:
            others.append(await purge_of(two).run(SIXTY))

        report = await purge_of(one, sleep=sleep).run(SIXTY)

        assert (report.outcome, report.deleted) == (Outcome.DONE, 20)
        assert {(each.outcome, each.deleted, each.left) for each in others} == {(Outcome.ELSEWHERE, 0, None)}
        assert (await purge_of(two).run(SIXTY)).outcome is Outcome.DONE


async def test_two_at_the_same_moment(open_any: OpenPurgeable, samples: Samples, purge_of: PurgeOf) -> None:
    """Each interception is deleted once, by one of them."""
    async with open_any("gateway-1") as one, open_any("gateway-2") as two:
        await at_ages(one, samples, *[61] * 30)
        reports = []

        async def run(storage: PurgeableStorage) -> None:
            reports.append(await purge_of(storage).run(SIXTY))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, one)
            tasks.start_soon(run, two)
        assert sum(report.deleted for report in reports) == 30
        assert Outcome.DONE in {report.outcome for report in reports}
        assert await ids(one) == []


async def test_a_long_run_keeps_its_claim(
    open_any: OpenPurgeable, samples: Samples, purge_of: PurgeOf, clock: FakeClock
) -> None:
    """However long it takes, nobody else starts."""
    async with open_any("gateway-1") as one, open_any("gateway-2") as two:
        await at_ages(one, samples, *[90] * 60)
        claims = []

        async def sleep(seconds: float) -> None:
            clock.turn(25)
            claims.append(await two.retention.claim(clock.now(), seconds=60))

        assert (await purge_of(one, sleep=sleep).run(SIXTY)).deleted == 60
        assert len(claims) > 5
        assert not any(claims)


async def test_a_run_that_lost_its_claim_stops(
    open_any: OpenPurgeable, samples: Samples, purge_of: PurgeOf, clock: FakeClock
) -> None:
    """A process that was asleep longer than its claim leaves the field to the one that took over."""
    async with open_any("gateway-1") as one, open_any("gateway-2") as two:
        await at_ages(one, samples, *[90] * 60)

        async def sleep(seconds: float) -> None:
            later = clock.now() + timedelta(seconds=61)  # also for a database that goes by a clock of its own
            assert await two.retention.claim(later, seconds=60)
            clock.turn(61)

        report = await purge_of(one, sleep=sleep).run(SIXTY)
        assert report.outcome is Outcome.ELSEWHERE
        assert 0 < report.deleted < 60


async def test_a_cancelled_run_gives_its_claim_back(
    open_any: OpenPurgeable, samples: Samples, purge_of: PurgeOf
) -> None:
    """A gateway that is stopped in the middle keeps no other from going on at once."""
    async with open_any("gateway-1") as one, open_any("gateway-2") as two:
        await at_ages(one, samples, *[61] * 30)
        with anyio.CancelScope() as scope:

            async def sleep(seconds: float) -> None:
                scope.cancel()
                await anyio.lowlevel.checkpoint()

            await purge_of(one, sleep=sleep).run(SIXTY)
        assert scope.cancelled_caught
        assert 0 < len(await ids(two)) < 30
        assert (await purge_of(two).run(SIXTY)).outcome is Outcome.DONE
        assert await ids(one) == []


async def test_counting_changes_nothing(storage: PurgeableStorage, samples: Samples, purge: Purge) -> None:
    """It says exactly what a run would remove: not what is in flight, and no content that goes with its row."""
    await at_ages(storage, samples, 100, 90, 80, 45, 44, 43, 42, 1)
    await completed(storage, samples, started_at=samples.clock.now() - timedelta(days=45))
    await storage.recorder.begin(samples.start(started_at=samples.clock.now() - timedelta(days=100)))
    before = await storage.store.list(Everything(), Page())

    due = await purge.due(THIRTY_FOR_CONTENT)

    assert due == Backlog(interceptions=3, contents=4)
    assert await storage.store.list(Everything(), Page()) == before
    report = await purge.run(THIRTY_FOR_CONTENT)
    assert Backlog(interceptions=report.deleted, contents=report.erased) == due
    assert await purge.due(THIRTY_FOR_CONTENT) == Backlog()


async def test_progress_is_told(storage: PurgeableStorage, samples: Samples, purge: Purge) -> None:
    """After every batch, up to the numbers of the report."""
    await at_ages(storage, samples, *[90] * 20, *[45] * 10)
    told: list[Progress] = []

    report = await purge.run(THIRTY_FOR_CONTENT, on_progress=told.append)

    assert [each.deleted for each in told] == sorted(each.deleted for each in told)
    assert told[-1] == Progress(deleted=report.deleted, erased=report.erased) == Progress(deleted=20, erased=10)


async def test_requests_go_on_meanwhile(storage: PurgeableStorage, samples: Samples, purge_of: PurgeOf) -> None:
    """Interceptions that begin and end during a run are whole afterwards."""
    await at_ages(storage, samples, *[90] * 60)
    made: list[Interception] = []

    async def sleep(seconds: float) -> None:
        made.append(await whole(storage, samples))

    await purge_of(storage, sleep=sleep).run(SIXTY)

    assert len(made) > 5
    assert await ids(storage) == [each.start.id for each in reversed(made)]
    assert [await read(storage, each.start) for each in made] == made


async def test_a_hiccup_is_no_failure(
    storage: PurgeableStorage, samples: Samples, purge_of: PurgeOf, turning: Turning
) -> None:
    """After a batch that the database refused comes a wait and a smaller one."""
    await at_ages(storage, samples, *[90] * 20)
    failing = FailingRetention(storage.retention, failures=2)
    purge = Purge(failing, storage.store, samples.clock, sleep=turning.sleep)

    report = await purge.run(SIXTY)

    assert (report.outcome, report.deleted) == (Outcome.DONE, 20)
    assert turning.slept[:2] == [1.0, 2.0]
    assert failing.limits[:3] == [25, 25, 25]


async def test_a_database_that_refuses_fails_the_run(
    storage: PurgeableStorage, samples: Samples, turning: Turning
) -> None:
    """The report says why; the claim is given back."""
    await at_ages(storage, samples, 90)
    failing = FailingRetention(storage.retention, failures=100)

    report = await Purge(failing, storage.store, samples.clock, sleep=turning.sleep).run(SIXTY)

    assert (report.outcome, report.deleted, report.left) == (Outcome.FAILED, 0, None)
    assert report.error == "canceling statement due to lock timeout"
    assert await storage.retention.claim(samples.clock.now(), seconds=1)


async def test_a_database_that_is_gone_fails_the_run(samples: Samples, storage: PurgeableStorage) -> None:
    """Already the claim."""
    gone = FailingRetention(storage.retention, failures=100, on_claim=True)
    report = await Purge(gone, storage.store, samples.clock).run(SIXTY)
    assert report.outcome is Outcome.FAILED
    assert report.error
