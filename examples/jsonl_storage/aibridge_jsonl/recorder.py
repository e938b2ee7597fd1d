"""The write side: begin, record, end.

Belongs here: the Recorder port in terms of lines. Never: files, threads.
"""

from collections.abc import Sequence

from attrs import frozen

from aibridge_core.errors import RecordingFailed
from aibridge_core.records import InterceptionEnded, InterceptionStart, Record
from aibridge_core.text import storable
from aibridge_jsonl.database import Database
from aibridge_jsonl.index import Entry, Index
from aibridge_jsonl.lines import Begun, Ended, Line, Recorded
from aibridge_jsonl.trail import Decide


@frozen
class JsonlRecorder:
    """Implements `aibridge_core.ports.Recorder`."""

    _database: Database
    _owner: str

    async def begin(self, start: InterceptionStart) -> None:
        """Return when the start is on the disk. One that is there already stays as it is."""
        start = storable(start)

        def decide(index: Index) -> Sequence[Line]:
            return () if start.id in index.entries else (self._begun(start, index),)

        await self._append(decide)

    async def record(self, records: Sequence[Record]) -> None:
        """Return when the records are on the disk. The first of an id counts."""

        def decide(index: Index) -> Sequence[Line]:
            new: dict[tuple[str, str], Line] = {}
            for record in records:
                if record.id not in _begun(index, record.interception_id).records:
                    new.setdefault((record.interception_id, record.id), Recorded(record=record))
            return list(new.values())

        await self._append(decide)

    async def end(self, ended: InterceptionEnded) -> None:
        """Return when the end is on the disk, where its records are already. The first end counts."""

        def decide(index: Index) -> Sequence[Line]:
            return (Ended(ended=ended),) if _begun(index, ended.id).in_flight else ()

        await self._append(decide)

    def _begun(self, start: InterceptionStart, index: Index) -> Begun:
        """The line, with the thread and the session as they are known now."""
        caller = index.caller(start.correlating_tool_call_id)
        root_id = (caller.thread_root_id or caller.start.id) if caller else None
        return Begun(
            start=start,
            owner=self._owner,
            session_id=start.client_session_id or root_id or start.id,
            thread_parent_id=caller.start.id if caller else None,
            thread_root_id=root_id,
        )

    async def _append(self, decide: Decide) -> None:
        """The message reaches the client, so it holds neither a value nor a path."""
        try:
            await self._database.change(decide)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise RecordingFailed(f"the audit trail can't be written: {why}") from error
        except ValueError as error:
            raise RecordingFailed("the audit trail can't hold this") from error


def _begun(index: Index, interception_id: str) -> Entry:
    try:
        return index.entries[interception_id]
    except KeyError:
        raise RecordingFailed(f"interception {interception_id} has not begun") from None
