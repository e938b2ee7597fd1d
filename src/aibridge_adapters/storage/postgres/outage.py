"""Time in which the database can't be written.

Belongs here: whether to try again, and when. Never: the tries.
"""

import asyncio
import logging
import random

from aibridge_adapters.storage.postgres.connecting import in_words

_log = logging.getLogger(__name__)

SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Between two tries, in seconds; each is twice as long as the one before."""


class Outage:
    """None, a short one that nobody needs to know of, or one that lasts: then every write is tried once, if at all."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._tries = 0
        self._since = 0.0
        self._next_try = 0.0
        self._lasts = False

    @property
    def too_soon(self) -> bool:
        """Whether the last try is too short ago for another one."""
        return self._lasts and _now() < self._next_try

    def failed(self, error: Exception, *, started: float) -> float | None:
        """A try that began at `started` has failed: seconds to wait before another, or None to give up."""
        if not self._tries:
            self._since = started
            _log.warning("the database can't be written, trying again: %s", in_words(error))
        self._tries += 1
        pause = self._pause()
        self._next_try = _now() + pause
        if not self._lasts and self._next_try - self._since < self._patience:
            return pause
        if not self._lasts:
            _log.error("the database can't be written for now: %s", in_words(error))
        self._lasts = True
        return None

    def over(self) -> None:
        """A try has succeeded."""
        if self._tries:
            _log.warning("the database can be written again after %.1f s", _now() - self._since)
        self._tries, self._lasts = 0, False

    def _pause(self) -> float:
        """Never quite the same, so that many processes don't come at once."""
        full = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** min(self._tries - 1, 10))
        return full * random.uniform(0.5, 1.0)  # noqa: S311 - not for secrets


def _now() -> float:
    return asyncio.get_running_loop().time()
