"""What every recorder gets, whatever stores its records: protection from cancellation, and declared behaviour when
the database is slow, full, restarting or gone.

Belongs here: decorators that are about tasks, deadlines and outages. Never: a database.

    ShieldedRecorder -> GuardedRecorder -> the storage's recorder
                              |                  ^
                              v                  |
                           backlog  ------> CatchingUp
                 (Buffer: memory, Spool: a file)
"""

from aibridge_adapters.recording.counters import RecordingCounters
from aibridge_adapters.recording.guarded import GuardedRecorder
from aibridge_adapters.recording.opened import Policy, Recording, open_recording
from aibridge_adapters.recording.shielded import ShieldedRecorder
from aibridge_adapters.recording.spool import SpoolFolder, SpoolNotOpened

__all__ = [
    "GuardedRecorder",
    "Policy",
    "Recording",
    "RecordingCounters",
    "ShieldedRecorder",
    "SpoolFolder",
    "SpoolNotOpened",
    "open_recording",
]
