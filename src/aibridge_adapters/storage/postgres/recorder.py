"""The write side of the audit trail on PostgreSQL.

Belongs here: the Recorder port in terms of the writer. Never: SQL, tasks.
"""

from collections.abc import Sequence

from attrs import frozen

from aibridge_adapters.storage.postgres.backlog import OVERHEAD
from aibridge_adapters.storage.postgres.works import Begin, End, Keep
from aibridge_adapters.storage.postgres.writer import Writer
from aibridge_core.records import (
    InterceptionEnded,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    Record,
    ToolUsage,
)


@frozen
class PostgresRecorder:
    """Implements `aibridge_core.ports.Recorder`."""

    _writer: Writer

    async def begin(self, start: InterceptionStart) -> None:
        """Return when the start is on the server's disk. If the caller is cancelled it gets there all the same.

        Raises RecordingFailed; if the connection broke and can't be made again, the start may be there nevertheless.
        """
        await self._writer.do(Begin(start))

    async def record(self, records: Sequence[Record]) -> None:
        """Queue records, first; then wait while too much is queued. So cancellation can't lose one.

        If they can't be written, the end of their interception says so. Raises RecordingFailed if this storage is
        closed.
        """
        if records:
            self._writer.put(Keep(tuple(records)), weight=sum(_weight(record) for record in records))
            await self._writer.room()

    async def end(self, ended: InterceptionEnded) -> None:
        """Return when the end, and all that was recorded before it, is on the server's disk. Raises RecordingFailed."""
        await self._writer.do(End(ended))


def _weight(record: Record) -> int:
    """Roughly what a record takes in memory while it waits, in bytes."""
    match record.fact:
        case PromptUsage(prompt=text) | ToolUsage(arguments=text) | ModelThought(content=text):
            return OVERHEAD + len(text)
        case _:
            return OVERHEAD
