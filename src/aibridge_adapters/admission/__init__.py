"""The way in of a replica that shares its limits with others. One that doesn't needs no adapter.

Belongs here: requests that wait for an answer, and what becomes of them without one. Never: counting, or SQL.
"""

from aibridge_adapters.admission.counters import SharingCounters
from aibridge_adapters.admission.shared import SharedAdmission, Terms

__all__ = ["SharedAdmission", "SharingCounters", "Terms"]
