"""Removing what was kept long enough: first by a line that says so, then from the file.

Belongs here: the Retention port. Never: how long anything is kept.

A line is enough for everybody who reads. The bytes go when the run is over and gives its right back: the file is then
written anew once, instead of once for each small batch.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import islice

from attrs import frozen

from aibridge_core.retention import ContentsFound, Position
from aibridge_jsonl.database import Database
from aibridge_jsonl.index import Entry, Index
from aibridge_jsonl.lines import Deleted, Erased, Line
from aibridge_jsonl.notes import Note
from aibridge_jsonl.unavailable import unavailable


@frozen
class JsonlRetention:
    """Implements `aibridge_core.ports.Retention`."""

    _database: Database
    _claim: Note
    """Who may purge, and until when."""
    _owner: str

    async def claim(self, now: datetime, *, seconds: float) -> bool:
        """Take or prolong the right to purge. Raises StoreUnavailable."""
        until = now + timedelta(seconds=seconds)

        def claimed() -> bool:
            if self._holder(now) not in (None, self._owner):
                return False
            self._claim.write(json.dumps([self._owner, until.isoformat()]))
            return True

        with unavailable():
            return await self._database.alone(claimed)

    async def release(self) -> None:
        """Give it back, if this process has it, and make the file smaller. Raises StoreUnavailable."""

        def released() -> bool:
            mine = self._holder() == self._owner
            if mine:
                self._claim.remove()
            return mine

        with unavailable():
            if await self._database.alone(released):
                await self._database.compact()

    async def delete_interceptions(self, *, started_before: datetime, limit: int) -> int:
        """The oldest first, records and all. Raises StoreUnavailable."""

        def decide(index: Index) -> Sequence[Line]:
            ids = _ids(islice(index.oldest_ended(before=started_before), limit))
            return (Deleted(ids=ids),) if ids else ()

        with unavailable():
            lines = await self._database.change(decide)
        return sum(len(line.ids) for line in lines if isinstance(line, Deleted))

    async def find_contents(self, *, started_before: datetime, after: Position, limit: int) -> ContentsFound:
        """The oldest first. Raises StoreUnavailable."""

        def query(index: Index) -> Sequence[Entry]:
            ended = index.oldest_ended(after=(after.started_at, after.id), before=started_before)
            return list(islice((entry for entry in ended if entry.holds_content), limit + 1))

        with unavailable():
            found = await self._database.read(query)
        if len(found) <= limit:
            return ContentsFound(ids=_ids(found), until=None)
        started_at, last_id = found[limit - 1].rank
        return ContentsFound(ids=_ids(found[:limit]), until=Position(started_at=started_at, id=last_id))

    async def erase_contents(self, ids: Sequence[str]) -> None:
        """What is there now; a record that comes later keeps its content. Raises StoreUnavailable."""

        def decide(index: Index) -> Sequence[Line]:
            known = [index.entries[each] for each in ids if each in index.entries]
            holding = _ids(entry for entry in known if entry.holds_content)
            return (Erased(ids=holding),) if holding else ()

        with unavailable():
            await self._database.change(decide)

    def _holder(self, now: datetime | None = None) -> str | None:
        """Who has the right to purge, or had it before its time was over if `now` isn't given."""
        text = self._claim.read()
        if not text:
            return None
        holder, until = json.loads(text)
        return holder if now is None or now < datetime.fromisoformat(until) else None


def _ids(entries: Iterable[Entry]) -> tuple[str, ...]:
    return tuple(entry.interception.start.id for entry in entries)
