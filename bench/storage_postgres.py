"""What the benches of the storage need of PostgreSQL: a server, a history in it, and its own account of its time.

Belongs here: what only PostgreSQL has. Never: what is measured (storage.py, retention.py).
"""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
from attrs import define
from storage_history import history, interception_row, records_of

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.storage.postgres import counts, create_schema, store
from aibridge_adapters.storage.postgres.connecting import address
from aibridge_adapters.storage.rows import END_COLUMNS, RECORD_TABLES, START_COLUMNS, moment_of, record_row
from aibridge_core.records import InterceptionFilter, Page

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from support.postgres import running_server

SETTINGS = {"fsync": "on", "shared_buffers": "512MB", "max_wal_size": "4GB"}
"""What anybody would set who means to keep a million interceptions; all else as it comes."""
TIMES = {"started_at", "ended_at", "created_at"}


@contextmanager
def server() -> Iterator[str]:
    """A server for this run alone; the URL of its database."""
    with running_server(SETTINGS) as running:
        running.create("bench")
        yield running.url("bench")


def is_empty(url: str) -> bool:
    """Make the schema if it is missing; whether there is no interception yet."""
    asyncio.run(create_schema(address(url), SystemClock()))
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT FROM interceptions LIMIT 1").fetchone() is None


def build(url: str, count: int) -> float:
    """Write the history with COPY, the triggers counting; megabytes that it takes."""
    columns = (*START_COLUMNS, "session_id", "owner", *END_COLUMNS[1:5])
    samples = history(count)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        while batch := list(islice(samples, 20_000)):
            with connection.transaction():
                _copy(connection, "interceptions", columns, [interception_row(sample) for sample in batch])
                records = [record for sample in batch for record in records_of(sample)]
                for kind, table in RECORD_TABLES.items():
                    rows = [record_row(record) for record in records if isinstance(record.fact, kind)]
                    _copy(connection, table.name, table.all_columns, rows)
        connection.execute("VACUUM ANALYZE")
        size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return size[0] / 1e6 if size else 0.0


def _copy(connection: Any, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    times = [number for number, column in enumerate(columns) if column in TIMES]
    with connection.cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
        for row in rows:
            values = list(row)
            for number in times:
                values[number] = moment_of(values[number])
            copy.write_row(values)


@define
class Explained:
    """A connection that also asks the server, for every statement, how long planning and executing it takes."""

    inner: Any
    milliseconds: float = 0.0

    async def execute(self, query: str, values: Sequence[Any] = ()) -> Any:
        """Twice, in effect."""
        cursor = await self.inner.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {query}", values)
        (plan,) = (await cursor.fetchone())[0]
        self.milliseconds += plan["Planning Time"] + plan["Execution Time"]
        return await self.inner.execute(query, values)

    def pipeline(self) -> Any:
        """One after the other."""
        return _nothing()


@asynccontextmanager
async def _nothing() -> Any:
    with nullcontext():
        yield


async def server_time(url: str, where: InterceptionFilter, page: Page, runs: int = 3) -> tuple[float, float]:
    """Milliseconds in the server for the page with its records, and for the count: the best of some runs.

    The first one may wait for the disk, which says more about the machine than about the queries.
    """
    pages, totals = [], []
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for _ in range(runs):
            await connection.execute("BEGIN READ ONLY; SET LOCAL jit = off")
            listing, counting = Explained(connection), Explained(connection)
            await store._page(listing, where, page)  # type: ignore[arg-type]
            await counts.count(counting, where)  # type: ignore[arg-type]
            await connection.execute("ROLLBACK")
            pages.append(listing.milliseconds)
            totals.append(counting.milliseconds)
    return min(pages), min(totals)


__all__ = ["build", "is_empty", "server", "server_time"]
