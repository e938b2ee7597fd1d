"""What happened between a replica and the limits that it shares. Never: names of metrics."""

from attrs import define


@define
class SharingCounters:
    """Only grows."""

    questions: int = 0
    """Exchanges with the database that were answered."""
    question_seconds: float = 0.0
    """How long they took together."""
    requests: int = 0
    """Requests that they decided about."""
    known: int = 0
    """Requests refused without asking, since their rate was known to be used up."""
    alone: int = 0
    """Requests that were decided about without the database, as the fallback says."""
