"""Limits that all replicas on one database share.

Belongs here: one exchange with the server, on a connection of its own, and what it costs when it takes too long.
Never: who waits for it. The counting is `admit_shared`, in `migrations/`.

A question is one simple query of several statements: it arrives as a whole or not at all, so the lock that all replicas
take in turn is never held while somebody's packets are on their way. Nothing is kept in a session but the function's
plans, which the server keeps by itself.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Any

import psycopg

from aibridge_adapters.storage.postgres.connecting import Address, Connection, cut_off_after, in_words
from aibridge_adapters.storage.postgres.pool import Pool
from aibridge_core.errors import StoreUnavailable
from aibridge_core.limits import Limit, Refused
from aibridge_core.sharing import Question, Ruling

EVERYBODY = "*"
"""The group of all requests together."""

_RULE = """
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL statement_timeout = %s;
SELECT replicas, verdicts, waits FROM admit_shared(%s, %s::text[], %s::text[], %s::integer[], %s::integer[], %s, %s);
COMMIT
"""
_TIDY = """
DELETE FROM shared_admissions AS old
WHERE (SELECT pg_try_advisory_xact_lock(4271859316225503)) AND at NOT BETWEEN clock_timestamp() - %(spared)s
    AND clock_timestamp() + %(spared)s AND (
        EXISTS (SELECT FROM shared_admissions AS newer
            WHERE newer.members = old.members AND newer.owner = old.owner AND newer.seq > old.seq)
        OR running = 0 AND NOT EXISTS (SELECT FROM shared_admissions AS older
            WHERE older.members = old.members AND older.owner = old.owner AND older.seq < old.seq)
        OR NOT EXISTS (SELECT FROM gateway_processes
            WHERE gateway_processes.owner = old.owner AND heartbeat_at > clock_timestamp() - %(lease)s)
    )
"""
"""What is newest of a replica says what runs there, unless it is dead. A zero goes when it hides nothing older."""
_SPARED = timedelta(seconds=5)
"""Rows of so long ago are left alone: rates count them, or clocks were set back a little."""


class PostgresSharedLimits:
    """Implements `aibridge_core.sharing.SharedLimits`. One question at a time; connects when it is asked the first."""

    def __init__(self, address: Address, pool: Pool, owner: str) -> None:
        self._address = address
        self._pool = pool
        self._owner = owner
        self._connection: Connection | None = None

    async def rule(self, question: Question, *, within: float) -> Ruling:
        """In one exchange with the server. Raises StoreUnavailable."""
        patience = _millis(within)
        values = (patience, *_values(self._owner, question), patience)
        try:
            async with asyncio.timeout(within):
                connection = await self._connected()
            with cut_off_after(connection, within):
                row = await _asked(connection, values)
        except TimeoutError:
            raise StoreUnavailable("the database can't be reached in time") from None
        except BaseException as error:
            await self.close()  # it may be in a transaction, or in the midst of an answer
            if isinstance(error, psycopg.Error):
                raise StoreUnavailable(in_words(error)) from error
            raise
        return _ruling(row, len(question.users))

    async def tidy(self, *, lease: float) -> None:
        """Remove rows that nobody reads any more; one replica at a time does. Raises StoreUnavailable."""

        async def tidy(connection: Connection) -> None:
            await connection.execute(_TIDY, {"spared": _SPARED, "lease": timedelta(seconds=lease)})

        await self._pool.change(tidy)

    async def close(self) -> None:
        """Close the connection; the next question opens another."""
        if self._connection:
            connection, self._connection = self._connection, None
            await connection.close()

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await self._address.connect()
        return self._connection


async def _asked(connection: Connection, values: Sequence[Any]) -> tuple[Any, ...]:
    """The row that the third of four statements answers."""
    cursor = psycopg.AsyncClientCursor(connection)
    await cursor.execute(_RULE, values)
    cursor.nextset()
    cursor.nextset()
    row = await cursor.fetchone()
    assert row
    return row


def _values(owner: str, question: Question) -> Sequence[Any]:
    """In the order of the function's arguments. Groups without a limit are not told of."""
    personal, ours = question.limits.per_user, question.limits.together
    limits = [personal.concurrent, personal.rps, ours.concurrent, ours.rps]
    names = {user: _name(user) for user in {*question.users, *question.running}}
    told = {names[user]: running for user, running in question.running.items()} if any(limits[:2]) else {}
    if any(limits[2:]):
        told[EVERYBODY] = question.together
    asking = [names[user] for user in question.users]
    return owner, asking, list(told), list(told.values()), limits, timedelta(seconds=question.lease)


def _name(user_id: str) -> str:
    """Short, and of plain characters, whatever an authenticator uses for ids."""
    return blake2b(user_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _ruling(row: Sequence[Any], asked: int) -> Ruling:
    replicas, verdicts, waits = row
    if not asked:
        return Ruling(verdicts=(), replicas=replicas)
    return Ruling(
        verdicts=[
            Refused(Limit(verdict), wait) if verdict else None for verdict, wait in zip(verdicts, waits, strict=True)
        ],
        replicas=replicas,
    )


def _millis(seconds: float) -> int:
    return max(1, int(seconds * 1000))
