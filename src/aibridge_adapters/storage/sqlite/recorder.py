"""The write side of the audit trail on SQLite.

Belongs here: the Recorder port in terms of the writer. Never: SQL, threads.
"""

import sqlite3
from collections.abc import Sequence

from attrs import frozen

from aibridge_adapters.storage.sqlite.works import Work
from aibridge_adapters.storage.sqlite.writer import OVERHEAD, Writer, WriterClosed
from aibridge_core.content import content_of
from aibridge_core.errors import RecordingFailed
from aibridge_core.records import InterceptionEnded, InterceptionStart, Record


@frozen
class SqliteRecorder:
    """Implements `aibridge_core.ports.Recorder`."""

    _writer: Writer

    async def begin(self, start: InterceptionStart) -> None:
        """Return when the start is on the disk. If the caller is cancelled it gets there all the same."""
        await self._done(start)

    async def record(self, records: Sequence[Record]) -> None:
        """Queue records, first; then wait while too much is queued. So cancellation can't lose one."""
        if not records:
            return
        weight = OVERHEAD * len(records) + sum([len(content_of(record.fact)) for record in records])
        try:
            self._writer.put(tuple(records), weight=weight)
        except WriterClosed as error:
            raise RecordingFailed(str(error)) from error
        await self._writer.room()

    async def end(self, ended: InterceptionEnded) -> None:
        """Return when the end, and all that was recorded before it, is on the disk."""
        await self._done(ended)

    async def _done(self, work: Work) -> None:
        try:
            await self._writer.do(work)
        except RecordingFailed:
            raise
        except (sqlite3.Error, WriterClosed) as error:
            raise RecordingFailed(f"the audit trail can't be written: {error}") from error
        except Exception as error:  # a value that no column takes, such as a time without a zone
            raise RecordingFailed(f"the audit trail can't hold this: {type(error).__name__}") from error
