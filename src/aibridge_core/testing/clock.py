"""A clock that tests turn by hand.

Belongs here: time for tests. Never: the system's time.
"""

from datetime import UTC, datetime, timedelta

from attrs import define


@define
class FakeClock:
    """Implements `aibridge_core.ports.Clock`; it stands still until it is turned."""

    wall: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    """What `now` answers; may be set to anything, also to an earlier time."""
    elapsed: float = 0.0
    """What `monotonic` answers, in seconds."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        return self.wall

    def monotonic(self) -> float:
        """Seconds since this clock was made."""
        return self.elapsed

    def turn(self, seconds: float) -> datetime:
        """Go on by `seconds` (0 or more) and answer the new time."""
        if seconds < 0:
            raise ValueError("a monotonic clock never goes back; set `wall` to move the calendar alone")
        self.elapsed += seconds
        self.wall += timedelta(seconds=seconds)
        return self.wall
