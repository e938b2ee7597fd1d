"""How fast the trail is written and read: `python bench/storage.py --interceptions 1000000`.

Builds a database of that many interceptions with their records (rows written straight into the adapter's own schema),
then prints what pages, counts and names cost, in milliseconds, and what recording costs. The file is made in a
temporary
folder and removed at the end, unless `--database` names one. `--database-url postgresql://...` measures a PostgreSQL
database instead, which is filled if it is empty; for it, the server's own account of its time is printed, too.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from attrs import evolve, frozen
from rich.console import Console
from rich.table import Table
from storage_history import a_sample, build, person, records_of

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.storage import Storage, open_storage
from aibridge_core.records import InterceptionEnded, InterceptionFilter, Page, Status


@frozen
class Timing:
    """Milliseconds of several runs."""

    name: str
    runs: list[float]
    found: int


async def timed(name: str, runs: int, action: Callable[[], Awaitable[int]]) -> Timing:
    """Run an action several times."""
    times, found = [], 0
    for _ in range(runs):
        begin = time.perf_counter()
        found = await action()
        times.append((time.perf_counter() - begin) * 1000)
    return Timing(name, times, found)


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


async def read(storage: Storage, runs: int) -> list[Timing]:
    """A page of 100 and its count for every filter, deep pages, and names."""
    store = storage.store
    timings = []

    async def page_and_count(where: InterceptionFilter, page: Page) -> int:
        await store.list(where, page)
        return await store.count(where)

    for name, where in filters(SystemClock().now()).items():
        timings.append(await timed(name, runs, partial(page_and_count, where, Page())))
    everything = InterceptionFilter()
    middle = await store.count(everything) // 2
    deep = Page(offset=middle)
    timings.append(await timed(f"everything, offset {middle}", runs, partial(page_and_count, everything, deep)))
    failed = InterceptionFilter(status=Status.FAILED)
    half_failed = Page(offset=await store.count(failed) // 2)
    timings.append(
        await timed(f"failed, offset {half_failed.offset}", runs, partial(page_and_count, failed, half_failed))
    )
    cursor = (await store.list(everything, evolve(deep, limit=1)))[0].start.id
    timings.append(
        await timed("everything, after_id", runs, partial(page_and_count, everything, Page(after_id=cursor)))
    )

    async def names(ask: Callable[..., Awaitable[object]], initiator_id: str | None) -> int:
        return len(await ask(initiator_id=initiator_id, prefix="", page=Page()))  # type: ignore[arg-type]

    for name, ask in (("models", store.models), ("clients", store.clients)):
        timings.append(await timed(name, runs, partial(names, ask, None)))
        timings.append(await timed(f"{name} of the busiest", runs, partial(names, ask, person(0).id)))
    return timings


async def record(storage: Storage, concurrent: int, seconds: float) -> tuple[list[float], float, float, int]:
    """Let so many requests at once begin, record and end for some seconds.

    Milliseconds of each `begin`, records a second, CPU microseconds a record (the making of the values included),
    and interceptions; a start and an end count as a record each.
    """
    dice, clock = random.Random(2), SystemClock()
    begins: list[float] = []
    count = 0
    until = time.perf_counter() + seconds

    async def requests(session: int) -> None:
        nonlocal count
        while time.perf_counter() < until:
            sample = a_sample(dice, clock.now(), session)
            begin = time.perf_counter()
            await storage.recorder.begin(sample.start)
            begins.append((time.perf_counter() - begin) * 1000)
            for each in records_of(sample):
                await storage.recorder.record([each])
            await storage.recorder.end(
                InterceptionEnded(id=sample.start.id, ended_at=clock.now(), status=sample.status)
            )
            count += 2 + len(sample.facts)

    wall, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for number in range(concurrent):
            tasks.create_task(requests(number))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return begins, count / wall, cpu / count * 1e6, len(begins)


def cost_of_samples() -> float:
    """CPU microseconds that making a record's value takes in this bench; no part of storage."""
    dice, now, count = random.Random(2), SystemClock().now(), 0
    begin = time.process_time()
    for _ in range(5_000):
        count += 2 + len(records_of(a_sample(dice, now, 1)))
    return (time.process_time() - begin) / count * 1e6


async def measure(url: str, runs: int, seconds: float, console: Console) -> None:
    """Print both tables."""
    async with open_storage(url, clock=SystemClock(), owner="bench") as storage:
        table = Table("list of 100 + count", "matches", "min ms", "median ms", "max ms")
        for timing in await read(storage, runs):
            spread = (min(timing.runs), statistics.median(timing.runs), max(timing.runs))
            table.add_row(timing.name, f"{timing.found:,}", *(f"{value:.1f}" for value in spread))
        console.print(table)
        table = Table("recording, concurrent", "begin p50 ms", "p99 ms", "max ms", "records/s", "CPU us a record")
        own = cost_of_samples()
        for concurrent in (1, 50, 500):
            begins, rate, cpu, _ = await record(storage, concurrent, seconds)
            begins.sort()
            p50, p99 = begins[len(begins) // 2], begins[int(len(begins) * 0.99)]
            row = (f"{p50:.2f}", f"{p99:.2f}", f"{begins[-1]:.2f}", f"{rate:,.0f}", f"{cpu - own:.0f}")
            table.add_row(str(concurrent), *row)
        console.print(table)


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--interceptions", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=11, help="runs of each query")
    parser.add_argument("--seconds", type=float, default=5.0, help="of recording at each concurrency")
    parser.add_argument("--database", type=Path, help="SQLite file to use, and to keep; built if it is missing")
    parser.add_argument("--database-url", help="PostgreSQL database to use, and to keep; filled if it is empty")
    arguments = parser.parse_args()
    console = Console(width=120)
    if arguments.database_url:
        main_postgres(arguments, console)
        return
    with tempfile.TemporaryDirectory(prefix="aibridge-bench-") as folder:
        file: Path = arguments.database or Path(folder) / "bench.db"
        if not file.exists():
            begin = time.perf_counter()
            build(file, arguments.interceptions)
            size = file.stat().st_size / 1e6
            console.print(f"built {arguments.interceptions:,} in {time.perf_counter() - begin:.0f} s, {size:,.0f} MB")
        asyncio.run(measure(f"sqlite:///{file}", arguments.runs, arguments.seconds, console))


def main_postgres(arguments: argparse.Namespace, console: Console) -> None:
    """The same for a PostgreSQL database, and where the server's time goes."""
    import storage_postgres  # noqa: PLC0415 - needs the extra `postgres`

    url = arguments.database_url
    if storage_postgres.is_empty(url):
        begin = time.perf_counter()
        size = storage_postgres.build(url, arguments.interceptions)
        console.print(f"built {arguments.interceptions:,} in {time.perf_counter() - begin:.0f} s, {size:,.0f} MB")
    table = Table("EXPLAIN totals, ms", "page", "page at half", "count")
    for name, where in filters(SystemClock().now()).items():
        page, counted = asyncio.run(storage_postgres.server_time(url, where, Page()))
        deep, _ = asyncio.run(storage_postgres.server_time(url, where, Page(offset=half_of(url, where))))
        table.add_row(name, f"{page:.1f}", f"{deep:.1f}", f"{counted:.1f}")
    console.print(table)
    asyncio.run(measure(url, arguments.runs, arguments.seconds, console))


def half_of(url: str, where: InterceptionFilter) -> int:
    """Half of how many match."""

    async def half() -> int:
        async with open_storage(url, clock=SystemClock(), owner="bench") as storage:
            return await storage.store.count(where) // 2

    return asyncio.run(half())


if __name__ == "__main__":
    main()
