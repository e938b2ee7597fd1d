"""The system's clock and random source, behind the core's ports. The only file that may ask for the time."""

import os
import time
from datetime import UTC, datetime
from random import Random


class SystemClock:
    """Implements `aibridge_core.ports.Clock`."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        return datetime.now(UTC)

    monotonic = staticmethod(time.monotonic)
    """Seconds from any fixed point. The function itself: it is asked for twice for each piece of a stream."""


_LAST = 0xFFF
"""Of the ids of one millisecond."""


class OrderedIds:
    """UUIDs of version 7 that never go back within a process (RFC 9562, sections 5.7 and 6.2, method 1).

    48 bits of Unix milliseconds, a 12-bit counter within the millisecond, 62 random bits. Records of one answer that
    share a time keep their order by id, and a database's index pages stay together.
    """

    def __init__(self) -> None:
        self._stamp = 0
        self._counter = 0
        self._head = ""
        # Ids have to be unique, not secret, and asking the system for randomness costs a call and a thread switch.
        self._noise = Random(os.urandom(32)).getrandbits  # noqa: S311

    def __call__(self) -> str:
        """The next id."""
        now = time.time_ns() // 1_000_000
        if now > self._stamp:
            self._begin(now)
        elif self._counter < _LAST:  # also if the clock has gone back: it doesn't take the ids along
            self._counter += 1
        else:  # a full counter borrows from the next millisecond
            self._begin(self._stamp + 1)
        tail = f"{1 << 63 | self._noise(62):x}"
        return f"{self._head}{self._counter:03x}-{tail[:4]}-{tail[4:]}"

    def _begin(self, stamp: int) -> None:
        """A millisecond: what its ids have in common is written once."""
        self._stamp = stamp
        self._counter = 0
        digits = f"{stamp:012x}"
        self._head = f"{digits[:8]}-{digits[8:]}-7"


new_id = OrderedIds()
