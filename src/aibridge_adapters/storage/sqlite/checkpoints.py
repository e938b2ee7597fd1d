"""Copying what was written from the log into the database file, beside the writer.

Belongs here: when and how. Never: what was written.

SQLite lets the writer do this itself whenever the log has grown enough, and whoever waits for that very commit waits
long. A purge makes the log grow fast. A passive checkpoint on another connection waits for nobody and makes nobody
wait (sqlite.org/wal.html, section 3.1), so that little is left to do for the writer.
"""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import anyio.to_thread
from attrs import define

from aibridge_adapters.storage.sqlite.files import connect_writer

_log = logging.getLogger(__name__)

EVERY = 100
"""Interceptions removed between two checkpoints: some hundred pages, a few milliseconds of copying."""


@define
class Checkpoints:
    """Made as interceptions are removed."""

    _file: Path
    _removed: int = 0
    """Since the last one."""

    async def after(self, removed: int) -> None:
        """Make one if enough has gathered. A failure is none of the purge's: the writer does the work later."""
        self._removed += removed
        if self._removed < EVERY:
            return
        self._removed = 0
        await anyio.to_thread.run_sync(self._make)

    def _make(self) -> None:
        try:
            with closing(connect_writer(self._file)) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            _log.warning("a checkpoint beside the writer failed: %s", error)
