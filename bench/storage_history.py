"""A trail as a company's coding agents leave it, for the bench of the storage.

Belongs here: plausible interceptions, and writing very many of them fast. Never: measuring.
"""

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from attrs import frozen

from aibridge_adapters.clock import SystemClock, new_id
from aibridge_adapters.storage.rows import (
    END_COLUMNS,
    RECORD_TABLES,
    START_COLUMNS,
    end_row,
    record_row,
    start_row,
)
from aibridge_adapters.storage.spans import DAY
from aibridge_adapters.storage.sqlite import call_index, create_schema
from aibridge_adapters.storage.sqlite.files import connect_writer
from aibridge_core.actors import Actor, CredentialKind
from aibridge_core.records import (
    Fact,
    InterceptionEnded,
    InterceptionStart,
    ModelThought,
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


def a_sample(dice: random.Random, started_at: datetime, session: int, *, answers: str | None = None) -> Sample:
    """As agents make them: few people make most, most requests call tools.

    `answers`: the id of the tool call whose result the request carries.
    """
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
        correlating_tool_call_id=answers,
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


def agents(dice: random.Random, now: Callable[[], datetime], number: int, requests: int) -> list[list[Sample]]:
    """So many agents and what each does, one request after the other, so many in all.

    They take turns, so that ids rise with time, as they do. Sessions have 20 requests; each carries the result of the
    last tool call of the one before it, if that made any.
    """
    work: list[list[Sample]] = [[] for _ in range(number)]
    sessions = [0] * number
    for request in range(requests):
        agent, turn = request % number, request // number
        if turn % 20 == 0:
            sessions[agent] = dice.getrandbits(40)
        answers = _last_call(work[agent][-1]) if turn % 20 else None
        work[agent].append(a_sample(dice, now(), sessions[agent], answers=answers))
    return work


def _last_call(sample: Sample) -> str | None:
    return next((fact.tool_call_id for fact in reversed(sample.facts) if isinstance(fact, ToolUsage)), None)


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
            connection.executemany(query, (record_row(record) for record in found))
        connection.execute("COMMIT")
    call_index.fill(connection, call_index.last(connection), at_once=count * 10)
    # The triggers count what is settled; these rows never were fresh.
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
