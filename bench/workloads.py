"""What is asked of each process, and what is measured meanwhile.

Belongs here: the table of workloads, and a measurement of one of them. Never: comparing or printing.
"""

import asyncio
import statistics

from attrs import evolve, field, frozen
from load import Load, request
from processes import TOKEN, Process


@frozen(kw_only=True)
class Workload:
    """Requests of one kind."""

    name: str
    size: int
    """Of the request body, in bytes."""
    concurrency: int
    count: int
    """Requests in one measurement."""
    events: int = 0
    """Of each answer; 0 means one JSON object of 2 KB."""
    gap: float = 0
    """Milliseconds between two events."""
    per_event: bool = False
    """Whether CPU time is given per event instead of per request."""

    @property
    def data(self) -> bytes:
        query = f"events={self.events}&gap_ms={self.gap}" if self.events else ""
        return request(self.size, streaming=bool(self.events), token=TOKEN, query=query)

    def quick(self) -> "Workload":
        """The same, smaller."""
        if self.gap:
            return evolve(self, events=100)
        return evolve(self, count=max(self.concurrency, self.count // 4))


KB = 1000
WORKLOADS = (
    Workload(name="blocking, 1 at a time", size=20 * KB, concurrency=1, count=400),
    Workload(name="blocking, 10 at a time", size=20 * KB, concurrency=10, count=1000),
    Workload(name="blocking, 50 at a time", size=20 * KB, concurrency=50, count=1500),
    Workload(name="blocking, 500 at a time", size=20 * KB, concurrency=500, count=2500),
    Workload(name="flat stream, 4 at a time", size=100 * KB, concurrency=4, count=120, events=300),
    Workload(
        name="paced stream, 10 at a time", size=100 * KB, concurrency=10, count=10, events=300, gap=20, per_event=True
    ),
)
OPEN_STREAMS = Workload(name="500 open streams", size=100 * KB, concurrency=500, count=500, events=8, gap=1000)
STEADY = Workload(name="steady load", size=20 * KB, concurrency=50, count=50_000)


@frozen(kw_only=True)
class Measured:
    """One workload on one process. Times in microseconds."""

    cpu: float
    """Per request or event, user and system."""
    first_byte: float
    """Median."""
    delay: float | None = field(default=None)
    """Median of the paced events."""
    delay_p99: float | None = None


async def measure(workload: Workload, process: Process) -> Measured:
    """Warm up, then measure."""
    load = Load(process.port, workload.data, concurrency=workload.concurrency)
    await load.connect()
    if not workload.gap:
        await load.run(workload.concurrency)
        load.timings.clear()
    before = process.cpu()
    await load.run(workload.count)
    spent = process.cpu() - before
    load.close()
    units = workload.count * (workload.events if workload.per_event else 1)
    delays = sorted(load.timings.delay)
    return Measured(
        cpu=spent / units * 1e6,
        first_byte=statistics.median(load.timings.first_byte) * 1e6,
        delay=statistics.median(delays) * 1e6 if delays else None,
        delay_p99=delays[int(len(delays) * 0.99)] * 1e6 if delays else None,
    )


async def peak_memory(workload: Workload, process: Process) -> float:
    """Highest resident memory, in MiB, while all streams of a workload are open."""
    load = Load(process.port, workload.data, concurrency=workload.concurrency)
    await load.connect()
    running = asyncio.ensure_future(load.run(workload.count))  # noqa: TID251
    highest = 0.0
    while not running.done():
        highest = max(highest, process.memory())
        await asyncio.wait([running], timeout=0.2)
    await running
    load.close()
    return highest


async def memory_over_time(workload: Workload, process: Process, *, samples: int = 5) -> list[float]:
    """Resident memory, in MiB, after each fifth of the requests."""
    load = Load(process.port, workload.data, concurrency=workload.concurrency)
    await load.connect()
    found = []
    for _ in range(samples):
        await load.run(workload.count // samples)
        found.append(process.memory())
    load.close()
    return found
