"""The storage contract: what is written is there, once, and whole.

Belongs here: lifecycle, idempotence, concurrency, cancellation. Never: filters, threads.
"""

from contextlib import suppress
from datetime import timedelta, timezone

import anyio
import attrs
import pytest

from aibridge_core.actors import CredentialKind
from aibridge_core.errors import RecordingFailed
from aibridge_core.records import (
    ErrorType,
    Interception,
    InterceptionEnded,
    InterceptionFilter,
    InterceptionStart,
    Page,
    PromptUsage,
    Status,
)
from aibridge_core.testing.contract.base import ContractBase, OpenStorage, StorageUnderTest, completed, finished, read
from aibridge_core.testing.samples import BEN, FACTS, Samples


class RecordingContract(ContractBase):
    """The Recorder port, seen through the InterceptionStore."""

    async def test_a_begun_interception_is_in_flight(self, storage: StorageUnderTest, samples: Samples) -> None:
        """When `begin` returns, the interception can be read: in flight, without an end and without records."""
        start = samples.start()
        await storage.recorder.begin(start)
        expected = Interception(start=start, session_id=start.id, status=Status.IN_FLIGHT, records=[])
        assert await storage.store.get(start.id) == expected
        assert list(await storage.store.list(InterceptionFilter(), Page())) == [expected]

    async def test_every_field_is_kept(self, storage: StorageUnderTest, samples: Samples) -> None:
        """What is read equals what was written, in every field of every value."""
        start = samples.start(
            initiator=BEN,
            client_session_id="session 7",
            correlating_tool_call_id="toolu_0",
            credential_kind=CredentialKind.BYOK,
            streaming=False,
            metadata={"list": [1, 2.5, None, True], "nested": {"a": {"b": "c"}}, "big": 2**53 + 1},
        )
        records = tuple(samples.record(start, fact) for fact in FACTS)
        ended = samples.ended(start, Status.FAILED, error_type=ErrorType.OVERLOADED, error_message="try later")
        assert await finished(storage, start, records, ended) == Interception(
            start=start,
            session_id="session 7",
            status=Status.FAILED,
            ended_at=ended.ended_at,
            error_type="overloaded",
            error_message="try later",
            records=list(records),
        )

    @pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.INTERRUPTED])
    async def test_every_outcome_is_kept(self, storage: StorageUnderTest, samples: Samples, status: Status) -> None:
        """An interception ends with any outcome."""
        start = samples.start()
        ended = samples.ended(start, status)
        interception = await finished(storage, start, (), ended)
        assert (interception.status, interception.ended_at) == (status, ended.ended_at)

    async def test_times_are_utc(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Times of any zone are read back as the same moments in UTC, to the microsecond."""
        zone = timezone(timedelta(hours=5, minutes=30))
        moment = samples.clock.now().replace(microsecond=123_457).astimezone(zone)
        found = (await completed(storage, samples, started_at=moment)).start.started_at
        assert (found, found.utcoffset()) == (moment, timedelta(0))

    async def test_the_last_key_counts(self, storage: StorageUnderTest, samples: Samples) -> None:
        """An end's credential hint replaces the start's, unless it is empty."""
        first, second = samples.start(credential_hint="aaaa...1111"), samples.start(credential_hint="aaaa...1111")
        changed = await finished(storage, first, (), samples.ended(first, credential_hint="bbbb...2222"))
        kept = await finished(storage, second, (), samples.ended(second))
        assert changed.start.credential_hint == "bbbb...2222"
        assert kept.start.credential_hint == "aaaa...1111"

    async def test_the_first_end_counts(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A second end, also one that says something else, changes nothing and is no error."""
        start = samples.start()
        first = await finished(storage, start, (), samples.ended(start, Status.CANCELLED, error_message="gone"))
        await storage.recorder.end(samples.ended(start, Status.COMPLETED, credential_hint="zzzz...9999"))
        assert await read(storage, start) == first

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

    async def test_a_second_begin_changes_nothing(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A start that is written again, as a replay does, neither doubles nor reopens its interception."""
        start = samples.start()
        before = await finished(storage, start, (), samples.ended(start))
        await storage.recorder.begin(start)
        await storage.recorder.begin(attrs.evolve(start, model="another", initiator=BEN))
        assert await read(storage, start) == before
        assert await storage.store.count(InterceptionFilter()) == 1

    async def test_a_record_is_kept_once(self, storage: StorageUnderTest, samples: Samples) -> None:
        """The id of a record decides: again in the same call, in another or with another text, the first stays."""
        start = samples.start()
        records = tuple(samples.record(start, fact) for fact in FACTS)
        other = attrs.evolve(records[0], fact=PromptUsage(response_id="msg_2", prompt="something else"))
        interception = await finished(storage, start, (*records, *records, other), samples.ended(start))
        await storage.recorder.record(records)
        await storage.recorder.end(samples.ended(start))
        assert list(interception.records) == list(records)
        assert await read(storage, start) == interception

    async def test_records_are_in_order(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Records of all kinds are read by time, then by id, however they were written."""
        start = samples.start()
        records = [samples.record(start, fact) for fact in FACTS * 3]
        same_moment = [samples.record(start, fact, created_at=records[-1].created_at) for fact in FACTS]
        in_order = [*records, *same_moment]
        interception = await finished(storage, start, tuple(reversed(in_order)), samples.ended(start))
        assert list(interception.records) == in_order

    async def test_records_after_the_end_are_kept(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A record that comes late is part of the trail all the same."""
        interception = await completed(storage, samples)
        late = samples.prompt(interception.start, "late")
        await storage.recorder.record([late])
        await storage.recorder.end(samples.ended(interception.start))
        assert await read(storage, interception.start) == attrs.evolve(interception, records=[late])

    async def test_an_end_without_a_start_is_an_error(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Ending what never began fails, so that the defect behind it shows; nothing is written."""
        with pytest.raises(RecordingFailed):
            await storage.recorder.end(samples.ended(samples.start()))
        assert await storage.store.count(InterceptionFilter()) == 0

    async def test_records_without_a_start_harm_nobody(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Records of what never began are refused, at the latest by its end; those beside them are kept."""
        unknown, start = samples.start(), samples.start()
        await storage.recorder.begin(start)
        beside = samples.prompt(start, "kept")
        with suppress(RecordingFailed):
            await storage.recorder.record([samples.prompt(unknown, "of nobody")])
        await storage.recorder.record([beside])
        await storage.recorder.end(samples.ended(start))
        with pytest.raises(RecordingFailed):
            await storage.recorder.end(samples.ended(unknown))
        assert list((await read(storage, start)).records) == [beside]
        assert await storage.store.get(unknown.id) is None

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
