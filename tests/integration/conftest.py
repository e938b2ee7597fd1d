"""PostgreSQL databases for tests, each its own; the server starts when the first test asks for one."""

import os
from collections.abc import Iterator

import anyio
import pytest

from aibridge_adapters.storage import open_storage
from aibridge_core.testing.clock import FakeClock
from support.postgres import VARIABLE, Databases, Server, running_server


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[Databases]:
    """One server for each process of the test run."""
    worker = f"aibridge_test_{os.getpid()}"
    if dsn := os.environ.get(VARIABLE):
        yield Databases(dsn, worker)
        return
    with running_server() as server:
        yield Databases(server.url("postgres"), worker)


@pytest.fixture(scope="session")
def postgres_template(postgres_databases: Databases) -> Iterator[str]:
    """A database with the schema and nothing else, to be copied."""
    name = postgres_databases.create()

    async def migrate() -> None:
        async with open_storage(postgres_databases.url(name), clock=FakeClock(), owner="template"):
            pass

    anyio.run(migrate)
    yield name
    postgres_databases.drop(name)


@pytest.fixture
def postgres_url(postgres_databases: Databases, postgres_template: str) -> Iterator[str]:
    """An empty database, its schema up to date."""
    name = postgres_databases.create(postgres_template)
    yield postgres_databases.url(name)
    postgres_databases.drop(name)


@pytest.fixture
def empty_postgres_url(postgres_databases: Databases) -> Iterator[str]:
    """A database without any table."""
    name = postgres_databases.create()
    yield postgres_databases.url(name)
    postgres_databases.drop(name)


@pytest.fixture
def own_postgres() -> Iterator[Server]:
    """A server that a test may stop and start."""
    with running_server() as server:
        yield server
