"""What limits that replicas share cost a request: `python bench/shared_limits.py [--url postgresql://...]`.

Belongs here: the way in of several replicas in one process, and a real PostgreSQL; no HTTP. Without a URL it starts the
server of the tests, with its files on a disk that isn't flushed: no question waits for one anyway.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from attrs import frozen

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from aibridge_adapters.admission import SharedAdmission, Terms
from aibridge_adapters.clock import SystemClock, new_id
from aibridge_adapters.storage import open_storage
from aibridge_core.admission import Admission, OwnLimits
from aibridge_core.limits import Bounds, Gate, Limits
from support.postgres import running_server

GENEROUS = Bounds(rps=1_000_000, concurrent=1_000_000)
LIMITS = Limits(together=GENEROUS, per_user=GENEROUS)
USERS = 100
SECONDS = 3.0


@frozen
class Load:
    """How many ask."""

    name: str
    replicas: int
    callers: int
    """At once, of each replica."""
    pause: float
    """Of each caller after each request, in seconds."""


LOADS = (
    Load("one at a time", 1, 1, 0.0),
    Load("four replicas, one at a time each", 4, 1, 0.0),
    Load("four replicas, 50 requests a second each", 4, 10, 0.2),
    Load("four replicas, 16 at once each", 4, 16, 0.0),
)


async def _call(admission: Admission, pause: float, until: float, taken: list[float]) -> None:
    number = 0
    while (began := time.perf_counter()) < until:
        number += 1
        with await admission.admit(f"user-{number % USERS}"):
            taken.append(time.perf_counter() - began)
        await asyncio.sleep(pause)


async def _measure(admissions: Sequence[Admission], load: Load) -> str:
    taken: list[float] = []
    cpu, until = time.process_time(), time.perf_counter() + SECONDS
    async with asyncio.TaskGroup() as tasks:
        for admission in admissions:
            for _ in range(load.callers):
                tasks.create_task(_call(admission, load.pause, until, taken))
    cpu = (time.process_time() - cpu) / len(taken) * 1e6
    taken.sort()
    median, high = statistics.median(taken) * 1e3, taken[int(len(taken) * 0.99)] * 1e3
    return f"{load.name:42} {len(taken) / SECONDS:8.0f} {median:9.3f} {high:9.3f} {cpu:9.0f}"


@asynccontextmanager
async def _replicas(url: str, count: int) -> AsyncIterator[Sequence[SharedAdmission]]:
    """As a gateway runs them, without its housekeeping."""
    terms = Terms(limits=LIMITS, timeout=5.0, refuses=True, lease=60.0)
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(count):
            storage = await stack.enter_async_context(open_storage(url, clock=SystemClock(), owner=new_id()))
            await storage.leases.renew(SystemClock().now())
            assert storage.shared_limits
            found.append(SharedAdmission(terms, storage.shared_limits, SystemClock()))
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(each.run()) for each in found]
            yield found
            for task in running:
                task.cancel()


async def _run(url: str) -> None:
    print(f"{'':42} {'requests/s':>8} {'median ms':>9} {'p99 ms':>9} {'CPU us':>9}")
    print(await _measure([OwnLimits(Gate(LIMITS), SystemClock())], Load("not shared", 1, 1, 0.0)))
    for load in LOADS:
        async with _replicas(url, load.replicas) as admissions:
            print(await _measure(admissions, load))
            questions = sum(each.counters.questions for each in admissions)
            print(f"    {sum(each.counters.requests for each in admissions) / questions:.1f} requests a question")


def main() -> int:
    """Print a table; the CPU is this process's, of all replicas together, for each request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="an empty database; its schema is made")
    url = parser.parse_args().url
    if url:
        asyncio.run(_run(url))
        return 0
    with running_server() as server:
        server.create("bench")
        asyncio.run(_run(server.url("bench")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
