"""Connections that read, beside the one that writes.

Belongs here: a few connections, used by worker threads. Never: what is read.
"""

import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from aibridge_adapters.storage.sqlite.files import connect_reader
from aibridge_core.errors import StoreUnavailable

T = TypeVar("T")

_log = logging.getLogger(__name__)

PARALLEL = 4
"""How many queries run at once; the others wait."""


class Readers:
    """Runs queries, each on a snapshot of the database that no writer changes or waits for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: deque[sqlite3.Connection] = deque()
        self._limiter = anyio.CapacityLimiter(PARALLEL)
        self._closed = False

    async def run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """What `query` answers. Raises StoreUnavailable; errors that aren't SQLite's pass."""
        if self._closed:
            raise StoreUnavailable("the storage is closed")
        return await anyio.to_thread.run_sync(self._run, query, limiter=self._limiter)

    def close(self) -> None:
        """Close what is idle; nothing else may be running."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._idle.pop() if self._idle else connect_reader(self._path)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the database can't be opened: {error}") from error
        try:
            connection.execute("BEGIN")
            answer = query(connection)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            connection.close()
            _log.error("reading the database failed: %s", error)
            raise StoreUnavailable(f"the database can't be read: {error}") from error
        except BaseException:
            connection.rollback()
            self._idle.append(connection)
            raise
        self._idle.append(connection)
        return answer
