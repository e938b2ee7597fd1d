"""A spool file of a process that has died, on its way into the database.

Belongs here: what is different when nothing more can come. Never: looking for such files.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence

from aibridge_adapters.recording.counters import Tally
from aibridge_adapters.recording.parcels import Parcel
from aibridge_adapters.recording.spool.file import SpoolFile
from aibridge_adapters.recording.spool.folder import OWN, STUCK, SpoolFolder, write_new
from aibridge_adapters.recording.spool.reader import SpoolReader
from aibridge_core.ports import Clock
from aibridge_core.records import INTERRUPTED_MESSAGE, ErrorType, InterceptionEnded, Status

_log = logging.getLogger("aibridge.recording")


class AdoptedFile:
    """Implements `aibridge_adapters.recording.backlog.Source`.

    What has no end in it belonged to the dead process and is interrupted. Once all is written the file is deleted.
    """

    def __init__(self, folder: SpoolFolder, file: SpoolFile, *, clock: Clock, tally: Tally) -> None:
        self._folder = folder
        self._file = file
        self._clock = clock
        self._tally = tally
        self._reader = SpoolReader(file.begin, tally)
        self.gating = file.path.suffix == OWN
        self.waiting = True
        _log.info("found a spool file of an earlier process", extra={"file": str(file.path), "bytes": file.end})

    async def batch(self, most: int) -> Sequence[Parcel]:
        """The next ones; what has no end at last. A file that can't be read is left as it is."""
        try:
            await self._feed()
        except OSError as error:
            _log.error("a spool file can't be read", extra={"file": str(self._file.path), "reason": error.strerror})
            self.close()
            return ()
        return self._reader.batch(most)

    async def settle(self, written: Collection[Parcel], stuck: Collection[Parcel]) -> int:
        """As `Source.settle`."""
        if stuck:
            aside = await asyncio.to_thread(write_new, self._folder, stuck, STUCK)
            self._tally.add(set_aside=sum(parcel.count for parcel in stuck) if aside else 0)
            stuck = stuck if aside else ()
        count = self._reader.settle(written, stuck)
        if self.waiting and self._reader.position >= self._file.end and not self._reader.unended:
            self.waiting = False
            self._folder.remove(self._file)
        return count

    def close(self) -> None:
        """Leave the rest to a later process."""
        if self.waiting:
            self.waiting = False
            self._file.close()

    async def _feed(self) -> None:
        reader, end = self._reader, self._file.end
        if reader.hungry and reader.wanted < end:
            lines = await asyncio.to_thread(self._file.read, reader.wanted)
            if lines:
                reader.feed(lines)
            else:  # it was cut off
                reader.skip_to(end)
        if reader.hungry and reader.wanted >= end:
            reader.end_all(self._interrupted)

    def _interrupted(self, interception_id: str) -> InterceptionEnded:
        return InterceptionEnded(
            id=interception_id,
            ended_at=self._clock.now(),
            status=Status.INTERRUPTED,
            error_type=ErrorType.UNKNOWN,
            error_message=INTERRUPTED_MESSAGE,
        )
