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


class OrderedIds:
    """UUIDs of version 7 that never go back within a process (RFC 9562, sections 5.7 and 6.2, method 1).

    48 bits of Unix milliseconds, a 12-bit counter within the millisecond, 62 random bits. Records of one answer that
    share a time keep their order by id, and a database's index pages stay together.
    """

    def __init__(self) -> None:
        self._last = 0
        # Ids have to be unique, not secret, and asking the system for randomness costs a call and a thread switch.
        self._noise = Random(os.urandom(32)).getrandbits  # noqa: S311

    def __call__(self) -> str:
        """The next id."""
        # A full counter borrows from the next millisecond; a clock that goes back doesn't take the ids along.
        self._last = max(self._last + 1, time.time_ns() // 1_000_000 << 12)
        stamp, counter = self._last >> 12, self._last & 0xFFF
        digits = f"{stamp << 80 | 7 << 76 | counter << 64 | 2 << 62 | self._noise(62):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


new_id = OrderedIds()
