"""What a gateway does for its database every few seconds, beside the requests.

Belongs here: the rhythm, and who may judge whom by a lease. Never: SQL, or what a chore of another part does.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import anyio

from aibridge_core.errors import StoreError
from aibridge_core.ports import Clock, Leases

HEARTBEAT = 5.0
"""Longest time between two signs of life of this process in the database, in seconds."""

Chore = Callable[[], Awaitable[None]]
"""May raise whatever it likes; it is done again at the next beat."""

_log = logging.getLogger("aibridge")


async def heartbeat(chores: Sequence[Chore], *, lease: float) -> None:
    """Do all chores again and again, until cancelled; four times at least within a lease (in seconds)."""
    while True:
        await anyio.sleep(min(HEARTBEAT, lease / 4))
        await once(chores)


async def once(chores: Sequence[Chore], *, limit: float | None = None) -> None:
    """Do each chore; one that fails is logged. `limit`: longest time for each, in seconds."""
    for chore in chores:
        try:
            async with asyncio.timeout(limit):
                await chore()
        except StoreError as error:
            _log.warning("housekeeping failed: %s", error)
        except TimeoutError:
            _log.warning("housekeeping failed: the database does not answer")
        except Exception:
            _log.exception("housekeeping failed")


def lease_keeper(leases: Leases, clock: Clock, *, lease: float, unless: Callable[[], bool]) -> Chore:
    """Renews this process's lease and closes what dead processes left open.

    `lease`: after so many seconds without a sign of life a process is dead. `unless`: whether a dead process's
    interceptions may yet turn out to have ended.

    Whoever could not renew its own lease for a while can't blame the others: they get the time to renew theirs.
    """
    renewed_at = clock.monotonic()
    patient_until = renewed_at

    async def keep() -> None:
        nonlocal renewed_at, patient_until
        now = clock.now()
        await leases.renew(now)
        if clock.monotonic() - renewed_at > lease:
            patient_until = clock.monotonic() + lease
        renewed_at = clock.monotonic()
        if unless() or renewed_at < patient_until:
            return
        if orphans := await leases.interrupt_orphans(now, older_than=lease):
            _log.warning("marked interceptions of dead processes as interrupted", extra={"count": orphans})

    return keep
