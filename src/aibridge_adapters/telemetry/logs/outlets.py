"""Where lines leave the process: standard error, and a file that may be rotated.

Belongs here: writing bytes somewhere, waiting as long as it takes. Never: who waits (`writer`), or what is written.
"""

import os
import select
import sys
from pathlib import Path
from typing import IO, Protocol

OWNER_ONLY = 0o600
"""Lines may hold what people typed."""


class LogFileNotOpened(Exception):
    """The log file can't be written; the message names it and says why."""


class Outlet(Protocol):
    """Takes bytes. Every method may wait, and raises OSError."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def write(self, data: memoryview) -> int:
        """Write some of it; returns how many bytes were taken."""
        ...

    def reopen(self) -> bool:
        """Go on in a new file of the same name; false if there is none to go on in."""
        ...


class StandardError:
    """The process's standard error, beside Python's own buffering, so that nobody else waits for its lock."""

    name = "stderr"

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stderr
        self._descriptor = _descriptor(self._stream)

    def write(self, data: memoryview) -> int:
        """Some of it."""
        if self._descriptor < 0:
            self._stream.write(bytes(data).decode("utf-8", "replace"))
            self._stream.flush()
            return len(data)
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # whoever started the process shares a pipe with it that doesn't wait
            select.select([], [self._descriptor], [], 1.0)
            return 0

    def reopen(self) -> bool:
        """Nothing to do."""
        return False


class LogFile:
    """A file that lines are appended to; made for its owner only. Raises LogFileNotOpened."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        try:
            self._descriptor = _opened(path)
        except OSError as error:
            raise LogFileNotOpened(f"can't write the log file {path}: {error.strerror}") from error

    def write(self, data: memoryview) -> int:
        """Some of it."""
        return os.write(self._descriptor, data)

    def reopen(self) -> bool:
        """Another program has moved the file away. If no new one can be made, the old one stays in use."""
        opened, old = _opened(Path(self.name)), self._descriptor
        self._descriptor = opened
        os.close(old)
        return True


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), OWNER_ONLY)


def _descriptor(stream: IO[str]) -> int:
    """-1 for a stream that is no file of the operating system's."""
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return -1
