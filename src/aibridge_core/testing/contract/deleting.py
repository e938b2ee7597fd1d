"""The storage contract: deleting interceptions that were kept long enough.

Belongs here: what a deletion takes and what it leaves. Never: how long anything is kept.
"""

from contextlib import suppress
from datetime import timedelta

import anyio
import pytest

from aibridge_core.errors import RecordingFailed, UnknownCursor
from aibridge_core.records import (
    Interception,
    InterceptionFilter,
    InterceptionStart,
    Page,
    Status,
)
from aibridge_core.testing.contract.base import ContractBase, completed, finished, read
from aibridge_core.testing.contract.purging import OpenPurgeable, PurgeableStorage, whole
from aibridge_core.testing.samples import ANN, BEN, FACTS, Samples, after

Where = InterceptionFilter


class DeletionContract(ContractBase):
    """`Retention.delete_interceptions`, seen through the InterceptionStore."""

    async def test_what_started_before_is_deleted(self, storage: PurgeableStorage, samples: Samples) -> None:
        """An interception that started before the time is gone with its records; one that started at it is not."""
        old = await whole(storage, samples)
        kept = await whole(storage, samples)
        before = kept.start.started_at
        assert await storage.retention.delete_interceptions(started_before=before, limit=10) == 1
        assert await storage.store.get(old.start.id) is None
        assert list(await storage.store.list(Where(), Page())) == [kept]

    async def test_a_microsecond_decides(self, storage: PurgeableStorage, samples: Samples) -> None:
        """Times are compared as they were written."""
        old = await completed(storage, samples)
        at = old.start.started_at
        assert await storage.retention.delete_interceptions(started_before=at, limit=10) == 0
        later = after(at, microseconds=1)
        assert await storage.retention.delete_interceptions(started_before=later, limit=10) == 1

    async def test_the_oldest_go_first(self, storage: PurgeableStorage, samples: Samples) -> None:
        """By the time of their start, whenever they were written, never more than asked for, until none is left."""
        days = [5, 1, 4, 2, 3]
        base = samples.clock.now()
        made = {day: await completed(storage, samples, started_at=base + timedelta(days=day)) for day in days}
        before = base + timedelta(days=5)
        assert await storage.retention.delete_interceptions(started_before=before, limit=3) == 3
        assert list(await storage.store.list(Where(), Page())) == [made[5], made[4]]
        assert await storage.retention.delete_interceptions(started_before=before, limit=3) == 1
        assert await storage.retention.delete_interceptions(started_before=before, limit=3) == 0
        assert list(await storage.store.list(Where(), Page())) == [made[5]]

    async def test_no_record_is_left_behind(self, storage: PurgeableStorage, samples: Samples) -> None:
        """When an interception with the id of a deleted one begins, it has no records."""
        old = await whole(storage, samples)
        await storage.retention.delete_interceptions(started_before=samples.clock.now(), limit=10)
        await storage.recorder.begin(old.start)
        assert await read(storage, old.start) == Interception(
            start=old.start, session_id=old.start.id, status=Status.IN_FLIGHT, records=[]
        )

    async def test_what_is_in_flight_stays(self, storage: PurgeableStorage, samples: Samples) -> None:
        """However old it is; once it has ended it goes like any other."""
        running = samples.start()
        await storage.recorder.begin(running)
        ended = await completed(storage, samples)
        before = samples.clock.turn(10_000_000)
        assert await storage.retention.delete_interceptions(started_before=before, limit=1) == 1
        assert await storage.retention.delete_interceptions(started_before=before, limit=1) == 0
        assert await storage.store.get(ended.start.id) is None
        assert (await read(storage, running)).status is Status.IN_FLIGHT
        await storage.recorder.end(samples.ended(running))
        assert await storage.retention.delete_interceptions(started_before=before, limit=1) == 1

    @pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.INTERRUPTED])
    async def test_every_outcome_goes(self, storage: PurgeableStorage, samples: Samples, status: Status) -> None:
        """Whatever became of it."""
        start = samples.start()
        await finished(storage, start, (), samples.ended(start, status))
        assert await storage.retention.delete_interceptions(started_before=samples.clock.now(), limit=5) == 1
        assert await storage.store.count(Where(status=status)) == 0

    async def test_counts_are_of_what_remains(self, storage: PurgeableStorage, samples: Samples) -> None:
        """After a deletion every count equals the length of its list, and names of what is gone are no longer known."""
        day = timedelta(days=1)
        base = samples.clock.now()
        for number in range(12):
            start = samples.start(
                started_at=base + day * (number // 2),
                initiator=ANN if number % 3 else BEN,
                model="old model" if number < 6 else f"model {number % 2}",
                client="old client" if number < 6 else "Codex",
                provider_name="one" if number % 2 else "two",
            )
            await finished(storage, start, (), samples.ended(start, Status.FAILED if number % 4 else Status.COMPLETED))
        await storage.recorder.begin(samples.start(started_at=base, model="old, but running"))
        deleted = await storage.retention.delete_interceptions(started_before=base + day * 3, limit=100)
        assert deleted == 6
        for where in (
            Where(),
            *(Where(initiator_id=who.id) for who in (ANN, BEN)),
            *(Where(status=status) for status in Status),
            *(Where(model=model) for model in ("old model", "model 0", "model 1")),
            Where(client="old client"),
            Where(provider_name="one"),
            Where(started_before=base + day * 4),
            Where(initiator_id=ANN.id, status=Status.FAILED, started_after=base + day),
        ):
            assert await storage.store.count(where) == len(await storage.store.list(where, Page())), where
        models = await storage.store.models(initiator_id=None, prefix="", page=Page())
        assert list(models) == ["model 0", "model 1", "old, but running"]
        assert "old client" not in await storage.store.clients(initiator_id=None, prefix="", page=Page())

    async def test_a_thread_outlives_its_root(self, storage: PurgeableStorage, samples: Samples) -> None:
        """Requests that remain keep session, parent and root; one that answers a deleted call begins a new thread."""
        root = samples.start()
        await finished(storage, root, (samples.tool_call(root, "toolu_root"),), samples.ended(root))
        child = samples.start(correlating_tool_call_id="toolu_root")
        before = await finished(storage, child, (samples.tool_call(child, "toolu_child"),), samples.ended(child))
        await storage.retention.delete_interceptions(started_before=child.started_at, limit=10)
        assert await read(storage, child) == before
        assert (before.thread_parent_id, before.thread_root_id, before.session_id) == (root.id, root.id, root.id)
        grandchild = await completed(storage, samples, correlating_tool_call_id="toolu_child")
        assert (grandchild.thread_parent_id, grandchild.thread_root_id) == (child.id, root.id)
        orphan = await completed(storage, samples, correlating_tool_call_id="toolu_root")
        assert (orphan.thread_parent_id, orphan.session_id) == (None, orphan.start.id)
        in_session = await storage.store.list(Where(session_id=root.id), Page())
        assert [each.start.id for each in in_session] == [grandchild.start.id, child.id]

    async def test_a_deleted_cursor_is_unknown(self, storage: PurgeableStorage, samples: Samples) -> None:
        """Whoever pages through a list learns that its place is gone, instead of missing a part unnoticed."""
        old = await completed(storage, samples)
        await storage.retention.delete_interceptions(started_before=samples.clock.now(), limit=10)
        with pytest.raises(UnknownCursor):
            await storage.store.list(Where(), Page(after_id=old.start.id))

    async def test_a_late_record_of_a_deleted_one(self, storage: PurgeableStorage, samples: Samples) -> None:
        """A record that comes after the deletion is refused, at the latest by its end, and harms nobody."""
        old = await completed(storage, samples)
        beside = samples.start()
        await storage.retention.delete_interceptions(started_before=beside.started_at, limit=10)
        await storage.recorder.begin(beside)
        kept = samples.prompt(beside, "kept")
        with suppress(RecordingFailed):
            await storage.recorder.record([samples.prompt(old.start, "late")])
        await storage.recorder.record([kept])
        await storage.recorder.end(samples.ended(beside))
        with pytest.raises(RecordingFailed):
            await storage.recorder.end(samples.ended(old.start))
        assert list((await read(storage, beside)).records) == [kept]

    async def test_requests_go_on_meanwhile(self, storage: PurgeableStorage, samples: Samples) -> None:
        """Interceptions that begin and end during a purge are all there afterwards, whole, and nothing old is."""
        for _ in range(60):
            await whole(storage, samples)
        before = samples.clock.turn(1)
        starts = [samples.start() for _ in range(60)]
        records = {start.id: [samples.record(start, fact) for fact in FACTS] for start in starts}

        async def request(start: InterceptionStart) -> None:
            await storage.recorder.begin(start)
            await storage.recorder.record(records[start.id])
            await storage.recorder.end(samples.ended(start))

        async def purge() -> None:
            while await storage.retention.delete_interceptions(started_before=before, limit=7):
                pass

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(purge)
            for start in starts:
                tasks.start_soon(request, start)
        found = await storage.store.list(Where(), Page(limit=1000))
        assert {each.start.id: list(each.records) for each in found} == records
        assert await storage.store.count(Where(status=Status.COMPLETED)) == len(starts)

    async def test_two_at_once(self, open_storage: OpenPurgeable, samples: Samples) -> None:
        """Two processes that purge at the same time, against the rules, delete each interception once."""
        async with open_storage("gateway-1") as one, open_storage("gateway-2") as two:
            for _ in range(40):
                await whole(one, samples)
            before = samples.clock.turn(1)
            deleted: list[int] = []

            async def purge(storage: PurgeableStorage) -> None:
                while n := await storage.retention.delete_interceptions(started_before=before, limit=3):
                    deleted.append(n)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(purge, one)
                tasks.start_soon(purge, two)
            assert sum(deleted) == 40
            assert await two.store.count(Where()) == 0
