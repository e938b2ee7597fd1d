"""The system's clock and random source, behind the core's ports. The only file that may ask for the time."""

import os
import time
from datetime import UTC, datetime
from uuid import UUID


class SystemClock:
    """Implements `aibridge_core.ports.Clock`."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from any fixed point."""
        return time.monotonic()


def new_id() -> str:
    """A UUID version 7: 48 bits of Unix milliseconds, then random bits (RFC 9562, section 5.7).

    Ids that grow with time keep a database's index pages together.
    """
    stamp = time.time_ns() // 1_000_000
    number = stamp << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 7 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    return str(UUID(int=number))
