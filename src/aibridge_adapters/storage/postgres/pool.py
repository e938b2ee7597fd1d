"""Connections for everything but the trail's writer: reading, and users, tokens and leases.

Belongs here: a few connections, each lent for one transaction. Never: what is done in it.

A pool of our own and not psycopg_pool: connections are made when they are asked for and thrown away when they fail, so
that there is no task in the background, and the first request after an outage finds the database at once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import psycopg
from psycopg.pq import TransactionStatus

from aibridge_adapters.storage.limits import Limits
from aibridge_adapters.storage.postgres.connecting import Address, Connection, cut_off_after, in_words
from aibridge_core.errors import StoreUnavailable

T = TypeVar("T")

_log = logging.getLogger(__name__)

LIFETIME = 1800.0
"""After so many seconds a connection is replaced: names change their addresses, and servers' memory grows."""

_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""All statements of a reading transaction see the same moment."""
_CHANGE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"


class Pool:
    """Lends connections. Safe to use from any task of one event loop."""

    def __init__(self, address: Address, limits: Limits) -> None:
        self._address = address
        self._limits = limits
        self._places = asyncio.Semaphore(max(1, limits.pool_size - 1))
        self._idle: deque[tuple[Connection, float]] = deque()
        self._closed = False
        timeouts = f"SET LOCAL statement_timeout = {_millis(limits.statement_timeout)}; "
        timeouts += f"SET LOCAL lock_timeout = {_millis(limits.lock_timeout)}"
        # Compiling a query takes longer than the queries here do.
        self._read = f"{_SNAPSHOT}; {timeouts}; SET LOCAL jit = off"
        self._write = f"{_CHANGE}; {timeouts}"

    async def read(self, query: Callable[[Connection], Awaitable[T]]) -> T:
        """What `query` answers about one moment. Raises StoreUnavailable; errors that aren't the database's pass."""
        try:
            return await self._run(self._read, query)
        except psycopg.Error as error:
            _log.error("reading the database failed: %s", in_words(error))
            raise StoreUnavailable("the database can't be read") from error

    async def change(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """What `work` answers, once what it did is durable; if it raises, nothing was done.

        Raises StoreUnavailable; errors that aren't the database's pass.
        """
        try:
            return await self._run(self._write, work)
        except psycopg.Error as error:
            _log.error("writing to the database failed: %s", in_words(error))
            raise StoreUnavailable("the database can't be written") from error

    async def close(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        self._closed = True
        await self._drop_idle()

    async def _run(self, begin: str, work: Callable[[Connection], Awaitable[T]]) -> T:
        async with self._place(), self._begun(begin) as connection:
            answer = await work(connection)
            await connection.execute("COMMIT")
            return answer

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        if self._closed:
            raise StoreUnavailable("the storage is closed")
        try:
            async with asyncio.timeout(self._limits.transaction_timeout):
                await self._places.acquire()
        except TimeoutError:
            raise StoreUnavailable("all connections to the database are busy") from None
        try:
            yield
        finally:
            self._places.release()

    @asynccontextmanager
    async def _begun(self, begin: str) -> AsyncIterator[Connection]:
        """A connection in a transaction."""
        connection, since = await self._taken(begin)
        with cut_off_after(connection, self._limits.transaction_timeout):
            try:
                yield connection
            finally:
                with anyio.CancelScope(shield=True):
                    await self._give_back(connection, since)

    async def _taken(self, begin: str) -> tuple[Connection, float]:
        """One that answers. The server may have closed idle ones; nothing was asked of them yet, so another will do."""
        while self._idle:
            connection, since = self._idle.pop()
            try:
                await self._start(connection, begin)
            except psycopg.OperationalError:
                await connection.close()
                await self._drop_idle()  # they are hardly better
            else:
                return connection, since
        connection = await self._address.connect()
        await self._start(connection, begin)
        return connection, _now()

    async def _start(self, connection: Connection, begin: str) -> None:
        with cut_off_after(connection, self._limits.transaction_timeout):
            try:
                await connection.execute(begin)
            except BaseException:
                await connection.close()
                raise

    async def _give_back(self, connection: Connection, since: float) -> None:
        """Keep it for the next one, outside a transaction; close it if that is in doubt."""
        state = TransactionStatus(connection.pgconn.transaction_status)
        if state in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            state = await self._rolled_back(connection)
        if state != TransactionStatus.IDLE or self._closed or _now() - since > LIFETIME:
            await connection.close()
        else:
            self._idle.append((connection, since))

    async def _rolled_back(self, connection: Connection) -> TransactionStatus:
        try:
            await connection.execute("ROLLBACK")
        except psycopg.Error:
            return TransactionStatus.UNKNOWN
        return TransactionStatus(connection.pgconn.transaction_status)

    async def _drop_idle(self) -> None:
        while self._idle:
            await self._idle.pop()[0].close()


def _millis(seconds: float) -> int:
    return int(seconds * 1000)


def _now() -> float:
    return asyncio.get_running_loop().time()
