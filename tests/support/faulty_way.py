"""A way to a PostgreSQL server that can be made to say nothing, or to break.

Belongs here: bytes passed on, or not. Never: what they mean.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from tempfile import TemporaryDirectory

from attrs import define, field
from psycopg.conninfo import conninfo_to_dict

from support.postgres import as_url


@define
class FaultyWay:
    """Passes connections on to one server."""

    host: str
    """A name, or the folder of a socket."""
    port: int
    url: str = ""
    """Of the database behind it."""
    _flowing: asyncio.Event = field(factory=asyncio.Event)
    _open: set[asyncio.StreamWriter] = field(factory=set)

    def stall(self) -> None:
        """Hold back everything, in both directions, also of new connections; nothing is closed."""
        self._flowing.clear()

    def flow(self) -> None:
        """Pass on again."""
        self._flowing.set()

    def reset(self) -> None:
        """Break all connections."""
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        if self.host.startswith("/"):
            there = await asyncio.open_unix_connection(f"{self.host}/.s.PGSQL.{self.port}")
        else:
            there = await asyncio.open_connection(self.host, self.port)
        ends = {writer, there[1]}
        self._open |= ends
        with suppress(ConnectionError):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass(reader, there[1]))
                tasks.create_task(self._pass(there[0], writer))
        self._open -= ends

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def faulty_way(url: str) -> AsyncIterator[FaultyWay]:
    """A way to that database; it flows."""
    given = conninfo_to_dict(url)
    with TemporaryDirectory(prefix="aibridge-") as folder:
        way = FaultyWay(
            str(given["host"]),
            int(given.get("port") or 5432),
            as_url({**given, "host": folder, "port": "5432"}),
        )
        way.flow()
        async with await asyncio.start_unix_server(way.serve, f"{folder}/.s.PGSQL.5432"):
            yield way
            way.flow()
            way.reset()
