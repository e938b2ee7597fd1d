"""The spool while requests run: appended by them, read by the task that catches up.

Belongs here: grouping appends, and the moment when the file has served. Never: bytes.

All appends that come while one is written go into the next, so that one flush to the disk serves them all. One
thread does the work of the file; nothing of it is needed as long as the database is well.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from attrs import evolve, frozen

from aibridge_adapters.recording.counters import Tally
from aibridge_adapters.recording.parcels import Held, Parcel
from aibridge_adapters.recording.spool.file import NotSpooled, SpoolFile
from aibridge_adapters.recording.spool.folder import STUCK, SpoolFolder, write_new
from aibridge_adapters.recording.spool.reader import SpoolReader
from aibridge_core.errors import RecordingFailed

T = TypeVar("T")

_log = logging.getLogger("aibridge.recording")


@frozen(eq=False)
class _Append:
    parcel: Parcel
    done: asyncio.Future[None]


class Spool:
    """Implements `aibridge_adapters.recording.backlog.Backlog` on this process's file."""

    gating = True
    takes_starts = True

    def __init__(self, folder: SpoolFolder, file: SpoolFile, *, limit: int, tally: Tally) -> None:
        """`limit`: most bytes of the file."""
        self._folder = folder
        self._file = file
        self._limit = limit
        self._tally = tally
        self._reader = SpoolReader(file.begin, tally)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aibridge-spool")
        self._end = file.begin
        self._asked: list[_Append] = []
        self._writing: asyncio.Future[Sequence[NotSpooled | None]] | None = None
        self._kept: dict[str, tuple[Held, Parcel]] = {}
        self.failing = False

    @property
    def waiting(self) -> bool:
        """Whether anything waits."""
        return bool(self._writing) or self._reader.position < self._end

    def get(self, interception_id: str) -> None:
        """What has ended is in the file only."""

    def records_of(self, interception_id: str) -> int:
        """How many records of an interception that runs are in the file."""
        kept = self._kept.get(interception_id)
        return len(kept[1].records) if kept else 0

    async def keep(self, held: Held) -> None:
        """Return when all of it is on the disk. Raises RecordingFailed."""
        whole, (_, before) = held.parcel(), self._kept.get(held.start.id, (held, Parcel(id=held.start.id)))
        more = evolve(whole, start=None if before.start else whole.start, records=whole.records[len(before.records) :])
        held.deferred = True
        self._kept[whole.id] = (held, whole)
        try:
            await self.keep_stray(more)
        except RecordingFailed:
            self._kept[whole.id] = (held, before)
            held.deferred = before.count > 0
            raise
        if held.ended is not None:
            self._kept.pop(whole.id, None)

    async def keep_stray(self, parcel: Parcel) -> None:
        """Return when it is on the disk. Raises RecordingFailed."""
        append = _Append(parcel, asyncio.get_running_loop().create_future())
        self._asked.append(append)
        if self._writing is None:
            self._write()
        await append.done

    async def batch(self, most: int) -> Sequence[Parcel]:
        """The next ones. Raises OSError."""
        if self._reader.hungry:
            while self._writing and self._reader.position >= self._end:
                await asyncio.wait([self._writing])
            lines = await self._run(self._file.read, self._reader.wanted)
            self._reader.feed(lines)
            if not lines:  # somebody has cut the file off
                self._reader.skip_to(self._end)
        return self._reader.batch(most)

    async def settle(self, written: Collection[Parcel], stuck: Collection[Parcel]) -> int:
        """As `Source.settle`. When all is settled the file is emptied, and running interceptions are free again."""
        if stuck:
            aside = await self._run(write_new, self._folder, stuck, STUCK)
            self._tally.add(set_aside=sum(parcel.count for parcel in stuck) if aside else 0)
            stuck = stuck if aside else ()
        count = self._reader.settle(written, stuck)
        if not self.waiting:
            self._reset()
        return count

    def in_memory(self) -> Sequence[Parcel]:
        """Nothing: all of it is on the disk."""
        return ()

    async def close(self) -> None:
        """Give the file up; delete it if nothing waits in it."""
        while self._writing:
            await asyncio.wait([self._writing])
        self._thread.shutdown()
        if self.waiting:
            self._file.close()
        else:
            self._folder.remove(self._file)

    def _reset(self) -> None:
        for held, _ in self._kept.values():
            held.deferred = False
        self._kept.clear()
        self._end = self._file.begin
        self._reader.restart(self._end)
        self._thread.submit(self._file.clear)  # before any append that comes after it

    def _write(self) -> None:
        group, self._asked = self._asked, []
        self._writing = self._run(self._append, [append.parcel for append in group])
        self._writing.add_done_callback(partial(self._written, group))

    def _append(self, parcels: Sequence[Parcel]) -> Sequence[NotSpooled | None]:
        return self._file.append(parcels, limit=self._limit)

    def _written(self, group: Sequence[_Append], job: asyncio.Future[Sequence[NotSpooled | None]]) -> None:
        """Tell who waits, and go on with those who came meanwhile."""
        self._writing = None
        self._end = self._file.end
        outcomes = _outcomes(job, len(group))
        self.failing = outcomes[-1] is not None
        for append, outcome in zip(group, outcomes, strict=True):
            self._tally.add(spooled=append.parcel.count if outcome is None else 0)
            if append.done.done():  # its caller was cancelled
                continue
            if outcome is None:
                append.done.set_result(None)
            else:
                append.done.set_exception(RecordingFailed(f"the audit trail's database is away, and {outcome}"))
        if self._asked:
            self._write()

    def _run(self, function: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


def _outcomes(job: asyncio.Future[Sequence[NotSpooled | None]], count: int) -> Sequence[NotSpooled | None]:
    if (error := job.exception()) is None:
        return job.result()
    _log.error("the spool file met an unexpected error", exc_info=error)
    return [NotSpooled(f"the spool file can't be written: {type(error).__name__}")] * count
