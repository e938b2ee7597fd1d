"""How fast the trail is written and read: `python bench/storage.py --interceptions 1000000`.

Builds a database of that many interceptions with their records (rows written straight into the adapter's own schema),
then prints what pages, counts and names cost, as milliseconds of server time, and what recording costs. The file is
made in a temporary folder and removed at the end, unless `--database` names one.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path

from attrs import evolve, frozen
from rich.console import Console
from rich.table import Table

from aibridge_adapters.clock import SystemClock, new_id
from aibridge_adapters.storage import Storage, open_storage
from aibridge_adapters.storage.sqlite import create_schema
from aibridge_adapters.storage.sqlite.counts import DAY
from aibridge_adapters.storage.sqlite.files import connect_writer
from aibridge_adapters.storage.sqlite.rows import (
    END_COLUMNS,
    RECORD_TABLES,
    START_COLUMNS,
    end_row,
    record_row,
    start_row,
)
from aibridge_core.actors import Actor, CredentialKind
from aibridge_core.records import (
    Fact,
    InterceptionEnded,
    InterceptionFilter,
    InterceptionStart,
    ModelThought,
    Page,
    PromptUsage,
    Record,
    Status,
    TokenUsage,
    ToolUsage,
)

DAYS = 60
PEOPLE = 500
KINDS = (
    # weight, client, provider type, provider name, models
    (40, "Claude Code", "anthropic", "anthropic", ("claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-5")),
    (10, "Claude Code", "anthropic", "anthropic-eu", ("claude-sonnet-4-5", "claude-opus-4-5")),
    (20, "Codex", "openai", "openai", ("gpt-5-codex", "gpt-5")),
    (12, "GitHub Copilot (VS Code)", "openai", "openai", ("gpt-5", "gpt-5-mini", "gpt-4.1")),
    (8, "Cursor", "openai", "openrouter", ("claude-sonnet-4-5", "grok-code", "qwen3-coder")),
    (6, "Zed", "anthropic", "anthropic", ("claude-sonnet-4-5",)),
    (3, "OpenCode", "openai", "openrouter", ("kimi-k2", "glm-4.6", "qwen3-coder")),
    (1, "Unknown", "openai", "local", ("llama-4",)),
)
OUTCOMES = ((95, Status.COMPLETED), (3, Status.FAILED), (2, Status.CANCELLED))
METADATA = {
    "request_user_agent": "claude-cli/2.0.67 (external, cli)",
    "anthropic_beta": "claude-code-20250219,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14",
    "stainless_os": "Linux",
}


def person(number: int) -> Actor:
    """One of the people, always the same for a number."""
    return Actor(id=f"{number:08x}-0000-4000-8000-{number:012x}", username=f"user{number}", name=f"User {number}")


@frozen
class Sample:
    """One interception with everything about it."""

    start: InterceptionStart
    facts: tuple[Fact, ...]
    status: Status


def a_sample(dice: random.Random, started_at: datetime, session: int) -> Sample:
    """As agents make them: few people make most, most requests carry tool results and call tools."""
    number = min(int(dice.paretovariate(0.7)) - 1, PEOPLE - 1) if dice.random() < 0.5 else dice.randrange(PEOPLE)
    taste = random.Random(number)
    kinds = taste.choices(KINDS, [kind[0] for kind in KINDS], k=2)
    _, client, provider, provider_name, models = dice.choice(kinds)
    start = InterceptionStart(
        id=new_id(),
        initiator=person(number),
        provider=provider,
        provider_name=provider_name,
        model=dice.choice(models),
        client=client,
        client_session_id=f"session-{session}",
        user_agent=METADATA["request_user_agent"],
        credential_kind=CredentialKind.CENTRALIZED,
        credential_hint="sk-a...wxyz",
        streaming=True,
        started_at=started_at,
        metadata=METADATA,
    )
    tools = [
        ToolUsage(
            response_id="msg_01",
            tool="Read",
            tool_call_id=f"toolu_{dice.getrandbits(64):x}",
            arguments='{"file_path": "/home/user/project/src/module/file.py", "limit": 200}',
        )
        for _ in range(dice.choice((0, 1, 1, 2, 3)))
    ]
    usage = TokenUsage(response_id="msg_01", input_tokens=12, output_tokens=345, cache_read_input_tokens=45_678)
    prompts = [PromptUsage(response_id="msg_01", prompt="Please look at this and mend it. " * 6)] * (
        dice.random() < 0.3
    )
    thoughts = [ModelThought(response_id="msg_01", content="Let me see what happens here. " * 12)] * (
        dice.random() < 0.4
    )
    status = dice.choices([status for _, status in OUTCOMES], [weight for weight, _ in OUTCOMES])[0]
    return Sample(start, (usage, *prompts, *tools, *thoughts), status)


def history(count: int) -> Iterator[Sample]:
    """So many interceptions, evenly over the days before now."""
    dice, now = random.Random(1), SystemClock().now()
    step = timedelta(days=DAYS) / count
    for number in range(count):
        session = number // 400 * 20 + dice.randrange(20)
        yield a_sample(dice, now - step * (count - number), session)


def records_of(sample: Sample) -> list[Record]:
    """The facts, stamped."""
    at = sample.start.started_at
    return [Record(id=new_id(), interception_id=sample.start.id, created_at=at, fact=fact) for fact in sample.facts]


def build(file: Path, count: int) -> None:
    """Write the history, in large transactions and without waiting for the disk."""
    create_schema(file, SystemClock())
    connection = connect_writer(file)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -262144")
    columns = (*START_COLUMNS, "session_id", "owner", *END_COLUMNS[1:5])
    insert = f"INSERT INTO interceptions ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    samples = history(count)
    while batch := list(islice(samples, 20_000)):
        connection.execute("BEGIN")
        connection.executemany(insert, (interception_row(sample) for sample in batch))
        for kind, table in RECORD_TABLES.items():
            names = table.all_columns
            query = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
            found = (record for sample in batch for record in records_of(sample) if isinstance(record.fact, kind))
            connection.executemany(query, (record_row(table, record) for record in found))
        connection.execute("COMMIT")
    # The triggers count what ends; these rows never were in flight.
    kinds = "provider, provider_name, model, client, status"
    for table, key in (("daily_counts", "day"), ("initiator_daily_counts", "initiator_id, day")):
        connection.execute(
            f"INSERT INTO {table} ({key}, {kinds}, n) "
            f"SELECT {key.replace('day', f'started_at / {DAY}')}, {kinds}, count(*) FROM interceptions "
            f"GROUP BY {key.replace('day', f'started_at / {DAY}')}, {kinds}"
        )
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def interception_row(sample: Sample) -> tuple[object, ...]:
    """A whole row: as the recorder would have written it after the end."""
    ended = InterceptionEnded(
        id=sample.start.id, ended_at=sample.start.started_at + timedelta(seconds=9), status=sample.status
    )
    return (*start_row(sample.start), sample.start.client_session_id, "bench", *end_row(ended)[1:5])


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


async def measure(file: Path, runs: int, seconds: float, console: Console) -> None:
    """Print both tables."""
    async with open_storage(f"sqlite:///{file}", clock=SystemClock(), owner="bench") as storage:
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
    parser.add_argument("--database", type=Path, help="file to use, and to keep; built if it is missing")
    arguments = parser.parse_args()
    console = Console(width=120)
    with tempfile.TemporaryDirectory(prefix="aibridge-bench-") as folder:
        file: Path = arguments.database or Path(folder) / "bench.db"
        if not file.exists():
            begin = time.perf_counter()
            build(file, arguments.interceptions)
            size = file.stat().st_size / 1e6
            console.print(f"built {arguments.interceptions:,} in {time.perf_counter() - begin:.0f} s, {size:,.0f} MB")
        asyncio.run(measure(file, arguments.runs, arguments.seconds, console))


if __name__ == "__main__":
    main()
