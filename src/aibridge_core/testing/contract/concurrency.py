"""The storage contract: several callers, and several processes, at once.

Belongs here: who sees what, and what remains when calls overlap or are cancelled. Never: what one caller alone can see.
"""

from contextlib import suppress

import anyio
import attrs

from aibridge_core.errors import RecordingFailed
from aibridge_core.records import (
    Interception,
    InterceptionEnded,
    InterceptionFilter,
    InterceptionStart,
    Page,
    PromptUsage,
    Status,
)
from aibridge_core.testing.contract.base import ContractBase, OpenStorage, StorageUnderTest, finished, read
from aibridge_core.testing.samples import FACTS, Samples


class ConcurrencyContract(ContractBase):
    """Requests run at the same time, in several gateways on one database, and may be cancelled anywhere."""

    async def test_another_process_sees_it(self, open_storage: OpenStorage, samples: Samples) -> None:
        """What `begin` and `end` have answered for is seen by every process at once: it isn't in memory only."""
        start = samples.start()
        records = [samples.record(start, fact) for fact in FACTS]
        async with open_storage("gateway-1") as one, open_storage("gateway-2") as two:
            await one.recorder.begin(start)
            assert (await read(two, start)).status is Status.IN_FLIGHT
            await one.recorder.record(records)
            await one.recorder.end(samples.ended(start))
            assert await read(two, start) == await read(one, start)
            assert list((await read(two, start)).records) == records
            assert await two.store.count(InterceptionFilter(status=Status.COMPLETED)) == 1
            assert list(await two.store.models(initiator_id=None, prefix="", page=Page())) == [start.model]

    async def test_what_was_seen_of_an_end_stays(self, open_storage: OpenStorage, samples: Samples) -> None:
        """Of many begins and ends in two processes one each counts, whole: whoever looks afterwards sees the same."""
        start = samples.start()
        seen: list[Interception] = []

        async def replay(storage: StorageUnderTest, number: int) -> None:
            await storage.recorder.begin(attrs.evolve(start, model=f"model {number}"))
            ended = samples.ended(start, Status.FAILED, error_message=f"end {number}")
            await storage.recorder.end(ended)
            seen.append(await read(storage, start))

        async with open_storage("gateway-1") as one, open_storage("gateway-2") as two:
            async with anyio.create_task_group() as tasks:
                for number in range(10):
                    tasks.start_soon(replay, one, number)
                    tasks.start_soon(replay, two, number + 10)
            assert seen == [await read(one, start)] * 20
            assert await two.store.count(InterceptionFilter()) == 1

    async def test_a_record_at_once_is_kept_once(self, open_storage: OpenStorage, samples: Samples) -> None:
        """The same records written by several callers in two processes at the same time are there once."""
        start = samples.start()
        records = [samples.record(start, fact) for fact in FACTS]
        async with open_storage("gateway-1") as one, open_storage("gateway-2") as two:
            await one.recorder.begin(start)
            async with anyio.create_task_group() as tasks:
                for storage in [one, two] * 5:
                    tasks.start_soon(storage.recorder.record, records)
            for storage in (two, one):
                await storage.recorder.end(samples.ended(start))
            assert list((await read(one, start)).records) == records

    async def test_ends_at_once(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Of many ends at the same time exactly one counts, whole."""
        start = samples.start()
        await storage.recorder.begin(start)
        ends = [samples.ended(start, Status.FAILED, error_message=f"end {number}") for number in range(20)]
        async with anyio.create_task_group() as tasks:
            for ended in ends:
                tasks.start_soon(storage.recorder.end, ended)
        found = await read(storage, start)
        assert (found.ended_at, found.error_message) in [(ended.ended_at, ended.error_message) for ended in ends]
        assert await storage.store.count(InterceptionFilter()) == 1

    async def test_many_at_once(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A hundred requests at the same time are all kept whole."""
        starts = [samples.start() for _ in range(100)]
        records = {start.id: [samples.record(start, fact) for fact in FACTS] for start in starts}
        ends = {start.id: samples.ended(start) for start in starts}

        async def request(start: InterceptionStart) -> None:
            await storage.recorder.begin(start)
            for record in records[start.id]:
                await storage.recorder.record([record])
            await storage.recorder.end(ends[start.id])

        async with anyio.create_task_group() as tasks:
            for start in starts:
                tasks.start_soon(request, start)
        found = await storage.store.list(InterceptionFilter(status=Status.COMPLETED), Page(limit=1000))
        assert {each.start.id: list(each.records) for each in found} == records
        assert {each.start.id: each.ended_at for each in found} == {id: end.ended_at for id, end in ends.items()}

    async def test_a_cancelled_end_is_carried_out(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A caller that is cancelled while it ends an interception loses nothing."""
        start = samples.start()
        records = [samples.record(start, fact) for fact in FACTS]
        await storage.recorder.begin(start)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await storage.recorder.record(records)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await storage.recorder.end(samples.ended(start, Status.CANCELLED))
        await storage.recorder.end(samples.ended(start, Status.COMPLETED))  # returns when the first one is done
        found = await read(storage, start)
        assert (found.status, list(found.records)) == (Status.CANCELLED, records)

    async def test_a_cancelled_begin_can_be_ended(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A caller that is cancelled while it begins ends the interception, and nothing stays in flight."""
        start = samples.start()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await storage.recorder.begin(start)
        with suppress(RecordingFailed):  # it may also not have begun
            await storage.recorder.end(samples.ended(start, Status.CANCELLED))
        found = await storage.store.get(start.id)
        assert found is None or found.status is Status.CANCELLED

    async def test_some_are_cancelled(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Cancelled callers among others harm none of them."""
        starts = [samples.start() for _ in range(30)]

        async def request(start: InterceptionStart, ended: InterceptionEnded, cancelled: bool) -> None:
            await storage.recorder.begin(start)
            with anyio.CancelScope() as scope:
                if cancelled:
                    scope.cancel()
                await storage.recorder.end(ended)

        async with anyio.create_task_group() as tasks:
            for number, start in enumerate(starts):
                tasks.start_soon(request, start, samples.ended(start), number % 3 == 0)
        for start in starts:
            await storage.recorder.end(samples.ended(start, Status.FAILED))
        assert await storage.store.count(InterceptionFilter(status=Status.COMPLETED)) == len(starts)

    async def test_it_is_there_when_opened_again(self, open_storage: OpenStorage, samples: Samples) -> None:
        """What was written stays when the storage is closed and opened again."""
        async with open_storage("gateway-1") as storage:
            start = samples.start()
            interception = await finished(
                storage, start, tuple(samples.record(start, fact) for fact in FACTS), samples.ended(start)
            )
            in_flight = samples.start()
            await storage.recorder.begin(in_flight)
            await storage.recorder.record([samples.prompt(in_flight, "not awaited")])
        async with open_storage("gateway-2") as storage:
            assert await read(storage, start) == interception
            assert [each.fact for each in (await read(storage, in_flight)).records] == [
                PromptUsage(response_id="msg_1", prompt="not awaited")
            ]
