"""A guarded recorder with everything it needs, by policy; its beginning, its work in the background and its end.

Belongs here: putting the parts together and taking them apart. Never: what one of them does.
"""

import asyncio
import logging

import anyio
from attrs import Factory, define, frozen

from aibridge_adapters.recording.backlog import Buffer, LooseEnds, Source
from aibridge_adapters.recording.catching_up import CatchingUp, Pauses, Probe
from aibridge_adapters.recording.counters import Tally
from aibridge_adapters.recording.guarded import GuardedRecorder
from aibridge_adapters.recording.outage import Outage
from aibridge_adapters.recording.parcels import Parcel
from aibridge_adapters.recording.spool import AdoptedFile, Spool, SpoolFolder
from aibridge_adapters.recording.spool.folder import OWN, write_new
from aibridge_adapters.recording.standby import Standby
from aibridge_core.ports import Clock, Recorder

MOST_LOOSE = 1000
"""Interceptions that nobody waits for, most of them starts of refused requests."""

_log = logging.getLogger("aibridge.recording")


@frozen(kw_only=True)
class Policy:
    """What to do without a database. Times in seconds, sizes in bytes."""

    spools: bool = False
    """Whether new requests are let through while the database is away, with a file in its place."""
    deadline: float = 0.9
    """Longest wait for the database."""
    patience: float = 10.0
    """Longest wait of a running request for the spool file, before its answer is broken off."""
    buffer: int = 64 * 1024 * 1024
    """Most that is kept in memory for running requests."""
    spool_size: int = 1024 * 1024 * 1024
    """Largest spool file."""
    farewell: float = 5.0
    """Longest time at the end for writing what is still in memory."""
    pauses: Pauses = Factory(Pauses)


@define(kw_only=True)
class Recording:
    """A recorder at work. `run` has to run beside it, `adopt` every now and then, `close` at the end."""

    recorder: GuardedRecorder
    spools: bool
    """Whether requests go on without the database."""
    folder: SpoolFolder | None
    _standby: Standby
    _catching_up: CatchingUp
    _farewell: float
    _clock: Clock
    _adopted: list[AdoptedFile] = Factory(list)
    _first: bool = True
    _closed: bool = False

    @property
    def waiting(self) -> bool:
        """Whether anything is still to be written to the database."""
        sources: tuple[Source, ...] = (self._standby.backlog, self._standby.loose, *self._adopted)
        return any(source.waiting for source in sources)

    @property
    def adopting(self) -> bool:
        """Whether something of a dead process is not in the database yet. What it left open isn't known before."""
        self._adopted = [file for file in self._adopted if file.waiting]
        return any(file.gating for file in self._adopted)

    async def adopt(self) -> None:
        """Look for spool files of dead processes; `run` writes them."""
        if self.folder is None:
            return
        found = await asyncio.to_thread(self.folder.abandoned, first=self._first)
        self._first = False
        for each in found:
            file = AdoptedFile(self.folder, each, clock=self._clock, tally=self._standby.tally)
            self._adopted.append(file)
            self._catching_up.add(file)

    async def run(self) -> None:
        """Write what waits, until cancelled."""
        await self._catching_up.run()

    async def close(self) -> None:
        """Write what waits; what can't be written goes to a spool file for the next process. Call it after `run`.

        A second call changes nothing.
        """
        if self._closed:
            return
        self._closed = True
        with anyio.CancelScope(shield=True):
            try:
                async with asyncio.timeout(self._farewell):
                    await self._catching_up.finish()
            except TimeoutError:
                _log.warning("the database did not take in time what was still to be written")
            for file in self._adopted:
                file.close()
            await self._leave([*self._standby.backlog.in_memory(), *self._standby.loose.in_memory()])
            await self._standby.backlog.close()

    async def _leave(self, parcels: list[Parcel]) -> None:
        if not parcels:
            return
        left = False if self.folder is None else await asyncio.to_thread(write_new, self.folder, parcels, OWN)
        if left:
            self._standby.tally.add(spooled=sum(parcel.count for parcel in parcels))
            _log.warning("what the database did not take is left to the next process", extra={"count": len(parcels)})
            return
        self._standby.tally.add(dropped=sum(parcel.count for parcel in parcels))
        _log.error("interceptions are lost with the end of this process", extra={"count": len(parcels)})


def open_recording(
    inner: Recorder, policy: Policy, *, clock: Clock, folder: SpoolFolder | None = None, probe: Probe | None = None
) -> Recording:
    """Guard a recorder. `folder` is needed to spool, and used to leave what is in memory at the end.

    Raises SpoolNotOpened, ValueError for a policy that spools nowhere.
    """
    standby = _standby(policy, folder)
    catching_up = CatchingUp(inner, standby, timeout=policy.deadline, probe=probe, pauses=policy.pauses)
    recorder = GuardedRecorder(
        inner, standby, catching_up, clock=clock, deadline=policy.deadline, patience=policy.patience
    )
    return Recording(
        recorder=recorder,
        spools=policy.spools,
        folder=folder,
        standby=standby,
        catching_up=catching_up,
        farewell=policy.farewell,
        clock=clock,
    )


def _standby(policy: Policy, folder: SpoolFolder | None) -> Standby:
    tally = Tally()
    loose = LooseEnds(limit=policy.buffer, most=MOST_LOOSE, tally=tally)
    if not policy.spools:
        buffer = Buffer(limit=policy.buffer, loose=loose, tally=tally)
        outage = Outage(tally, consequence="new requests are refused, records of running ones kept in memory")
        return Standby(backlog=buffer, loose=loose, outage=outage, tally=tally)
    if folder is None:
        raise ValueError("a recorder that spools needs a folder to do so")
    spool = Spool(folder, folder.create(), limit=policy.spool_size, tally=tally)
    outage = Outage(tally, consequence="records are spooled")
    return Standby(backlog=spool, loose=loose, outage=outage, tally=tally)
