"""The way to the server: the URL, a connection, and how one is cut off.

Belongs here: libpq's parameters and what every connection has in common. Never: SQL of the tables.

Nothing is set for a session, neither parameters nor prepared statements: behind a pooler in transaction mode, such as
pgbouncer, every transaction may run in another session.
"""

import asyncio
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from attrs import field, frozen
from psycopg.conninfo import conninfo_to_dict

from aibridge_adapters.storage.errors import StorageConfigError, StorageNotOpened

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

OLDEST_SERVER = 14
"""Major version: in it `extract` became exact, and older ones get no fixes any more."""
CONNECT_LIMIT = 10.0
"""Longest time to connect, in seconds, whatever the number of addresses and the state of name servers."""


CANCEL_LIMIT = 0.05
"""How long a cancelled statement may take to end, in seconds; then its connection is cut off. A request that is refused
because the server says nothing must not wait for the same server to agree to that."""


class Cancellable(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A connection whose statements end soon when the task that waits for them is cancelled.

    psycopg asks the server to cancel, by `cancel_safe`, and waits up to ten seconds for its answer.
    """

    async def cancel_safe(self, *, timeout: float = CANCEL_LIMIT) -> None:  # noqa: ASYNC109 - psycopg's signature
        """Ask the server to cancel what it does; cut the connection off if no answer comes."""
        try:
            async with asyncio.timeout(min(timeout, CANCEL_LIMIT)):
                await super().cancel_safe(timeout=timeout)
                await _something_comes(self.pgconn.socket)
        except (TimeoutError, psycopg.Error):
            sever(self)


@frozen
class Address:
    """Where the database is."""

    parameters: Mapping[str, Any] = field(repr=False)
    """As libpq takes them; may hold a password."""

    @property
    def shown(self) -> str:
        """For messages: host, port and database, no more."""
        host, port, name = (
            self.parameters.get(each) or os.environ.get(variable, "")
            for each, variable in (("host", "PGHOST"), ("port", "PGPORT"), ("dbname", "PGDATABASE"))
        )
        return f"{host or 'localhost'}{':' if port else ''}{port}/{name}"

    async def connect(self) -> Connection:
        """A connection in autocommit mode. Raises psycopg.OperationalError."""
        try:
            async with asyncio.timeout(CONNECT_LIMIT):
                return await Cancellable.connect(**self.parameters, autocommit=True, prepare_threshold=None)
        except TimeoutError as error:
            raise psycopg.errors.ConnectionTimeout("connecting took too long") from error


def address(url: str) -> Address:
    """Read a URL; everything that libpq knows may stand in it. Raises StorageConfigError.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error as error:  # its text may quote the password
        raise StorageConfigError(
            "the database URL is not one that libpq takes: postgresql://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE, "
            "special characters percent-encoded"
        ) from error
    defaults: dict[str, Any] = {"fallback_application_name": "aibridge"}
    if "PGCONNECT_TIMEOUT" not in os.environ:  # libpq's own default is to wait for ever
        defaults["connect_timeout"] = 2
    return Address({**defaults, **given, "client_encoding": "utf8"})


def require_usable(connection: Connection, where: str) -> None:
    """Raises StorageNotOpened for a server, or a database, that can't hold the trail."""
    version = connection.info.server_version // 10_000
    if version < OLDEST_SERVER:
        raise StorageNotOpened(f"PostgreSQL {OLDEST_SERVER} or newer is needed, {where} has {version}")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StorageNotOpened(f"the database {where} has the encoding {encoding}; it needs UTF8")
    if connection.info.parameter_status("in_hot_standby") == "on":
        raise StorageNotOpened(f"the database {where} is a standby, which can only be read")


@contextmanager
def cut_off_after(connection: Connection, seconds: float) -> Iterator[None]:
    """Give up on a connection that doesn't finish in time: what waits on it fails as if the server had closed it.

    The server ends statements that take too long by itself; this is for a server, or a network, that says nothing.
    """
    timer = asyncio.get_running_loop().call_later(seconds, sever, connection)
    try:
        yield
    finally:
        timer.cancel()


def sever(connection: Connection) -> None:
    """Shut the socket down under libpq, which then reads the end of the stream. Its own file descriptor stays open."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.pgconn.socket)) as twin:
        twin.shutdown(socket.SHUT_RDWR)


async def _something_comes(descriptor: int) -> None:
    """Return when there is something to read, or the end."""
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, came.set)
    try:
        await came.wait()
    finally:
        loop.remove_reader(descriptor)


def in_words(error: BaseException) -> str:
    """An error as it may be logged: what the server says about itself, but nothing that may quote what was written."""
    if isinstance(error, psycopg.OperationalError):
        return error.diag.message_primary or " ".join(str(error).split())
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__name__} ({state})" if state else type(error).__name__
