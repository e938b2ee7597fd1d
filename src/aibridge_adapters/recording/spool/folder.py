"""The folder of spool files: one for each process, locked as long as it lives.

Belongs here: names, permissions and locks. Never: what stands in a file.

`<id>.spool` belongs to a process; whoever gets its lock knows that this process is dead. `<id>.stuck` holds what the
database would not take. A lock is `flock`: the system lets go of it when the process ends, however it ends.
"""

import logging
import os
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from attrs import field, frozen

from aibridge_adapters.recording.parcels import Parcel
from aibridge_adapters.recording.spool.coding import Header
from aibridge_adapters.recording.spool.file import SpoolFile
from aibridge_core.ports import Clock, NewId

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger("aibridge.recording")

OWN, STUCK = ".spool", ".stuck"
STUCK_REST = 600.0
"""Seconds for which a stuck file is left alone before it is tried again; a process that starts tries it at once."""


class SpoolNotOpened(Exception):
    """The folder can't be used; the message is for the operator."""


@frozen(kw_only=True)
class SpoolFolder:
    """Spool files of one machine; each knows for which database it is."""

    path: Path
    database: str
    """Without credentials. Files for another one are left alone."""
    clock: Clock
    new_id: NewId
    _foreign: set[Path] = field(factory=set)

    def create(self, suffix: str = OWN) -> SpoolFile:
        """A new file, locked, readable by this user only. Raises SpoolNotOpened."""
        try:
            return self._create(suffix)
        except OSError as error:
            raise SpoolNotOpened(f"can't create a spool file in {self.path}: {error.strerror}") from error

    def abandoned(self, *, first: bool) -> list[SpoolFile]:
        """Files that nobody holds, locked from now on. `first`: of stuck ones all, not only those that had a rest."""
        return [file for path in self._candidates(first) if (file := self._taken(path)) is not None]

    def remove(self, file: SpoolFile) -> None:
        """Delete a file of which nothing is needed any more, and close it."""
        with suppress(OSError):
            file.path.unlink()
        file.close()

    def _create(self, suffix: str) -> SpoolFile:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = self.new_id()
        # Under this name nobody takes it for abandoned before it is locked. The lock goes along when it is renamed.
        early, path = self.path / f".{name}.new", self.path / (name + suffix)
        descriptor = os.open(early, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        file = SpoolFile(path=path, descriptor=descriptor)
        try:
            _lock(descriptor)
            file.write_header(Header(database=self.database))
            early.rename(path)
            self._flush_names()
        except OSError:
            file.close()
            early.unlink(missing_ok=True)
            raise
        return file

    def _flush_names(self) -> None:
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _candidates(self, first: bool) -> Iterator[Path]:
        oldest_rest = self.clock.now().timestamp() - STUCK_REST
        try:
            paths = sorted(self.path.iterdir())
        except OSError:  # most gateways never spool
            return
        for path in paths:
            rested = path.suffix == STUCK and (first or path.stat().st_mtime < oldest_rest)
            if (path.suffix == OWN or rested) and path not in self._foreign:
                yield path

    def _taken(self, path: Path) -> SpoolFile | None:
        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError:  # somebody was faster, or it is somebody else's
            return None
        file = SpoolFile(path=path, descriptor=descriptor)
        if not (self._locked(file) and self._ours(file)):
            file.close()
            return None
        return file

    def _locked(self, file: SpoolFile) -> bool:
        """Whether this process has it now. Who had the lock before may have deleted it."""
        try:
            _lock(file.descriptor)
            return os.fstat(file.descriptor).st_ino == file.path.stat().st_ino
        except OSError:
            return False

    def _ours(self, file: SpoolFile) -> bool:
        file.end = os.fstat(file.descriptor).st_size
        lines = file.read(0)
        if not lines or (len(lines) == 1 and lines[0].value is None):  # its maker died over the first line
            file.begin = file.end
            return True
        if lines[0].value != Header(database=self.database):
            self._foreign.add(file.path)
            return False
        file.begin = lines[0].end
        return True


def write_new(folder: SpoolFolder, parcels: Collection[Parcel], suffix: str) -> bool:
    """Put parcels into a new file for whoever looks for abandoned ones. Whether all of them are on the disk now."""
    try:
        file = folder.create(suffix)
    except SpoolNotOpened as error:
        _log.error("records can't be put aside: %s", error)
        return False
    failures = [failure for failure in file.append(tuple(parcels), limit=sys.maxsize) if failure]
    if failures:
        _log.error("records can't be put aside: %s", failures[0])
        folder.remove(file)
    else:
        file.close()
    return not failures


def _lock(descriptor: int) -> None:
    """Raises OSError: BlockingIOError if another process has it."""
    if fcntl is None:
        raise OSError(0, "this system has no file locks that end with their process")
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
