"""The file: appended to, flushed to the disk, read again. Several processes may share it.

Belongs here: bytes, locks, flushes and what a crash can leave behind. Never: what a line says.
"""

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

LOCK_TIMEOUT = 5.0
"""How long another process may hold the file, in seconds; a write normally takes milliseconds."""
_BETWEEN_TRIES = 0.002
_PRIVATE = 0o600
"""Prompts are nobody else's business."""


@frozen
class Place:
    """Where a line is, in bytes."""

    begin: int
    length: int


class Journal:
    """A file of lines, for one thread at a time. Every method raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_path = path.with_name(path.name + ".lock")
        self._file = -1

    def open(self) -> None:
        """Make the file and its folder if they are missing, and open it."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._lock_path, os.O_CREAT | os.O_RDWR, _PRIVATE))
        self._file = os.open(self.path, os.O_CREAT | os.O_RDWR, _PRIVATE)
        _flush_folder(self.path)

    def close(self) -> None:
        """Whatever is tried afterwards raises OSError."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    @contextmanager
    def locked(self, *, alone: bool) -> Iterator[None]:
        """Keep other processes from writing, and with `alone` from reading too. Raises TimeoutError."""
        with self._lock_path.open("rb") as file:
            deadline = time.monotonic() + LOCK_TIMEOUT
            while not _taken(file.fileno(), fcntl.LOCK_EX if alone else fcntl.LOCK_SH):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"another process has held {self._lock_path} for {LOCK_TIMEOUT:g} seconds")
                time.sleep(_BETWEEN_TRIES)
            yield  # closing the file gives the lock back

    def follow(self) -> bool:
        """Open the file that is there now, if another process has put a new one in its place; whether it has."""
        if os.path.samestat(os.fstat(self._file), self.path.stat()):
            return False
        self._reopen()
        return True

    def lines(self, begin: int) -> Iterator[bytes]:
        """Whole lines from `begin` on. What comes after the last line end is the rest of a write that failed."""
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(begin)
            for line in file:
                if line.endswith(b"\n"):
                    yield line

    def line(self, place: Place) -> bytes:
        """The line at this place."""
        return os.pread(self._file, place.length, place.begin)

    def append(self, data: bytes, *, at: int) -> None:
        """Write after the last whole line, which ends `at`, and return when it is on the disk. All of it or nothing."""
        try:
            os.ftruncate(self._file, at)
            os.lseek(self._file, at, os.SEEK_SET)
            _write(self._file, data)
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, at)
            raise

    def replace(self, lines: Iterable[bytes]) -> None:
        """Put a file with these lines in the place of this one. Another process sees the old one or the new one."""
        new = self.path.with_name(self.path.name + ".new")
        file = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, _PRIVATE)
        try:
            for line in lines:
                _write(file, line)
            os.fsync(file)
        finally:
            os.close(file)
        new.replace(self.path)
        _flush_folder(self.path)
        self._reopen()

    def _reopen(self) -> None:
        self.close()
        self._file = os.open(self.path, os.O_RDWR)


def _taken(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _flush_folder(path: Path) -> None:
    """A new file is lasting only when its folder is."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
