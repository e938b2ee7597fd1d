"""How a PostgreSQL database is found, judged and opened, and what is said if it can't be."""

import asyncio
import struct
import subprocess
import sys

import anyio
import pytest

from aibridge_adapters.storage import StorageConfigError, StorageNotOpened
from aibridge_core.records import InterceptionFilter
from aibridge_core.testing.contract.base import completed
from aibridge_core.testing.samples import Samples
from integration.postgres.opening import opened, raw, rows

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:hunter2%zz@host/db",
        "postgresql://ann:hunter2@[::1/db",
        "postgres://ann:hunter2@host/db?no_such_option=1",
    ],
)
def test_urls_that_libpq_does_not_take(url):
    """They are refused at once, without the password."""
    with pytest.raises(StorageConfigError, match="postgresql://USER:PASSWORD@HOST") as caught:
        opened(url)
    assert "hunter2" not in str(caught.value)


async def test_both_schemes(postgres_url):
    """postgres:// means the same as postgresql://."""
    async with opened(postgres_url.replace("postgresql://", "postgres://")) as storage:
        assert await storage.store.count(InterceptionFilter()) == 0


async def test_a_server_that_is_not_there(tmp_path):
    """The message says where and why, and no password."""
    with pytest.raises(StorageNotOpened, match=str(tmp_path)) as caught:
        async with opened(f"postgresql://ann:hunter2@/trail?host={tmp_path}"):
            pass
    assert "hunter2" not in str(caught.value)


async def test_a_database_that_is_not_there(postgres_databases):
    """The server's own words reach the operator."""
    with pytest.raises(StorageNotOpened, match='database "no_such_one" does not exist'):
        async with opened(postgres_databases.url("no_such_one")):
            pass


async def test_a_database_in_another_encoding(postgres_databases):
    """A database that can't hold all texts is refused before anything is written to it."""
    name = postgres_databases.create(encoding="SQL_ASCII")
    try:
        with pytest.raises(StorageNotOpened, match="encoding SQL_ASCII; it needs UTF8"):
            async with opened(postgres_databases.url(name)):
                pass
        assert (
            await rows(postgres_databases.url(name), "SELECT FROM pg_class WHERE relname = 'schema_migrations'") == []
        )
    finally:
        postgres_databases.drop(name)


async def test_libpqs_options_are_passed_on(postgres_url):
    """What stands in the URL beyond host and database is libpq's: the name of the application, say."""
    async with opened(postgres_url + "&application_name=trail-of-ours") as storage, raw(postgres_url) as other:
        await completed(storage, Samples())
        seen = await other.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'trail-of-ours'")
        assert await seen.fetchone() != (0,)


async def test_tls_is_libpqs():
    """A URL that asks for TLS gets TLS or nothing: no password is sent to a server that has none."""
    asked, ended = [], anyio.Event()

    async def no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readexactly(8))
        writer.write(b"N")
        asked.append(await reader.read())
        writer.close()
        ended.set()

    async with await asyncio.start_server(no_tls, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(StorageNotOpened, match="does not support SSL"):
            async with opened(f"postgresql://ann:hunter2@127.0.0.1:{port}/db?sslmode=require"):
                pass
        await ended.wait()
    assert asked == [struct.pack("!II", 8, 80877103), b""]


async def test_a_schema_of_its_own(empty_postgres_url):
    """With `options=-csearch_path=...` the tables are made there, and triggers find them from anywhere."""
    async with raw(empty_postgres_url) as connection:
        await connection.execute("CREATE SCHEMA trail")
    samples = Samples()
    async with opened(empty_postgres_url + "&options=-csearch_path%3Dtrail") as storage:
        interception = await completed(storage, samples)
        async with raw(empty_postgres_url) as other:
            await other.execute("DELETE FROM trail.interceptions WHERE id = %s", (interception.start.id,))
        assert await storage.store.count(InterceptionFilter()) == 0


async def test_connections_are_few_and_go(postgres_url):
    """One process holds no more than its limit, and none once it is closed."""
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    async with opened(postgres_url) as storage, raw(postgres_url) as other:
        await completed(storage, Samples())
        async with anyio.create_task_group() as tasks:
            for _ in range(30):
                tasks.start_soon(storage.store.count, InterceptionFilter())
        (held,) = await (await other.execute(open_ones)).fetchone() or (None,)
        assert held == 5
    assert await rows(postgres_url, open_ones) == [(0,)]


def test_without_psycopg():
    """Without the extra, the message says how to get it; importing the package needs no psycopg."""
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from aibridge_adapters.storage import open_storage, StorageConfigError\n"
        "try: open_storage('postgresql://localhost/x', clock=None, owner='')\n"
        "except StorageConfigError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'aibridge[postgres]'" in done.stdout
