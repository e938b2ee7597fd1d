"""Whether the database is there, as far as recording can tell, and one log line when that changes.

Belongs here: the state and its words. Never: finding out.
"""

import asyncio
import logging

from aibridge_adapters.recording.counters import Tally
from aibridge_core.errors import BridgeError, StoreError

_log = logging.getLogger("aibridge.recording")


class Outage:
    """The state of recording. Use on one event loop.

    `lost`: the database does not take anything. `behind`: something waits that new interceptions must not overtake.
    """

    def __init__(self, tally: Tally, *, consequence: str) -> None:
        """`consequence`: what happens to new requests while the database is lost, for the log."""
        self._tally = tally
        self._consequence = consequence
        self._reported = False
        self._replayed_before = 0
        self._in_order = asyncio.Event()
        self._in_order.set()
        self.lost = False
        self.behind = False

    @property
    def over(self) -> bool:
        """Everything is as it should be."""
        return not (self.lost or self.behind)

    async def caught_up(self) -> None:
        """Return when nothing waits that a new interception must not overtake."""
        await self._in_order.wait()

    def fall_behind(self) -> None:
        """Something waits."""
        if not self.behind:
            self.behind = True
            self._in_order.clear()

    def lose(self, error: Exception) -> None:
        """The database did not take anything, because of `error`."""
        self.lost = True
        if not self._reported:
            self._reported = True
            self._replayed_before = self._tally.counters.replayed
            _log.warning(
                "the audit trail's database is lost; %s", self._consequence, extra={"reason": described(error)}
            )

    def find(self) -> None:
        """The database has taken something."""
        self.lost = False

    def catch_up(self) -> None:
        """Nothing waits any more."""
        self.behind = False
        self._in_order.set()
        if self._reported and not self.lost:
            self._reported = False
            replayed = self._tally.counters.replayed - self._replayed_before
            _log.warning("the audit trail's database is back and up to date", extra={"replayed": replayed})


def described(error: BaseException) -> str:
    """An error as it may be logged: never with what was being written."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return str(error) if isinstance(error, BridgeError | StoreError) else type(error).__name__
