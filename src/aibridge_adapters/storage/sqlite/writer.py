"""The writer: one thread that owns the one connection that writes.

Belongs here: the queue, the thread, group commit, and telling who waits. Never: what is written.

Whatever waits when the thread is free goes into one transaction, so that one flush to disk serves all of it: the more
requests at once, the cheaper each. The event loop never blocks; it learns of all outcomes of a group in one call.
"""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from time import perf_counter
from typing import Any

import anyio.to_thread

from aibridge_adapters.storage.sqlite.mailbox import Mailbox
from aibridge_adapters.storage.sqlite.recent_calls import RecentCalls
from aibridge_adapters.storage.sqlite.settling import EVERY, Settling
from aibridge_adapters.storage.sqlite.transaction import Transaction, TransactionLost
from aibridge_adapters.storage.sqlite.works import Failed, Outcome, Work
from aibridge_adapters.storage.writing import Commit, Writing
from aibridge_core.errors import RecordingFailed
from aibridge_core.records import InterceptionEnded

_log = logging.getLogger(__name__)

CAPACITY = 64 * 1024 * 1024
"""How much may wait before `room` makes callers wait, in characters of text plus `OVERHEAD` for each record."""
OVERHEAD = 1024
GROUP = 1024
"""About how many works are in one transaction at most: what comes after them shouldn't wait for ever."""
LINGER = 0.05
"""How long work that nobody waits for may stay behind, in seconds, so that it shares a flush with work that somebody
waits for. A record is mostly followed by the end of its interception."""
CALLS = 10
"""Tool calls that gather before they get into their index, for each interception that is settled at once."""
MAX_REMEMBERED = 10_000
"""Most interceptions whose lost records are remembered until their end."""


class WriterClosed(Exception):
    """The storage has been closed."""


_Job = tuple[Work, "asyncio.Future[Any] | None", int]
"""What to do, who waits for it, and its weight."""


class Writer:
    """Does works in the order they are put. All methods belong to the event loop that started it."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        *,
        owner: str,
        capacity: int = CAPACITY,
        settle_every: int = EVERY,
    ) -> None:
        self._connect = connect
        self._owner = owner
        self._capacity = capacity
        self._queue: SimpleQueue[list[_Job]] = SimpleQueue()
        self._held: list[_Job] = []
        self._linger: asyncio.TimerHandle | None = None
        self._hurried = False
        self._thread = threading.Thread(target=self._main, name="aibridge-sqlite-writer", daemon=True)
        self._lost: dict[str, Exception] = {}
        self._recent = RecentCalls(CALLS * settle_every)
        self._settling = Settling(settle_every, self._recent)
        self.writing = Writing()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = True

    async def start(self) -> None:
        """Open the connection. Raises sqlite3.Error."""
        self._loop = asyncio.get_running_loop()
        self._mailbox = Mailbox()
        self._started: asyncio.Future[None] = self._loop.create_future()
        self._thread.start()
        try:
            await self._started
        except Exception:  # the thread has said its last word
            self._mailbox.close()
            raise
        self._closed = False

    async def close(self) -> None:
        """Do what was put, then end. Nothing can be put afterwards."""
        self._closed = True
        self._release()
        self._queue.put([])
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._thread.join)
        self._mailbox.close()

    def put(self, work: Work, *, weight: int = OVERHEAD) -> None:
        """Have it done soon. Raises WriterClosed."""
        self._hold(work, None, weight)
        if not self._room.is_set():
            self._release()
        elif self._linger is None:
            self._linger = self._loop.call_later(LINGER, self._release)

    def do(self, work: Work) -> "asyncio.Future[Any]":
        """Its answer, when it is durable, or its error. It is done even if the caller is cancelled.

        Raises WriterClosed.
        """
        waiter = self._loop.create_future()
        self._hold(work, waiter, OVERHEAD)
        if not self._hurried:
            self._hurry()
        return waiter

    async def room(self) -> None:
        """Return when the queue has room for more."""
        await self._room.wait()

    def _hold(self, work: Work, waiter: "asyncio.Future[Any] | None", weight: int) -> None:
        if self._closed:
            raise WriterClosed("the storage is closed")
        if self.writing.put(weight) > self._capacity:
            self._room.clear()
        self._held.append((work, waiter, weight))

    def _hurry(self) -> None:
        """Release soon: after what the loop has to do anyway now, so that all of it shares a flush.

        Released at once, the first of many would wake the thread, be flushed alone, and have it fight with all others
        for the interpreter.
        """
        self._hurried = True
        self._loop.call_soon(self._release)

    def _release(self) -> None:
        """Hand everything that is held to the thread, in order."""
        self._hurried = False
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self._held:
            self._queue.put(self._held)
            self._held = []

    def _answer(self, jobs: Sequence[_Job], outcomes: Sequence[Outcome], seconds: float) -> None:
        """On the event loop: tell everyone who still waits."""
        done = failed = 0
        for (_, waiter, weight), outcome in zip(jobs, outcomes, strict=True):
            done += weight
            failed += isinstance(outcome, Failed)
            if waiter is None or waiter.done():  # done: its caller was cancelled
                continue
            if isinstance(outcome, Failed):
                waiter.set_exception(outcome.error)
            else:
                waiter.set_result(outcome.answer)
        self.writing.done(Commit(seconds=seconds, committed=len(jobs) - failed, failed=failed), done)
        if self.writing.weight <= self._capacity:
            self._room.set()

    # From here on: the thread.

    def _main(self) -> None:
        try:
            self._connection = self._connect()
        except Exception as error:
            self._tell(self._started.set_exception, error)
            return
        self._tell(self._started.set_result, None)
        self._settling.begin(self._connection)
        try:
            while jobs := self._next_group():
                begun = perf_counter()
                works = [job[0] for job in jobs]
                outcomes = self._outcomes(works)
                self._tell(self._answer, jobs, outcomes, perf_counter() - begun)
                self._settling.after([type(work) for work in works].count(InterceptionEnded), self._connection)
        finally:
            self._connection.close()

    def _outcomes(self, works: Sequence[Work]) -> Sequence[Outcome]:
        """The thread lives on, whatever happens."""
        try:
            return self._write(works)
        except Exception as error:
            _log.exception("the writer met an unexpected error and opens a new connection")
            with suppress(sqlite3.Error):
                self._connection.close()
                self._connection = self._connect()
            self._recent.forget()
            return self._all_failed(works, error)

    def _tell(self, function: Callable[..., Any], *arguments: Any) -> None:
        try:
            self._mailbox.send(function, *arguments)
        except RuntimeError:  # the loop is closed; nobody waits any more, but what is queued still gets written
            _log.debug("the event loop ended before the writer did")

    def _next_group(self) -> list[_Job]:
        """Everything that waits, at least one; empty at the end, which is the last thing in the queue."""
        jobs = self._queue.get()
        while jobs and len(jobs) < GROUP and not self._queue.empty():
            more = self._queue.get()
            if not more:
                self._queue.put(more)
                break
            jobs += more
        return jobs

    def _write(self, works: Sequence[Work]) -> Sequence[Outcome]:
        """Commit all works together; if the database can't take them together, in halves."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:  # another process holds it, or it is broken: halves would fare no better
            return self._all_failed(works, error)
        try:
            return self._committed(works)
        except (TransactionLost, sqlite3.Error) as error:
            cause = error.cause if isinstance(error, TransactionLost) else error
            if self._connection.in_transaction:
                self._connection.rollback()
            self._recent.forget()
            if len(works) == 1:
                return self._all_failed(works, cause)
            _log.warning("a group of %d writes failed, trying halves: %s", len(works), _safe(cause))
        half = len(works) // 2
        return [*self._write(works[:half]), *self._write(works[half:])]

    def _committed(self, works: Sequence[Work]) -> Sequence[Outcome]:
        transaction = Transaction(self._connection, self._owner, self._recent)
        outcomes = transaction.run(works)
        self._connection.execute("COMMIT")
        for interception_id, error in transaction.lost.items():
            self._lose(interception_id, error)
        if not self._lost and not transaction.failed:
            return outcomes
        return [self._final(work, outcome) for work, outcome in zip(works, outcomes, strict=True)]

    def _all_failed(self, works: Sequence[Work], error: Exception) -> Sequence[Outcome]:
        failed = Failed(error)
        for work in works:
            if isinstance(work, tuple):
                for record in work:
                    self._lose(record.interception_id, failed.error)
        return [self._final(work, failed) for work in works]

    def _lose(self, interception_id: str, error: Exception) -> None:
        _log.error("a record of interception %s is lost: %s", interception_id, _safe(error))
        self._lost.setdefault(interception_id, error)
        if len(self._lost) > MAX_REMEMBERED:  # lost after their end, so nobody will ask
            del self._lost[next(iter(self._lost))]

    def _final(self, work: Work, outcome: Outcome) -> Outcome:
        """Whoever ends an interception learns here that a record of it was lost."""
        if isinstance(work, InterceptionEnded):
            lost = self._lost.pop(work.id, None)
            if lost is not None:
                return Failed(RecordingFailed(f"a record of interception {work.id} was lost: {_safe(lost)}"))
            if isinstance(outcome, Failed):
                _log.error("the end of interception %s is not recorded: %s", work.id, _safe(outcome.error))
        return outcome


def _safe(error: Exception) -> str:
    """An error as it may be logged: SQLite's own texts, but none that may quote what was being written."""
    return str(error) if isinstance(error, sqlite3.Error | RecordingFailed) else type(error).__name__
