"""Takes lines without waiting, and writes them in a thread of its own.

Belongs here: the bounded queue between a program that must not wait and an outlet that may: a pipe that nobody reads, a
disk that is full. Never: the form of a line. What doesn't fit is dropped and counted, and the log says so afterwards.
"""

import logging
import threading
import time
from queue import Empty, SimpleQueue
from typing import Final

from attrs import frozen

from aibridge_adapters.telemetry.logs.outlets import Outlet

LIMIT: Final = 8 * 1024 * 1024
"""Most that waits, in bytes; a single line may be larger."""
LINGER: Final = 0.005
"""Pause after each write, in seconds: lines that come close together share a system call and a thread switch."""
RETRY: Final = 1.0
"""Pause after a failed write, in seconds. What could not be written stays at the head of the queue."""
FAREWELL: Final = 2.0
"""Longest time for the last lines at the end of the process, in seconds."""
BATCH: Final = 256 * 1024
"""Most that one write takes, in bytes, unless a single line is larger."""

_log = logging.getLogger("aibridge.logs")


@frozen(kw_only=True)
class SinkCounters:
    """What became of the lines for one outlet."""

    sink: str
    """`stderr`, or the file's path."""
    written: int
    """Lines."""
    dropped: int
    """Lines that are lost: no room while the outlet was blocked or failing, or no time at the end."""


class LineWriter:
    """One outlet with its queue and thread. `put` never waits and never raises; call it under one lock."""

    def __init__(self, outlet: Outlet, *, limit: int = LIMIT, retry: float = RETRY) -> None:
        self._outlet = outlet
        self._limit = limit
        self._retry = retry
        # `put` of this queue takes no lock of Python's, so a line may be logged anywhere, even while one is logged.
        self._queue: SimpleQueue[bytes] = SimpleQueue()
        # Written by one side each, so that they need no lock: what was put in, and what has left.
        self._put = 0
        self._gone = 0
        self._written = 0
        self._refused = 0
        self._given_up = 0
        self._said = 0
        self._failing = False
        self._reopening = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"log to {outlet.name}", daemon=True)
        self._thread.start()

    @property
    def counters(self) -> SinkCounters:
        """At this moment."""
        dropped = self._refused + self._given_up
        return SinkCounters(sink=self._outlet.name, written=self._written, dropped=dropped)

    def put(self, line: bytes) -> None:
        """Take a line with its end; drop it if there is no room."""
        waiting = self._put - self._gone
        if self._closing.is_set() or (waiting and waiting + len(line) > self._limit):
            self._refused += 1
            return
        self._put += len(line)
        self._queue.put(line)

    def reopen(self) -> None:
        """Go on in a new file of the same name, before the next line."""
        self._reopening = True
        self._queue.put(b"")

    def close(self, patience: float = FAREWELL) -> None:
        """Write what waits, as far as it is taken in time (in seconds). A second call changes nothing."""
        if not self._closing.is_set():
            self._closing.set()
            self._queue.put(b"")
        self._thread.join(patience)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._write(self._batch(self._queue.get()))
            self._say_what_was_dropped()
            time.sleep(LINGER)
        while not self._queue.empty():
            self._write(self._batch(self._queue.get()))

    def _batch(self, first: bytes) -> list[bytes]:
        lines, size = [first], len(first)
        try:
            while size < BATCH:
                lines.append(self._queue.get_nowait())
                size += len(lines[-1])
        except Empty:
            pass
        return lines

    def _write(self, lines: list[bytes]) -> None:
        """All of it; a failing outlet is tried again and again, and what it took is not written twice."""
        data, done = b"".join(lines), 0
        count = len(lines) - lines.count(b"")
        while done < len(data) or self._reopening:
            try:
                done = self._after_reopening(data, done)
                if done < len(data):
                    done += self._outlet.write(memoryview(data)[done:])
                self._failing = False
            except OSError as error:
                self._say_that_it_fails(error)
                if self._closing.wait(self._retry):
                    self._given_up += count
                    break
        else:
            self._written += count
        self._gone += len(data)

    def _after_reopening(self, data: bytes, done: int) -> int:
        """In a new file, a line begins at its beginning. The half of it in the old file can't be taken back."""
        if not self._reopening:
            return done
        self._reopening = False
        try:
            fresh = self._outlet.reopen()
        except OSError as error:
            what = {"sink": self._outlet.name, "error": error.strerror}
            _log.error("the log file can't be reopened, the old one stays in use", extra=what)
            return done
        return data.rfind(b"\n", 0, done) + 1 if fresh else done

    def _say_that_it_fails(self, error: OSError) -> None:
        if not self._failing and not self._closing.is_set():
            self._failing = True
            _log.error("log lines can't be written", extra={"sink": self._outlet.name, "error": error.strerror})

    def _say_what_was_dropped(self) -> None:
        dropped = self.counters.dropped
        if dropped > self._said:
            _log.error("log lines were dropped", extra={"sink": self._outlet.name, "dropped": dropped - self._said})
            self._said = dropped
