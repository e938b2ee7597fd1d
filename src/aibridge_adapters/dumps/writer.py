"""Writes dumps in a thread of its own.

Belongs here: the queue, its bound, and that nothing here ever harms a request. Never: how a dump looks (`text`).

The event loop only puts references into a queue. A disk that is slow or full costs dumps, which are counted and
logged, and no request waits for one.
"""

import logging
import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import define, frozen

from aibridge_adapters.dumps.folder import Folder

MAX_WAITING: Final = 32 * 1024 * 1024
"""Most bytes that wait to be written."""
MAX_FILE: Final = 32 * 1024 * 1024
"""Most bytes of one file."""
SWEEP: Final = 60.0
"""Seconds between two looks at age and size, at most."""
FAREWELL: Final = 5.0
"""Seconds to write down what waits at the end."""

_log = logging.getLogger("aibridge.dumps")

Piece = Callable[[], bytes]
"""Makes the bytes, in the thread."""


@frozen(kw_only=True)
class Limits:
    """What dumps may take."""

    size: int
    """Of all in one folder, in bytes."""
    age: float
    """Of each, in seconds; 0: no limit."""


@define
class Sheet:
    """One file on its way."""

    folder: Folder
    name: Path
    descriptor: int = -1
    written: int = 0
    lost: bool = False
    """Something of it could not be written, so nothing more is."""


_Work = tuple[Sheet, Piece | None, int]


class Writer:
    """Takes pieces of files; `close` waits a moment for what waits."""

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        """`now` tells seconds since the epoch."""
        self.dropped = 0
        """Pieces that were not written."""
        self.limits = limits
        self._now = now
        self._waiting = 0
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._folders: set[Folder] = set()
        self._grown = 0
        self._warned_at = float("-inf")
        self._thread = threading.Thread(target=self._run, name="dumps", daemon=True)
        self._thread.start()

    def write(self, sheet: Sheet, piece: Piece | None, size: int) -> None:
        """Put a piece at the end of a file, None to finish it; never waits. `size`: about how many bytes it keeps."""
        with self._lock:
            full = self._waiting + size > MAX_WAITING
            if not full:
                self._waiting += size
        if full:
            self.dropped += 1
            sheet.lost = True
            piece, size = None, 0
        self._queue.put((sheet, piece, size))

    def close(self) -> None:
        """Write what waits, for a moment."""
        self._queue.put(None)
        self._thread.join(FAREWELL)

    def _run(self) -> None:
        latest = self._now()
        while True:
            try:
                work = self._queue.get(timeout=SWEEP)
            except queue.Empty:
                work = (_NOTHING, None, 0)
            if work is None:
                return
            self._do(*work)
            if self._now() - latest >= SWEEP or self._grown > self.limits.size // 16:
                latest, self._grown = self._now(), 0
                self._sweep()

    def _do(self, sheet: Sheet, piece: Piece | None, size: int) -> None:
        try:
            if piece is not None and not sheet.lost:
                self._append(sheet, piece())
        except Exception as error:  # whatever a dump runs into is the dump's trouble
            self._lose(sheet, error)
        finally:
            with self._lock:
                self._waiting -= size
        if (piece is None or sheet.lost) and sheet.descriptor >= 0:
            os.close(sheet.descriptor)
            sheet.descriptor = -1

    def _append(self, sheet: Sheet, data: bytes) -> None:
        if sheet.descriptor < 0:
            sheet.descriptor = sheet.folder.create(sheet.name)
            self._folders.add(sheet.folder)
        if sheet.written + len(data) > MAX_FILE:
            data = data[: MAX_FILE - sheet.written] + b"\n[cut off here]\n"
            sheet.lost = True
        view = memoryview(data)
        while view:
            view = view[os.write(sheet.descriptor, view) :]
        sheet.written += len(data)
        self._grown += len(data)

    def _lose(self, sheet: Sheet, error: Exception) -> None:
        self.dropped += 1
        sheet.lost = True
        if self._now() - self._warned_at < SWEEP:
            return
        self._warned_at = self._now()
        _log.warning(
            "an exchange could not be dumped", extra={"folder": str(sheet.folder.path), "reason": _said(error)}
        )

    def _sweep(self) -> None:
        for folder in self._folders:
            with suppress(OSError):
                folder.prune(now=self._now(), age=self.limits.age, size=self.limits.size)


_NOTHING = Sheet(Folder(Path()), Path())


def _said(error: Exception) -> str:
    """Never the text of anything but the system: a path or a body may stand in it."""
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else type(error).__name__
