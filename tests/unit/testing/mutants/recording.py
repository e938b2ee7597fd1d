"""Mistakes of the write side: lifecycle, idempotence, concurrency, cancellation."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import anyio.lowlevel
import attrs
from attrs import Factory, define, frozen

from aibridge_core.errors import RecordingFailed
from aibridge_core.records import InterceptionEnded, InterceptionStart, Record, Status
from aibridge_core.testing.memory import MemoryDatabase, MemoryRecorder
from unit.testing.mutants.mutant import Mutant, Opened, Opener


class _Reopening(MemoryRecorder):
    async def _end_anew(self, ended: InterceptionEnded) -> None:
        self.database.interceptions[ended.id] = attrs.evolve(self._begun(ended.id), status=Status.IN_FLIGHT)
        await super().end(ended)


class SecondEndWins(_Reopening):
    async def end(self, ended: InterceptionEnded) -> None:
        await self._end_anew(ended)


class RacyEnd(_Reopening):
    async def end(self, ended: InterceptionEnded) -> None:
        if self._begun(ended.id).status is Status.IN_FLIGHT:
            await anyio.lowlevel.checkpoint()
            await self._end_anew(ended)


class EndOfNothingIsFine(MemoryRecorder):
    async def end(self, ended: InterceptionEnded) -> None:
        if ended.id in self.database.interceptions:
            await super().end(ended)


class EndForgetsTheKey(MemoryRecorder):
    async def end(self, ended: InterceptionEnded) -> None:
        await super().end(attrs.evolve(ended, credential_hint=""))


class EndEmptiesTheKey(MemoryRecorder):
    async def end(self, ended: InterceptionEnded) -> None:
        await super().end(ended)
        interception = self.database.interceptions[ended.id]
        start = attrs.evolve(interception.start, credential_hint=ended.credential_hint)
        self.database.interceptions[ended.id] = attrs.evolve(interception, start=start)


class CancellationLosesTheEnd(MemoryRecorder):
    async def end(self, ended: InterceptionEnded) -> None:
        await anyio.lowlevel.checkpoint()
        await super().end(ended)


class CancellationLosesRecords(MemoryRecorder):
    async def record(self, records: Sequence[Record]) -> None:
        await anyio.lowlevel.checkpoint()
        await super().record(records)


class BeginOverwrites(MemoryRecorder):
    async def begin(self, start: InterceptionStart) -> None:
        self.database.interceptions.pop(start.id, None)
        await super().begin(start)


class BeginIsRefusedTwice(MemoryRecorder):
    async def begin(self, start: InterceptionStart) -> None:
        if start.id in self.database.interceptions:
            raise RecordingFailed("it has begun")
        await super().begin(start)


class BeginAdopts(MemoryRecorder):
    async def begin(self, start: InterceptionStart) -> None:
        await super().begin(start)
        self.database.owners[start.id] = self.owner


class RacyBegin(MemoryRecorder):
    async def begin(self, start: InterceptionStart) -> None:
        if start.id not in self.database.interceptions:
            await anyio.lowlevel.checkpoint()
            self.database.interceptions.pop(start.id, None)
            await super().begin(start)


class LastRecordWins(MemoryRecorder):
    """Of several calls; of one call the first one wins, as it should."""

    async def record(self, records: Sequence[Record]) -> None:
        for record in records:
            self.database.records.get(record.interception_id, {}).pop(record.id, None)
        await super().record(records)


class _WithKeysOfItsOwn(MemoryRecorder):
    async def _add(self, records: Sequence[Record]) -> None:
        await super().record(records)
        for record in records:
            kept = self.database.records[record.interception_id]
            kept[f"key {len(kept)}"] = kept[record.id]


class RecordsAreDoubled(_WithKeysOfItsOwn):
    async def record(self, records: Sequence[Record]) -> None:
        new = [each for each in records if each.id not in self.database.records.get(each.interception_id, {})]
        await super().record(new)
        await self._add([each for each in records if each not in new])


class RacyRecord(_WithKeysOfItsOwn):
    async def record(self, records: Sequence[Record]) -> None:
        known = self.database.records.get
        new = [record for record in records if record.id not in known(record.interception_id, {})]
        await anyio.lowlevel.checkpoint()
        seen = [record for record in new if record.id in known(record.interception_id, {})]
        await super().record(new)
        await self._add(seen)


class OneInterceptionForAll(MemoryRecorder):
    async def record(self, records: Sequence[Record]) -> None:
        await super().record([attrs.evolve(record, interception_id=records[0].interception_id) for record in records])


class LateRecordsAreRefused(MemoryRecorder):
    async def record(self, records: Sequence[Record]) -> None:
        if any(self._begun(record.interception_id).status is not Status.IN_FLIGHT for record in records):
            raise RecordingFailed("it has ended")
        await super().record(records)


class LateRecordsVanish(MemoryRecorder):
    async def record(self, records: Sequence[Record]) -> None:
        await super().record([each for each in records if self._begun(each.interception_id).ended_at is None])


@define
class _Waiting(MemoryDatabase):
    """Records that wait for the next start or end."""

    waiting: list[Record] = Factory(list)


class _Batching(MemoryRecorder):
    async def record(self, records: Sequence[Record]) -> None:
        self._waiting.waiting += records

    async def _flush(self) -> None:
        waiting, self._waiting.waiting = self._waiting.waiting, []
        await super().record(waiting)

    @property
    def _waiting(self) -> _Waiting:
        return cast(_Waiting, self.database)


class EndDoesNotWaitForRecords(_Batching):
    async def begin(self, start: InterceptionStart) -> None:
        await self._flush()
        await super().begin(start)


class OneBadRecordLosesTheBatch(_Batching):
    async def end(self, ended: InterceptionEnded) -> None:
        known = {record.interception_id for record in self._waiting.waiting} <= self.database.interceptions.keys()
        if not known:
            self._waiting.waiting.clear()
        await self._flush()
        await super().end(ended)


@frozen(kw_only=True)
class WrittenWhenClosed(Mutant):
    """A process answers from its own memory, and writes at the end."""

    def opener(self) -> Opener:
        shared = MemoryDatabase()

        @asynccontextmanager
        async def opened(owner: str) -> AsyncIterator[Opened]:
            names = ("interceptions", "records", "owners", "leases", "users", "tokens")
            own = MemoryDatabase(**{name: dict(getattr(shared, name)) for name in names})
            yield self.on(own, owner)
            for name in names:
                getattr(shared, name).update(getattr(own, name))

        return opened


MUTANTS = (
    Mutant(mistake="the second end wins", recorder=SecondEndWins, caught_by="test_the_first_end_counts"),
    Mutant(mistake="ends race", recorder=RacyEnd, caught_by="test_what_was_seen_of_an_end_stays"),
    Mutant(
        mistake="an end without a start is fine",
        recorder=EndOfNothingIsFine,
        caught_by="test_an_end_without_a_start_is_an_error",
    ),
    Mutant(mistake="the last key is forgotten", recorder=EndForgetsTheKey, caught_by="test_the_last_key_counts"),
    Mutant(mistake="no last key empties the hint", recorder=EndEmptiesTheKey, caught_by="test_the_last_key_counts"),
    Mutant(
        mistake="a cancelled end is lost",
        recorder=CancellationLosesTheEnd,
        caught_by="test_a_cancelled_end_is_carried_out",
    ),
    Mutant(
        mistake="cancelled records are lost",
        recorder=CancellationLosesRecords,
        caught_by="test_a_cancelled_end_is_carried_out",
    ),
    Mutant(mistake="begin overwrites", recorder=BeginOverwrites, caught_by="test_a_second_begin_changes_nothing"),
    Mutant(
        mistake="a replayed start is refused",
        recorder=BeginIsRefusedTwice,
        caught_by="test_a_second_begin_changes_nothing",
    ),
    Mutant(mistake="a replay adopts", recorder=BeginAdopts, caught_by="test_a_replay_takes_nothing_over"),
    Mutant(mistake="begins race", recorder=RacyBegin, caught_by="test_what_was_seen_of_an_end_stays"),
    Mutant(mistake="the last record of an id wins", recorder=LastRecordWins, caught_by="test_a_record_is_kept_once"),
    Mutant(mistake="a record is not idempotent", recorder=RecordsAreDoubled, caught_by="test_a_record_is_kept_once"),
    Mutant(mistake="records race", recorder=RacyRecord, caught_by="test_a_record_at_once_is_kept_once"),
    Mutant(
        mistake="records of one call are of one interception",
        recorder=OneInterceptionForAll,
        caught_by="test_records_of_several_in_one_call",
    ),
    Mutant(
        mistake="late records are refused",
        recorder=LateRecordsAreRefused,
        caught_by="test_records_after_the_end_are_kept",
    ),
    Mutant(mistake="late records vanish", recorder=LateRecordsVanish, caught_by="test_records_after_the_end_are_kept"),
    Mutant(
        mistake="end returns before its records are visible",
        database=_Waiting,
        recorder=EndDoesNotWaitForRecords,
        caught_by="test_every_field_is_kept",
    ),
    Mutant(
        mistake="one bad record loses a batch",
        database=_Waiting,
        recorder=OneBadRecordLosesTheBatch,
        caught_by="test_records_without_a_start_harm_nobody",
    ),
    WrittenWhenClosed(mistake="written when closed", caught_by="test_another_process_sees_it"),
)
