"""The one connection that writes the trail: opened when needed, cleaned up or thrown away when something failed.

Belongs here: sorting failures into those that time heals and those that it doesn't. Never: what to do about them.
"""

from collections.abc import Sequence
from contextlib import suppress

import psycopg
from psycopg.pq import TransactionStatus

from aibridge_adapters.storage.limits import Limits
from aibridge_adapters.storage.postgres.batch import batch
from aibridge_adapters.storage.postgres.connecting import Address, Connection, cut_off_after, sever
from aibridge_adapters.storage.postgres.works import Work

_REFUSALS = (
    ("22", "a value that its column can't hold"),
    ("23", "a record of an interception that has not begun"),
    ("54", "more than a row, an index or a statement can hold"),
    ("0A000", "something this server does not support"),
    ("XX000", "an error inside the server, met on the way of these very values"),
)
"""SQLSTATEs, or how they begin, that come from what is written: it will fare no better the next time. All others are
the server's or the network's trouble. https://www.postgresql.org/docs/current/errcodes-appendix.html"""


class Refused(Exception):
    """The database does not take these works together, and never will; nothing of them was kept."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Unavailable(Exception):
    """The database can't write at the moment; whether these works were kept is unknown."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Line:
    """Writes works of one process (`owner`), one transaction after the other."""

    def __init__(self, address: Address, *, owner: str, limits: Limits) -> None:
        self._address = address
        self._owner = owner
        self._limits = limits
        self._connection: Connection | None = None

    async def write(self, works: Sequence[Work]) -> set[str]:
        """Return when all is durable, with the ids of ends whose interceptions have not begun.

        Raises Refused, Unavailable.
        """
        try:
            prepared = batch(works, owner=self._owner, limits=self._limits)
        except Exception as error:  # a value that no column takes
            raise Refused(error) from error
        try:
            connection = await self._connected()
            with cut_off_after(connection, self._limits.transaction_timeout):
                return await prepared.write(connection)
        except psycopg.Error as error:
            await self._clean_up()
            raise (Refused if is_refusal(error) else Unavailable)(error) from error

    async def close(self) -> None:
        """Close the connection."""
        if self._connection:
            await self._connection.close()
            self._connection = None

    def cut_off(self) -> None:
        """Make what is under way fail."""
        if self._connection:
            sever(self._connection)

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await self._address.connect()
        return self._connection

    async def _clean_up(self) -> None:
        """Leave a connection outside any transaction, or none."""
        connection = self._connection
        if connection is None:
            return
        with suppress(psycopg.Error), cut_off_after(connection, self._limits.transaction_timeout):
            if connection.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                await connection.execute("ROLLBACK")
        if connection.pgconn.transaction_status != TransactionStatus.IDLE:
            await self.close()


def is_refusal(error: psycopg.Error) -> bool:
    """Whether an error is about what was written, not about the server."""
    if error.sqlstate is None:  # psycopg itself could not send a value
        return isinstance(error, psycopg.DataError | psycopg.ProgrammingError)
    return error.sqlstate.startswith(tuple(state for state, _ in _REFUSALS))
