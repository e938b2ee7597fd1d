"""Bench of a purge: what it costs the requests that are recorded meanwhile.

    python bench/retention.py --interceptions 2000000 --purge 1000000 --seconds 3600 --postgres
    python bench/retention.py --interceptions 20000 --purge 10000 --piece 2         a quick look, on SQLite

Fills a database with a history of interceptions and records new ones at a steady rate: for some seconds alone, for some
beside a purge that removes the oldest, and so on in turns. Prints how long the start of an interception took, which is
what a request waits for, and the end, which is what the last piece of an answer waits for. A file is made in a
temporary folder; `--postgres` starts a server instead, and `--database-url` names one: it is filled if it is empty.
"""

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import anyio
import storage_postgres
from attrs import Factory, define
from rich.console import Console
from rich.table import Table
from storage import machine
from storage_history import DAYS, a_sample, build, records_of

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.retention import Purge
from aibridge_adapters.storage import Storage, open_storage
from aibridge_core.records import InterceptionEnded
from aibridge_core.retention import Outcome, RetentionPolicy, RunReport


@define
class Load:
    """Interceptions at a steady rate, whatever becomes of those before; times in milliseconds."""

    storage: Storage
    rate: float
    begins: list[float] = Factory(list)
    ends: list[float] = Factory(list)
    dice: random.Random = Factory(lambda: random.Random(3))
    clock: SystemClock = Factory(SystemClock)

    async def run(self, stop: anyio.Event, tasks: anyio.abc.TaskGroup) -> None:
        """Start one after the other, at the moments that the rate says."""
        begun, count = time.perf_counter(), 0
        while not stop.is_set():
            tasks.start_soon(self.one, count)
            count += 1
            await anyio.sleep(max(0.0, begun + count / self.rate - time.perf_counter()))

    async def one(self, number: int) -> None:
        """A request: start, some time for the answer, records, end."""
        sample = a_sample(self.dice, self.clock.now(), number // 20)
        begin = time.perf_counter()
        await self.storage.recorder.begin(sample.start)
        self.begins.append((time.perf_counter() - begin) * 1000)
        await anyio.sleep(self.dice.uniform(0.1, 0.5))
        records, end = records_of(sample), time.perf_counter()
        await self.storage.recorder.record(records)
        await self.storage.recorder.end(
            InterceptionEnded(id=sample.start.id, ended_at=self.clock.now(), status=sample.status)
        )
        self.ends.append((time.perf_counter() - end) * 1000)


async def during(load: Load, work: Callable[[], Awaitable[None]]) -> None:
    """The load for as long as `work` takes."""
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(load.run, stop, tasks)
        await work()
        stop.set()


@define
class Purging:
    """A purge in pieces, so that times with and without it come in turns: what else this machine does hits both."""

    purge: Purge
    policy: RetentionPolicy
    piece: float
    reports: list[RunReport] = Factory(list)

    async def go_on(self) -> None:
        """One piece."""
        self.reports.append(await self.purge.run(self.policy, budget=self.piece))

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return bool(self.reports) and self.reports[-1].outcome is not Outcome.OUT_OF_TIME

    @property
    def removed(self) -> int:
        """Interceptions."""
        return sum(report.deleted + report.erased for report in self.reports)

    @property
    def seconds(self) -> float:
        """Of all pieces."""
        return sum(report.seconds for report in self.reports)


def percentile(times: list[float], part: float) -> float:
    """E.g. 0.99."""
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


def row(name: str, times: list[float]) -> tuple[str, ...]:
    """For the table."""
    spread = [percentile(times, part) for part in (0.5, 0.9, 0.99, 0.999)]
    return name, f"{len(times):,}", *(f"{value:.2f}" for value in (*spread, max(times)))


async def measure(url: str, arguments: argparse.Namespace, console: Console) -> None:
    """Measure with and without, in turns; print."""
    period = DAYS * 86_400.0 * (1 - arguments.purge / arguments.interceptions)
    policy = RetentionPolicy(interceptions=0.0 if arguments.contents else period, contents=arguments.contents * period)
    async with open_storage(url, clock=SystemClock(), owner="bench") as storage:
        assert storage.retention is not None
        purging = Purging(Purge(storage.retention, storage.store, SystemClock()), policy, arguments.piece)
        without, beside = Load(storage, arguments.rate), Load(storage, arguments.rate)
        end = time.perf_counter() + arguments.seconds
        while not purging.done and time.perf_counter() < end:
            await during(without, partial(anyio.sleep, arguments.alone or arguments.piece))
            await during(beside, purging.go_on)
    table = Table(f"{arguments.rate:g} requests/s", "times", "p50 ms", "p90", "p99", "p99.9", "max")
    table.add_row(*row("begin, alone", without.begins))
    table.add_row(*row("begin, beside the purge", beside.begins))
    table.add_row(*row("end, alone", without.ends))
    table.add_row(*row("end, beside the purge", beside.ends))
    console.print(table)
    removed, seconds = purging.removed, purging.seconds
    factor = percentile(beside.begins, 0.99) / percentile(without.begins, 0.99)
    console.print(f"purge: {removed:,} in {seconds:.0f} s, {removed / seconds:,.0f}/s; p99 of begin x {factor:.2f}")


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--interceptions", type=int, default=100_000)
    parser.add_argument("--purge", type=int, default=50_000, help="how many of them are due")
    parser.add_argument("--contents", action="store_true", help="erase contents instead of deleting interceptions")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=120.0, help="of measuring, at most")
    parser.add_argument(
        "--piece", type=float, default=10.0, help="seconds beside the purge, in turns with seconds alone"
    )
    parser.add_argument(
        "--alone", type=float, default=0.0, help="seconds alone in each turn; as --piece if it isn't given"
    )
    parser.add_argument("--postgres", action="store_true", help="start a PostgreSQL for this run")
    parser.add_argument("--database-url", help="PostgreSQL database to use, and to keep; filled if it is empty")
    arguments = parser.parse_args()
    console = Console(width=120)
    console.print(machine())
    with ExitStack() as stack:
        url = arguments.database_url or (stack.enter_context(storage_postgres.server()) if arguments.postgres else "")
        file = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aibridge-bench-"))) / "bench.db"
        begin = time.perf_counter()
        if not url:
            build(file, arguments.interceptions)
        elif storage_postgres.is_empty(url):
            storage_postgres.build(url, arguments.interceptions)
        console.print(f"{arguments.interceptions:,} interceptions are there after {time.perf_counter() - begin:.0f} s")
        asyncio.run(measure(url or f"sqlite:///{file}", arguments, console))
    console.print(f"load average at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
