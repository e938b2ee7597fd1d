"""Part of the composition root: the way in, by the settings.

Belongs here: whether limits are shared, and what runs beside them then. Never: counting.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from attrs import frozen

from aibridge_adapters.admission import SharedAdmission, Terms
from aibridge_adapters.background import in_background
from aibridge_adapters.config import Settings
from aibridge_adapters.guards import limits_of
from aibridge_adapters.housekeeping import Chore
from aibridge_adapters.storage import Storage, StorageConfigError
from aibridge_core.admission import Admission, OwnLimits
from aibridge_core.limits import Gate, Limits
from aibridge_core.ports import Clock
from aibridge_core.sharing import SharedLimits


@frozen(kw_only=True)
class WayIn:
    """How requests are let in."""

    admission: Admission
    shared: SharedAdmission | None = None
    """The same, if limits are shared."""
    chores: Sequence[Chore] = ()
    """For housekeeping."""


@asynccontextmanager
async def way_in(settings: Settings, storage: Storage, clock: Clock) -> AsyncIterator[WayIn]:
    """Where there is no limit, nothing is shared. Raises StorageConfigError if the storage can't."""
    limits = limits_of(settings)
    if not settings.limits.shared or limits == Limits():
        yield WayIn(admission=OwnLimits(Gate(limits), clock))
        return
    counts: SharedLimits | None = getattr(storage, "shared_limits", None)  # a plugin's may not have the attribute
    if counts is None:
        raise StorageConfigError("limits_shared needs PostgreSQL: this storage can't count for several gateways")
    admission = SharedAdmission(_terms(settings, limits), counts, clock)
    async with in_background(admission.run()):
        yield WayIn(admission=admission, shared=admission, chores=[_keeper(admission, counts, settings)])


def _terms(settings: Settings, limits: Limits) -> Terms:
    return Terms(
        limits=limits,
        timeout=settings.limits.shared_timeout,
        refuses=settings.limits.shared_fallback == "refuse",
        lease=settings.recording.lease,
    )


def _keeper(admission: SharedAdmission, counts: SharedLimits, settings: Settings) -> Chore:
    async def keep() -> None:
        admission.refresh()
        await counts.tidy(lease=settings.recording.lease)

    return keep
