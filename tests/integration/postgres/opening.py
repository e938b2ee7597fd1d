"""Shorthands for tests that open storages and look at their database from outside."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import psycopg

from aibridge_adapters.storage import Limits, Storage, open_storage
from aibridge_core.testing.clock import FakeClock

Raw = psycopg.AsyncConnection[tuple[Any, ...]]


def opened(
    url: str, owner: str = "gateway-1", *, limits: Limits | None = None, clock: FakeClock | None = None
) -> AbstractAsyncContextManager[Storage]:
    """The storage at that URL."""
    return open_storage(url, clock=clock or FakeClock(), owner=owner, limits=limits)


@asynccontextmanager
async def raw(url: str) -> AsyncIterator[Raw]:
    """The database as any other program sees it."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection


async def rows(url: str, query: str, *values: object) -> Sequence[tuple[Any, ...]]:
    """What a query answers."""
    async with raw(url) as connection:
        return await (await connection.execute(query, values or None)).fetchall()
