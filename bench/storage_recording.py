"""What recording costs: how long a start waits, how many records a second, and CPU time for each.

Belongs here: the load, and measuring it. Never: what an interception looks like (storage_history.py), tables.
"""

import asyncio
import random
import statistics
import time
from datetime import timedelta

from attrs import frozen
from storage_history import Sample, agents, records_of

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.memory import settle_memory
from aibridge_adapters.storage import Storage
from aibridge_core.records import InterceptionEnded, InterceptionStart, Record

_DICE = random.Random(2)
"""One for all runs, so that ids of tool calls and sessions don't come again."""


@frozen(kw_only=True)
class Recorded:
    """One run. A start and an end count as a record each."""

    begins: list[float]
    """How long each start took to be durable, in milliseconds, in ascending order."""
    rate: float
    """Records a second."""
    cpu: float
    """User and system time of this process for each record, in microseconds: the event loop with one task for each
    request, and the writer's thread if there is one. Not the database server's."""

    def percentile(self, part: float) -> float:
        """E.g. 0.99; in milliseconds."""
        return self.begins[min(len(self.begins) - 1, int(len(self.begins) * part))]


async def record(storage: Storage, concurrent: int, count: int) -> Recorded:
    """Record `count` interceptions, `concurrent` at once: start, records in one piece as the relay has them, end."""
    work = agents(_DICE, SystemClock().now, concurrent, count)
    stamped = [[(sample.start, records_of(sample), _end_of(sample)) for sample in agent] for agent in work]
    records = sum(2 + len(found) for agent in stamped for _, found, _ in agent)
    begins, recorder = list[float](), storage.recorder
    settle_memory()  # as the server does

    async def requests(agent: list[tuple[InterceptionStart, list[Record], InterceptionEnded]]) -> None:
        for start, found, ended in agent:
            begin = time.perf_counter()
            await recorder.begin(start)
            begins.append((time.perf_counter() - begin) * 1000)
            if found:
                await recorder.record(found)
            await recorder.end(ended)

    wall, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for agent in stamped:
            tasks.create_task(requests(agent))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Recorded(begins=sorted(begins), rate=records / wall, cpu=cpu / records * 1e6)


def _end_of(sample: Sample) -> InterceptionEnded:
    """Made beforehand, like everything that recording is given."""
    ended_at = sample.start.started_at + timedelta(seconds=9)
    return InterceptionEnded(id=sample.start.id, ended_at=ended_at, status=sample.status)


def row(concurrent: int, runs: list[Recorded]) -> tuple[str, ...]:
    """For the table: medians of the runs, and the lowest CPU time, which other programs trouble least."""
    each = [(run.percentile(0.5), run.percentile(0.99), run.rate, run.cpu) for run in runs]
    p50, p99, rate, cpu = (statistics.median(values) for values in zip(*each, strict=True))
    lowest = min(run.cpu for run in runs)
    return str(concurrent), f"{p50:.2f}", f"{p99:.2f}", f"{rate:,.0f}", f"{cpu:.1f}", f"{lowest:.1f}"


HEADINGS = ("recording, concurrent", "start p50 ms", "start p99 ms", "records/s", "CPU us a record", "lowest")
