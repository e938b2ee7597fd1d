"""Part of the composition root: how the audit trail is guarded and purged.

Belongs here: from settings to a recorder, and to who purges. Never: what they do (`aibridge_adapters.recording`,
`aibridge_adapters.retention`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import anyio

from aibridge_adapters.clock import new_id
from aibridge_adapters.config import Settings
from aibridge_adapters.config_sources.addresses import without_credentials
from aibridge_adapters.content_policy import redaction, with_policy
from aibridge_adapters.data_places import default_database_url, default_spool_dir, sqlite_file
from aibridge_adapters.recording import Policy, Recording, ShieldedRecorder, SpoolFolder, open_recording
from aibridge_adapters.retention import Purge, Tally, keep_purging
from aibridge_adapters.storage import Storage
from aibridge_adapters.telemetry.logs import CallLog, RecordedLines, RecordLog
from aibridge_core.boundaries import NetworkLog
from aibridge_core.errors import StoreError
from aibridge_core.ports import Clock, Recorder
from aibridge_core.retention import RetentionPolicy

_log = logging.getLogger("aibridge")


def recording_of(
    settings: Settings, storage: Storage, recorder: Recorder | None, clock: Clock, folder: SpoolFolder | None
) -> Recording:
    """What stands between requests and the database, or a `recorder` in its place.

    Whether the database lives shows in a lease, if it is the same database.
    """
    policy = Policy(
        spools=settings.recording.policy == "spool",
        deadline=settings.recording.timeout,
        buffer=settings.recording.buffer,
        spool_size=settings.recording.spool_size,
    )
    probe = None if recorder else lambda: storage.leases.renew(clock.now())
    return open_recording(recorder or storage.recorder, policy, clock=clock, folder=folder, probe=probe)


def recorder_for_requests(settings: Settings, guarded: Recorder, clock: Clock) -> Recorder:
    """What requests record with. Content is taken out first, so that nothing behind it could tell.

    Raises ValueError for policies about content that can't be followed.
    """
    key = settings.content_hash_key
    recorder: Recorder = RecordedLines(guarded)
    if settings.structured_logging:
        recorder = RecordLog(recorder, redact=redaction(settings.log_content, key=key), clock=clock)
    return ShieldedRecorder(with_policy(recorder, settings.record_content, key=key))


def network_log_of(settings: Settings, storage: Storage, clock: Clock) -> NetworkLog | None:
    """Where network calls of agents are kept; None if this storage, perhaps a plugin's own kind, keeps none."""
    log: NetworkLog | None = getattr(storage, "network_log", None)
    return CallLog(log, clock=clock) if log and settings.structured_logging else log


def spool_folder(settings: Settings, clock: Clock, *, own_storage: bool) -> SpoolFolder | None:
    """Spool files name their database, so that no other one gets what is in them."""
    url = settings.database_url or default_database_url()
    path = settings.recording.spool_dir or (None if own_storage else default_spool_dir(url))
    if path is None:
        return None
    file = sqlite_file(url)
    database = f"sqlite:///{file}" if file else without_credentials(url)
    if own_storage:
        database = "storage of the host application"
    elif database == "sqlite:///:memory:":
        database += f" {new_id()}"
    return SpoolFolder(path=path, database=database, clock=clock, new_id=new_id)


def readiness(storage: Storage, recording: Recording, deadline: float) -> Callable[[], Awaitable[bool]]:
    """Ready is who would let a request through: with a spool also without a database."""

    async def ready() -> bool:
        if not recording.recorder.accepting:
            return False
        try:
            async with asyncio.timeout(deadline):
                await storage.store.find_initiator("")
        except (StoreError, TimeoutError):
            return recording.spools
        return True

    return ready


async def purging(storage: Storage, policy: RetentionPolicy, tally: Tally, clock: Clock) -> None:
    if not policy.purges:
        return
    retention = getattr(storage, "retention", None)  # a plugin's own kind of storage may not even have the attribute
    if retention is None:
        _log.warning("this storage can't delete: everything is kept for ever, whatever the settings say")
        return
    purge = Purge(retention, storage.store, clock, network_log=getattr(storage, "network_log", None))
    await keep_purging(purge, policy, tally=tally, clock=clock, sleep=anyio.sleep)
