"""A question to the database that nobody waits for any more."""

import asyncio
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic

import pytest

from aibridge_adapters.storage import Limits
from aibridge_adapters.storage.postgres.connecting import address
from aibridge_adapters.storage.postgres.pool import Pool
from integration.postgres.opening import opened
from support.faulty_way import faulty_way

pytestmark = pytest.mark.anyio


async def given_up(question: Callable[[], Awaitable[object]]) -> float:
    """How many seconds it takes to give up on a question after 0.2."""
    began = monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await question()
    return monotonic() - began


async def test_a_server_that_says_nothing(postgres_url):
    """Whoever gives up is free at once, and doesn't wait for the server to cancel; afterwards all is well again."""
    async with faulty_way(postgres_url) as way, opened(way.url) as storage:
        assert await storage.identity.find_user("ann") is None  # leaves a connection that is idle when the way stalls
        way.stall()
        assert await given_up(lambda: storage.identity.find_user("ann")) < 1
        way.flow()
        assert await storage.identity.find_user("ann") is None


async def test_a_server_that_lives(postgres_url):
    """It ends the statement, and the connection is used again; on a busy machine perhaps not at the first try."""
    pool = Pool(address(postgres_url), Limits())

    async def connection() -> object:
        return await pool.read(lambda each: _first(each, "SELECT pg_backend_pid()"))

    async def kept() -> bool:
        before = await connection()
        assert await given_up(lambda: pool.read(lambda each: each.execute("SELECT pg_sleep(4)"))) < 1
        return await connection() == before

    assert any([await kept() for _ in range(3)])
    await pool.close()


@pytest.mark.parametrize("of", ["postgres", "dev"])
def test_a_cancellation_stays_one(of):
    """Before 3.3.9, psycopg raised an error of the database in its place when the connection was cut off."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))["project"]
    (needed,) = [each for each in project["optional-dependencies"][of] if each.startswith("psycopg[")]
    assert tuple(map(int, needed.partition(">=")[2].split("."))) >= (3, 3, 9)


async def _first(connection, query: str) -> object:
    return (await (await connection.execute(query)).fetchone() or (None,))[0]
