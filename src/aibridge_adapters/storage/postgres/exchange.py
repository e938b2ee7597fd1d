"""One exchange with the server: all statements of a transaction sent at once, then all their results.

Belongs here: libpq's pipeline mode and waiting for the socket. Never: what the statements say.

psycopg's own pipelines send each statement as it is executed, and wait for the socket each time. With few records to a
transaction that costs several times what the records do. libpq gathers what is to be sent, so here it goes out in one
piece. https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
"""

import asyncio
from collections.abc import Sequence

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from aibridge_adapters.storage.postgres.connecting import Connection

Statement = tuple[bytes, Sequence[bytes]]
"""SQL with `$1` and so on, and the parameters' texts, in UTF-8 and without NUL."""


async def exchange(connection: Connection, statements: Sequence[Statement]) -> Sequence[PGresult]:
    """The result of each statement. Raises the psycopg.Error of the first that fails; those after it are not done.

    Nobody else may use the connection meanwhile. It is of no use after a cancellation.
    """
    pgconn = connection.pgconn
    pgconn.enter_pipeline_mode()
    for sql, parameters in statements:
        pgconn.send_query_params(sql, parameters)
    pgconn.pipeline_sync()
    while pgconn.flush():
        await _ready(pgconn, to_send=True)
        pgconn.consume_input()  # a server that can't get rid of its answers stops reading
    results = await _results(pgconn)
    pgconn.exit_pipeline_mode()
    _raise_first(results)
    return results


async def _results(pgconn: PGconn) -> Sequence[PGresult]:
    results: list[PGresult] = []
    while True:
        while pgconn.is_busy():
            await _ready(pgconn)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # the end of one statement's results
            if pgconn.status == ConnStatus.BAD:
                _raise_first(results)
                raise psycopg.OperationalError("the connection to the database is lost")
        elif result.status == ExecStatus.PIPELINE_SYNC:
            return results
        else:
            results.append(result)


def _raise_first(results: Sequence[PGresult]) -> None:
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(result)


async def _ready(pgconn: PGconn, *, to_send: bool = False) -> None:
    """Return when there is something to read, or, if asked, room to send."""
    loop, socket = asyncio.get_running_loop(), pgconn.socket
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(socket, _resolve, ready)
    if to_send:
        loop.add_writer(socket, _resolve, ready)
    try:
        await ready
    finally:
        loop.remove_reader(socket)
        if to_send:
            loop.remove_writer(socket)


def _resolve(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
