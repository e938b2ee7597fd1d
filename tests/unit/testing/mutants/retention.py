"""Mistakes of a purge."""

from collections.abc import Sequence
from datetime import datetime

import attrs

from aibridge_core.records import Interception
from aibridge_core.retention import ContentsFound, Position
from aibridge_core.testing.memory_retention import MemoryRetention
from unit.testing.mutants.mutant import Mutant


class DeletesTheNewest(MemoryRetention):
    def _ended(self, started_before: datetime) -> list[Interception]:
        return super()._ended(started_before)[::-1]


class LeavesRecordsBehind(MemoryRetention):
    async def delete_interceptions(self, *, started_before: datetime, limit: int) -> int:
        records = dict(self.database.records)
        count = await super().delete_interceptions(started_before=started_before, limit=limit)
        self.database.records.update(records)
        return count


class DeletesWhatRuns(MemoryRetention):
    def _ended(self, started_before: datetime) -> list[Interception]:
        due = [each for each in self.database.interceptions.values() if each.start.started_at < started_before]
        return sorted(due, key=lambda each: (each.start.started_at, each.start.id))


class EveryoneMayPurge(MemoryRetention):
    async def claim(self, now: datetime, *, seconds: float) -> bool:
        return True


class ErasesWithoutAMark(MemoryRetention):
    async def erase_contents(self, ids: Sequence[str]) -> None:
        await super().erase_contents(ids)
        for record in [record for each in ids for record in self._records(each)]:
            metadata = {key: value for key, value in record.fact.metadata.items() if key != "content"}
            erased = attrs.evolve(record, fact=attrs.evolve(record.fact, metadata=metadata))
            self.database.records[record.interception_id][record.id] = erased


class SkipsTies(MemoryRetention):
    async def find_contents(self, *, started_before: datetime, after: Position, limit: int) -> ContentsFound:
        last_of_all = Position(started_at=after.started_at, id="g")
        return await super().find_contents(started_before=started_before, after=last_of_all, limit=limit)


MUTANTS = (
    Mutant(mistake="the newest goes first", retention=DeletesTheNewest, caught_by="test_the_oldest_go_first"),
    Mutant(mistake="records are left", retention=LeavesRecordsBehind, caught_by="test_no_record_is_left_behind"),
    Mutant(mistake="running ones go", retention=DeletesWhatRuns, caught_by="test_what_is_in_flight_stays"),
    Mutant(mistake="everyone may purge", retention=EveryoneMayPurge, caught_by="test_one_process_purges"),
    Mutant(mistake="erased without a mark", retention=ErasesWithoutAMark, caught_by="test_content_is_erased"),
    Mutant(mistake="ties are skipped", retention=SkipsTies, caught_by="test_the_walk_goes_on_at_its_position"),
)
