"""A pooler in transaction mode, as pgbouncer is one, but crueler: no two transactions in a row get the same session.

So anything that is kept in a session, a parameter or a prepared statement, is gone at once. Speaks the frontend/backend
protocol, version 3: https://www.postgresql.org/docs/current/protocol.html. No TLS, no cancel requests.
"""

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from tempfile import TemporaryDirectory

from attrs import define, field
from psycopg.conninfo import conninfo_to_dict

from support.postgres import as_url

SESSIONS = 5
_SSL_REQUEST, _GSS_REQUEST, _CANCEL_REQUEST = 80877103, 80877104, 80877102
_ENDS_EXCHANGE = (b"Q", b"S")
"""Messages that the server answers with ReadyForQuery: Query and Sync."""


@define
class Session:
    """A connection to the server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: bytes
    """What the server said when it began, up to its first ReadyForQuery."""


@define
class Pooler:
    """In front of one database."""

    host: str
    """A name, or the folder of a socket."""
    port: int
    _idle: "deque[Session]" = field(factory=deque)
    transactions: int = 0
    """How many have been passed on."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            startup = await _startup(reader, writer)
            while len(self._idle) < SESSIONS:
                self._idle.append(await self._connect(startup))
            writer.write(self._idle[0].greeting)
            while True:
                await self._transaction(await _message(reader), reader, writer)
        writer.close()

    def close(self) -> None:
        """End all sessions."""
        while self._idle:
            self._idle.pop().writer.close()

    async def _connect(self, startup: bytes) -> Session:
        if self.host.startswith("/"):
            reader, writer = await asyncio.open_unix_connection(f"{self.host}/.s.PGSQL.{self.port}")
        else:
            reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(startup)
        greeting = b""
        while not greeting.endswith(b"Z\x00\x00\x00\x05I"):
            greeting += await _message(reader)
        return Session(reader, writer, greeting)

    async def _transaction(self, message: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if message[:1] == b"X":
            raise ConnectionResetError
        session = self._idle.popleft()  # returned ones go to the end: never the one that was used last
        self.transactions += 1
        open_exchanges = 0
        while True:
            session.writer.write(message)
            open_exchanges += message[:1] in _ENDS_EXCHANGE
            while open_exchanges:
                answer = await _message(session.reader)
                writer.write(answer)
                open_exchanges -= answer[:1] == b"Z"
                if answer[:1] == b"Z" and answer[5:] == b"I" and not open_exchanges:
                    self._idle.append(session)
                    return
            message = await _message(reader)


async def _startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    while True:
        length = await reader.readexactly(4)
        packet = length + await reader.readexactly(struct.unpack("!I", length)[0] - 4)
        if struct.unpack("!I", packet[4:8])[0] not in (_SSL_REQUEST, _GSS_REQUEST):
            return packet
        writer.write(b"N")


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)


@asynccontextmanager
async def pooled(url: str) -> AsyncIterator[tuple[Pooler, str]]:
    """A pooler in front of that database, and the URL to use instead."""
    given = conninfo_to_dict(url)
    pooler = Pooler(str(given["host"]), int(given.get("port") or 5432))
    with TemporaryDirectory(prefix="aibridge-") as folder:
        async with await asyncio.start_unix_server(pooler.serve, f"{folder}/.s.PGSQL.5432"):
            yield pooler, as_url({**given, "host": folder, "port": "5432"})
        pooler.close()
