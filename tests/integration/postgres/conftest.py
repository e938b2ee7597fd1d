"""Databases for tests, each its own."""

import os
from collections.abc import Iterator

import anyio
import pytest

from aibridge_adapters.storage import open_storage
from aibridge_core.testing.clock import FakeClock
from support.postgres import VARIABLE, Databases, Server, running_server


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """One server for each process of the test run."""
    worker = f"aibridge_test_{os.getpid()}"
    if dsn := os.environ.get(VARIABLE):
        yield Databases(dsn, worker)
        return
    with running_server() as server:
        yield Databases(server.url("postgres"), worker)


@pytest.fixture(scope="session")
def template(databases: Databases) -> Iterator[str]:
    """A database with the schema and nothing else, to be copied."""
    name = databases.create()

    async def migrate() -> None:
        async with open_storage(databases.url(name), clock=FakeClock(), owner="template"):
            pass

    anyio.run(migrate)
    yield name
    databases.drop(name)


@pytest.fixture
def database_url(databases: Databases, template: str) -> Iterator[str]:
    """An empty database, its schema up to date."""
    name = databases.create(template)
    yield databases.url(name)
    databases.drop(name)


@pytest.fixture
def empty_url(databases: Databases) -> Iterator[str]:
    """A database without any table."""
    name = databases.create()
    yield databases.url(name)
    databases.drop(name)


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that a test may stop and start."""
    with running_server() as server:
        yield server
