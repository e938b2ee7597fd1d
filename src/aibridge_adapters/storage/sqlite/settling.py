"""Settling: what has ended gets into the scattered indexes and the counts, many interceptions together.

Belongs here: when and how. Never: how the fresh ones are found until then (parts.py).

The keys of those indexes, such as people, are scattered: an interception alone changes a page of each. Many together
share pages, so they wait for each other. Nothing is lost by it: whatever a process left fresh when it ended or died is
settled with what comes after.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define

from aibridge_adapters.storage.sqlite.files import LOCK_TIMEOUT
from aibridge_adapters.storage.sqlite.recent_calls import RecentCalls

_log = logging.getLogger(__name__)

EVERY = 500
"""Interceptions that end between two settlings. Whoever waits for the writer meanwhile waits for some 10 ms, and lists
and counts walk so many. With 1000 the processor time falls a little more, but the slowest starts wait twice as long."""

_FRESH = "FROM interceptions INDEXED BY interceptions_fresh WHERE fresh IS NOT NULL"
_ENDED = f"{_FRESH} AND status <> 'in_flight'"
_ARE_MANY = f"SELECT 1 {_FRESH} LIMIT 1 OFFSET ?"
_LAST = f"SELECT started_at {_ENDED} ORDER BY started_at, id LIMIT 1 OFFSET ?"
_SETTLE = """
UPDATE interceptions INDEXED BY interceptions_fresh SET fresh = NULL
WHERE fresh IS NOT NULL AND status <> 'in_flight' AND started_at <= ?
"""
_FOREVER = 2**63 - 1


@define
class Settling:
    """Belongs to the writer's thread. Nothing in here raises: those whose records are safe have been told so."""

    every: int
    recent: RecentCalls
    _waiting: int = 0
    """How many have ended since the last time, or were left then."""

    def begin(self, connection: sqlite3.Connection) -> None:
        """Told once: what other processes left counts, too."""
        with self._harmless():
            (self._waiting,) = connection.execute(f"SELECT count(*) {_ENDED}").fetchone()

    def after(self, ended: int, connection: sqlite3.Connection) -> None:
        """Told after each commit how many ended with it; settles if enough have, twice as many at most."""
        self._waiting += ended
        if self._waiting < self.every:
            return
        most, self._waiting = 2 * max(self.every, ended), 0
        with self._harmless(), _without_waiting(connection):
            if _settled(connection, most):
                self._waiting = self.every  # more are left: the next piece follows the next commit
            self.recent.move(connection)

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # of SQLite, or no memory: the thread has to live on
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                self._waiting = self.every  # another process writes right now; the next commit is the next chance
            else:
                text = str(error) if isinstance(error, sqlite3.Error) else type(error).__name__
                _log.warning("what has ended is not in its indexes yet, trying again later: %s", text)


def _settled(connection: sqlite3.Connection, most: int) -> bool:
    """Settle so many, those that began first; whether more are left."""
    last = None
    if connection.execute(_ARE_MANY, (most,)).fetchone():  # left over, or they run: the second query is dearer
        last = connection.execute(_LAST, (most,)).fetchone()
    connection.execute(_SETTLE, last or (_FOREVER,))
    return last is not None


@contextmanager
def _without_waiting(connection: sqlite3.Connection) -> Iterator[None]:
    """Whoever writes next waits for another process's lock, and would wait for that twice."""
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(LOCK_TIMEOUT * 1000)}")
