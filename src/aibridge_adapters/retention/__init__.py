"""Purging: runs that remove what was kept long enough, in small batches with pauses, and when they happen.

Belongs here: the use case on top of the Retention port. Never: a database, or how long anything is kept
(`aibridge_core.retention`).
"""

from aibridge_adapters.retention.counters import RetentionCounters, Tally
from aibridge_adapters.retention.purge import Progress, Purge
from aibridge_adapters.retention.schedule import keep_purging

__all__ = ["Progress", "Purge", "RetentionCounters", "Tally", "keep_purging"]
