"""Settling: what has ended gets into the scattered indexes and the counts, many interceptions together.

Belongs here: when and how. Never: how the fresh ones are found until then (parts.py).

The keys of those indexes, such as people, are scattered: an interception alone changes a page of each. Many together
share pages, so they wait for each other. Nothing is lost by it: whatever a process left fresh when it ended or died is
settled with what comes after.
"""

import logging
import sqlite3

from attrs import define

_log = logging.getLogger(__name__)

EVERY = 500
"""Interceptions that end between two settlings. Whoever waits for the writer meanwhile waits for some 5 ms, and lists
and counts walk so many. With 1000 the processor time falls a little more, but the slowest starts wait twice as long."""

_FRESH = "FROM interceptions INDEXED BY interceptions_fresh WHERE fresh IS NOT NULL"
_ARE_MANY = f"SELECT 1 {_FRESH} LIMIT 1 OFFSET ?"
_LAST = f"SELECT started_at {_FRESH} AND status <> 'in_flight' ORDER BY started_at, id LIMIT 1 OFFSET ?"
_SETTLE = """
UPDATE interceptions INDEXED BY interceptions_fresh SET fresh = NULL
WHERE fresh IS NOT NULL AND status <> 'in_flight' AND started_at <= ?
"""
_FOREVER = 2**63 - 1


@define
class Settling:
    """Belongs to the writer's thread."""

    every: int = EVERY
    _ended: int = 0
    """Since the last time."""

    def after(self, ended: int, connection: sqlite3.Connection) -> None:
        """Told after each commit how many ended with it; settles if enough have.

        A failure is nobody's: it is tried again with those that come, twice as many at a time as do.
        """
        self._ended += ended
        if self._ended < self.every:
            return
        self._ended = 0
        try:
            self._settle(connection)
        except sqlite3.Error as error:
            _log.warning("ended interceptions are not in their indexes yet, trying again later: %s", error)

    def _settle(self, connection: sqlite3.Connection) -> None:
        most, until = 2 * self.every, _FOREVER
        if connection.execute(_ARE_MANY, (most,)).fetchone():  # left over, or they run: the second query is dearer
            (until,) = connection.execute(_LAST, (most,)).fetchone() or (_FOREVER,)
        connection.execute(_SETTLE, (until,))
