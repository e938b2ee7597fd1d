"""What happened to records that could not go straight into the database. Never: how they are shown."""

import attrs
from attrs import frozen


@frozen(kw_only=True)
class RecordingCounters:
    """Counts since the process began. A value is a start, a record or an end."""

    refused: int = 0
    """Requests that were refused because nothing would take their start."""
    broken_off: int = 0
    """Answers whose end was not given to the client, because nothing would take their records."""
    buffered: int = 0
    """Values that were kept in memory."""
    spooled: int = 0
    """Values that were appended to the spool file."""
    replayed: int = 0
    """Values that were written to the database afterwards, also those of a process before this one."""
    retried: int = 0
    """Attempts to write an interception afterwards that failed and are made again."""
    set_aside: int = 0
    """Values that the database would not take while it took others; they are tried again later."""
    dropped: int = 0
    """Values that are lost. Each was said to be: to the client as a broken answer, or in the log."""
    torn: int = 0
    """Lines of spool files that could not be read, because the process died while it wrote them."""

    def plus(self, **more: int) -> "RecordingCounters":
        """With some of them higher."""
        return attrs.evolve(self, **{name: getattr(self, name) + count for name, count in more.items()})


@attrs.define
class Tally:
    """The counters of one recorder, in the hands of all its parts."""

    counters: RecordingCounters = RecordingCounters()

    def add(self, **more: int) -> None:
        """Count."""
        self.counters = self.counters.plus(**more)
