"""A server that speaks TLS: libpq's options in the URL decide whom the gateway believes."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import trustme
from psycopg.conninfo import conninfo_to_dict

from aibridge_adapters.storage import StorageNotOpened
from aibridge_core.testing.contract.base import completed
from aibridge_core.testing.samples import Samples
from integration.postgres.opening import opened
from support.postgres import as_url

pytestmark = pytest.mark.anyio

AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
TLS_PLEASE = struct.pack("!II", 8, 80877103)
"""https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL"""

UrlBy = Callable[..., str]


@pytest.fixture
async def url_by(postgres_url: str, tmp_path: Path) -> AsyncIterator[UrlBy]:
    """URLs of the database behind a server whose certificate is for `localhost`."""
    given = conninfo_to_dict(postgres_url)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    for name, authority in (("ours", AUTHORITY), ("stranger", STRANGER)):
        authority.cert_pem.write_to_path(str(tmp_path / name))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == TLS_PLEASE
        writer.write(b"S")
        with suppress(OSError):  # clients that don't believe the certificate
            await writer.start_tls(context)
            await _passed_on(given, reader, writer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]

        def url(host: str, root: str, **more: str) -> str:
            way = {"host": host, "hostaddr": "127.0.0.1", "port": str(port), "gssencmode": "disable"}
            return as_url({**given, **way, "sslrootcert": str(tmp_path / root), **more})

        yield url


async def _passed_on(given: dict[str, object], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    host, port = str(given["host"]), int(str(given.get("port") or 5432))
    folder = host.startswith("/")
    there = await (
        asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}") if folder else asyncio.open_connection(host, port)
    )

    async def one_way(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    await asyncio.gather(one_way(reader, there[1]), one_way(there[0], writer))


async def test_the_right_certificate(url_by: UrlBy) -> None:
    """With `verify-full`, and the authority that the URL names, the trail is kept over TLS."""
    async with opened(url_by("localhost", "ours", sslmode="verify-full")) as storage:
        await completed(storage, Samples())


@pytest.mark.parametrize(
    ("host", "root", "says"),
    [("localhost", "stranger", "certificate verify failed"), ("db.internal", "ours", "does not match host name")],
    ids=["of another authority", "for another name"],
)
async def test_a_wrong_certificate(url_by: UrlBy, host: str, root: str, says: str) -> None:
    """Nothing is sent to it, and the start is refused with the reason."""
    with pytest.raises(StorageNotOpened, match=says):
        async with opened(url_by(host, root, sslmode="verify-full")):
            pass


async def test_without_verification(url_by: UrlBy) -> None:
    """With `require` any name will do, as libpq has it."""
    async with opened(url_by("db.internal", "ours", sslmode="require", sslrootcert="")) as storage:
        await completed(storage, Samples())
