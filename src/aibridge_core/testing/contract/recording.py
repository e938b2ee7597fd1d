"""The storage contract: what is written is there, once, and whole.

Belongs here: lifecycle and idempotence. Never: several callers at once (`concurrency`), filters, threads.
"""

from contextlib import suppress
from datetime import timedelta, timezone

import attrs
import pytest

from aibridge_core.actors import CredentialKind
from aibridge_core.boundaries import FirewallPlace
from aibridge_core.errors import RecordingFailed
from aibridge_core.records import (
    ErrorType,
    Interception,
    InterceptionFilter,
    Page,
    PromptUsage,
    Status,
)
from aibridge_core.testing.contract.base import ContractBase, StorageUnderTest, completed, finished, read
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
            firewall=FirewallPlace(session_id="f17e0000-0000-4000-8000-000000000001", sequence_number=2**63 - 1),
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
        moments = [samples.clock.turn(1).replace(microsecond=123_457).astimezone(zone) for _ in range(3)]
        start = samples.start(started_at=moments[0])
        record = samples.record(start, FACTS[0], created_at=moments[1])
        found = await finished(storage, start, (record,), samples.ended(start, ended_at=moments[2]))
        times = [found.start.started_at, found.records[0].created_at, found.ended_at]
        assert times == moments
        assert [time and time.utcoffset() for time in times] == [timedelta(0)] * 3

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
        await storage.recorder.record([other, *records])
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

    async def test_records_of_several_in_one_call(self, storage: StorageUnderTest, samples: Samples) -> None:
        """Records name their interception; one call may hold those of several, mixed."""
        starts = [samples.start() for _ in range(3)]
        for start in starts:
            await storage.recorder.begin(start)
        records = [samples.record(start, fact) for fact in FACTS for start in starts]
        await storage.recorder.record(records)
        for number, start in enumerate(starts):
            await storage.recorder.end(samples.ended(start))
            assert list((await read(storage, start)).records) == records[number::3]

    async def test_no_records(self, storage: StorageUnderTest, samples: Samples) -> None:
        """A call without records does nothing, whatever has begun."""
        await storage.recorder.record([])
        assert (await completed(storage, samples)).records == []

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
