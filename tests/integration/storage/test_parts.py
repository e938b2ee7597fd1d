"""Lists by label on SQLite, which are merged from kinds: many of them, new ones, and ones that are gone."""

from datetime import timedelta

import pytest

from aibridge_adapters.storage.sqlite import open_sqlite, parts
from aibridge_core.records import InterceptionFilter, Page, Status
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.samples import Samples

pytestmark = pytest.mark.anyio

CODEX = InterceptionFilter(client="Codex")


@pytest.fixture(params=[1, 20, 500])
async def storage(tmp_path, request):
    """A new one; how many of what has ended is settled yet differs."""
    file = str(tmp_path / "a.db")
    async with open_sqlite(file, clock=FakeClock(), owner="gateway-1", settle_every=request.param) as opened:
        yield opened


async def ids(storage, where, **page):
    """Ids of a page."""
    return [each.start.id for each in await storage.store.list(where, Page(**page))]


async def test_more_kinds_than_one_statement_takes(storage):
    """Clients may ask for any model; a client that asked for hundreds is listed and counted like any other."""
    samples = Samples()
    moment = samples.clock.now()
    models = [f"model {number % (2 * parts.AT_ONCE + 30)}" for number in range(3 * parts.AT_ONCE)]
    starts = [
        samples.start(client="Codex", model=model, started_at=moment + timedelta(hours=number // 2))
        for number, model in enumerate(models)
    ]
    for number, start in enumerate(starts):
        await storage.recorder.begin(start)
        if number % 3:
            await storage.recorder.end(samples.ended(start))
    newest_first = [start.id for start in reversed(starts)]
    assert await ids(storage, CODEX, limit=1000) == newest_first
    assert await ids(storage, CODEX, limit=40) == newest_first[:40]
    assert await ids(storage, CODEX, limit=40, offset=111) == newest_first[111:151]
    assert await ids(storage, CODEX, limit=40, after_id=newest_first[110]) == newest_first[111:151]
    later = InterceptionFilter(client="Codex", started_after=starts[101].started_at)
    assert await storage.store.count(later) == len(starts) - 100  # two begin at each moment
    assert await ids(storage, later, limit=1000) == newest_first[:-100]


async def test_a_kind_that_only_runs(storage):
    """The first interception of a kind is listed under each of its labels while it is in flight."""
    samples = Samples()
    start = samples.start(client="Codex", model="new", provider="openai", provider_name="lab")
    await storage.recorder.begin(start)
    for label in ("client", "model", "provider", "provider_name"):
        where = InterceptionFilter(**{label: getattr(start, label)})
        assert await ids(storage, where) == [start.id]
        assert await storage.store.count(where) == 1


async def test_a_status_of_a_kind(storage):
    """A label and a status together leave what has both."""
    samples = Samples()
    starts = [samples.start(client="Codex") for _ in range(3)]
    for start, status in zip(starts, (Status.COMPLETED, Status.FAILED, Status.COMPLETED), strict=True):
        await storage.recorder.begin(start)
        await storage.recorder.end(samples.ended(start, status))
    completed = InterceptionFilter(client="Codex", status=Status.COMPLETED)
    assert await ids(storage, completed) == [starts[2].id, starts[0].id]
    assert await ids(storage, completed, offset=1) == [starts[0].id]
    assert await ids(storage, InterceptionFilter(client="Codex", status=Status.FAILED)) == [starts[1].id]


async def test_what_is_completed_behind_days_of_failures(storage):
    """What is completed is found behind everything that was not, and if nothing is, nothing."""
    samples = Samples()
    moment = samples.clock.now()
    completed = InterceptionFilter(status=Status.COMPLETED)
    starts = [samples.start(started_at=moment + timedelta(days=number // 3)) for number in range(12)]
    for number, start in enumerate(starts[6:] + starts[:6]):  # the later half first
        if number == 6:
            assert await ids(storage, completed) == []
        await storage.recorder.begin(start)
        await storage.recorder.end(samples.ended(start, Status.CANCELLED if number < 6 else Status.COMPLETED))
    newest_first = [start.id for start in reversed(starts[:6])]
    assert await ids(storage, completed) == newest_first
    assert await ids(storage, completed, offset=4) == newest_first[4:]
    assert await ids(storage, completed, after_id=starts[9].id) == newest_first
    assert await storage.store.count(completed) == 6


async def test_a_kind_that_was_purged(storage):
    """What is deleted leaves no kind behind."""
    samples = Samples()
    start = samples.start(client="Codex")
    await storage.recorder.begin(start)
    await storage.recorder.end(samples.ended(start))
    await storage.retention.delete_interceptions(started_before=start.started_at + timedelta(days=1), limit=10)
    assert await ids(storage, CODEX) == []
    assert await storage.store.count(CODEX) == 0
