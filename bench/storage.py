"""How fast the trail is written and read, on SQLite and on PostgreSQL.

    python bench/storage.py --interceptions 1000000              SQLite, in a temporary file
    python bench/storage.py --interceptions 1000000 --postgres   PostgreSQL, a server of its own, with fsync

Builds a database of that many interceptions with their records, written straight into the adapter's own schema. Then
prints what pages of 100 and counts cost with every filter, and what recording costs with 1, 50 and 500 requests at
once. For PostgreSQL it also prints the server's own account of its time. `--database FILE` and `--database-url URL`
use a database that is there, and keep it; `--interceptions 5000 --runs 3 --requests 2000 --rounds 1` is a quick look.
"""

import argparse
import asyncio
import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import storage_postgres
import storage_recording
from attrs import evolve
from rich.console import Console
from rich.table import Table
from storage_history import build, person

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.storage import Storage, open_storage
from aibridge_core.records import InterceptionFilter, Page, Status


async def timed(runs: int, action: Callable[[], Awaitable[object]]) -> float:
    """Run an action several times; the median of its milliseconds."""
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        await action()
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times)


def filters(now: datetime) -> dict[str, InterceptionFilter]:
    """Each filter with a common and a rare value, and some together."""
    one = InterceptionFilter
    return {
        "everything": one(),
        "initiator, busiest": one(initiator_id=person(0).id),
        "initiator, typical": one(initiator_id=person(321).id),
        "initiator, unknown": one(initiator_id="nobody"),
        "provider": one(provider="anthropic"),
        "provider_name, common": one(provider_name="anthropic"),
        "provider_name, rare": one(provider_name="local"),
        "model, common": one(model="claude-sonnet-4-5"),
        "model, rare": one(model="llama-4"),
        "client, common": one(client="Claude Code"),
        "client, rare": one(client="Unknown"),
        "status completed": one(status=Status.COMPLETED),
        "status failed": one(status=Status.FAILED),
        "status in_flight": one(status=Status.IN_FLIGHT),
        "session_id": one(session_id="session-20"),
        "started in the last day": one(started_after=now - timedelta(days=1)),
        "started in the last week": one(started_after=now - timedelta(days=7)),
        "started 40 to 5 days ago": one(started_after=now - timedelta(days=40), started_before=now - timedelta(days=5)),
        "initiator + model": one(initiator_id=person(0).id, model="claude-sonnet-4-5"),
        "model + client + failed": one(model="claude-sonnet-4-5", client="Cursor", status=Status.FAILED),
        "model + last week": one(model="claude-sonnet-4-5", started_after=now - timedelta(days=7)),
    }


async def read(storage: Storage, runs: int) -> Table:
    """Pages of 100 with their records, counts and names: milliseconds as a caller waits, the median of the runs."""
    store = storage.store
    table = Table("waiting, ms", "matches", "page", "page at half", "page after half", "count")
    for name, where in filters(SystemClock().now()).items():
        matches = await store.count(where)
        half = Page(offset=matches // 2)
        cursor = await store.list(where, evolve(half, limit=1))
        after = Page(after_id=cursor[0].start.id) if cursor else Page()
        pages = [await timed(runs, partial(store.list, where, page)) for page in (Page(), half, after)]
        counted = await timed(runs, partial(store.count, where))
        table.add_row(name, f"{matches:,}", *(f"{value:.1f}" for value in (*pages, counted)))
    for name, ask in (("models", store.models), ("clients", store.clients)):
        took = await timed(runs, partial(ask, initiator_id=None, prefix="", page=Page()))
        table.add_row(name, "", f"{took:.1f}", "", "", "")
    return table


async def measure(url: str, arguments: argparse.Namespace, console: Console) -> None:
    """Print both tables."""
    async with open_storage(url, clock=SystemClock(), owner="bench") as storage:
        if arguments.runs:
            console.print(await read(storage, arguments.runs))
        table = Table(*storage_recording.HEADINGS)
        for concurrent in (1, 50, 500):
            count = arguments.requests if concurrent > 1 else arguments.requests // 10
            runs = [await storage_recording.record(storage, concurrent, count) for _ in range(arguments.rounds)]
            table.add_row(*storage_recording.row(concurrent, runs))
        console.print(table)


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--interceptions", type=int, default=100_000, help="that are there already; 0 for none")
    parser.add_argument("--runs", type=int, default=11, help="of each query; 0 to measure recording alone")
    parser.add_argument("--requests", type=int, default=10_000, help="recorded in a round; one at a time, a tenth")
    parser.add_argument("--rounds", type=int, default=3, help="of recording at each concurrency")
    parser.add_argument("--database", type=Path, help="SQLite file to use, and to keep; built if it is missing")
    parser.add_argument("--postgres", action="store_true", help="start a PostgreSQL for this run")
    parser.add_argument("--database-url", help="PostgreSQL database to use, and to keep; filled if it is empty")
    arguments = parser.parse_args()
    console = Console(width=120)
    console.print(machine())
    with tempfile.TemporaryDirectory(prefix="aibridge-bench-") as folder:
        if arguments.postgres:
            with storage_postgres.server() as url:
                main_postgres(url, arguments, console)
        elif arguments.database_url:
            main_postgres(arguments.database_url, arguments, console)
        else:
            main_sqlite(arguments.database or Path(folder) / "bench.db", arguments, console)
    console.print(f"load average at the end: {os.getloadavg()[0]:.1f}")


def main_sqlite(file: Path, arguments: argparse.Namespace, console: Console) -> None:
    """A file."""
    if arguments.interceptions and not file.exists():
        begin = time.perf_counter()
        build(file, arguments.interceptions)
        size = file.stat().st_size / 1e6
        console.print(f"built {arguments.interceptions:,} in {time.perf_counter() - begin:.0f} s, {size:,.0f} MB")
    asyncio.run(measure(f"sqlite:///{file}", arguments, console))


def main_postgres(url: str, arguments: argparse.Namespace, console: Console) -> None:
    """The same for a PostgreSQL database, and where the server's time goes."""
    if storage_postgres.is_empty(url) and arguments.interceptions:
        begin = time.perf_counter()
        size = storage_postgres.build(url, arguments.interceptions)
        console.print(f"built {arguments.interceptions:,} in {time.perf_counter() - begin:.0f} s, {size:,.0f} MB")
    if arguments.runs:
        table = Table("EXPLAIN ANALYZE totals, ms", "page", "page at half", "count")
        for name, where in filters(SystemClock().now()).items():
            page, counted = asyncio.run(storage_postgres.server_time(url, where, Page()))
            deep, _ = asyncio.run(storage_postgres.server_time(url, where, Page(offset=half_of(url, where))))
            table.add_row(name, f"{page:.1f}", f"{deep:.1f}", f"{counted:.1f}")
        console.print(table)
    asyncio.run(measure(url, arguments, console))


def half_of(url: str, where: InterceptionFilter) -> int:
    """Half of how many match."""

    async def half() -> int:
        async with open_storage(url, clock=SystemClock(), owner="bench") as storage:
            return await storage.store.count(where) // 2

    return asyncio.run(half())


def machine() -> str:
    """Where and when this was measured, and how busy it was."""
    day = datetime.now(UTC).date().isoformat()  # noqa: TID251
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return f"{day}, {system}, SQLite {sqlite3.sqlite_version}; load average at the start: {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
