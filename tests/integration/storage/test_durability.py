"""What was promised stands in the file: after a kill, beside other processes, and for other programs."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from textwrap import dedent

import anyio
import pytest

from aibridge_adapters.storage import open_storage
from aibridge_adapters.storage.sqlite import open_sqlite
from aibridge_core.records import InterceptionFilter, Page, PromptUsage, Status
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.contract.base import completed, read
from aibridge_core.testing.samples import FACTS, Samples

pytestmark = pytest.mark.anyio

GATEWAY = dedent(
    """
    import anyio, sys
    from aibridge_adapters.storage import open_storage
    from aibridge_core.testing.clock import FakeClock
    from aibridge_core.testing.samples import FACTS, Samples

    async def main():
        samples = Samples()
        async with open_storage(sys.argv[1], clock=FakeClock(), owner="killed") as storage:
            await storage.leases.renew(samples.clock.now())
            done, running = samples.start(), samples.start()
            await storage.recorder.begin(done)
            await storage.recorder.record([samples.record(done, fact) for fact in FACTS])
            await storage.recorder.end(samples.ended(done))
            await storage.recorder.begin(running)
            print(done.id, running.id, flush=True)
            await anyio.sleep_forever()

    anyio.run(main)
    """
)

COMMAND_LINE = dedent(
    """
    import anyio, sys
    from datetime import datetime, UTC
    from aibridge_adapters.storage import open_storage
    from aibridge_core.identity import User
    from aibridge_core.testing.clock import FakeClock

    async def main():
        async with open_storage(sys.argv[1], clock=FakeClock(), owner="command line") as storage:
            for number in range(50):
                user = User(id=f"id {number}", username=f"user{number}", created_at=datetime(2026, 1, 1, tzinfo=UTC))
                await storage.identity.add_user(user)

    anyio.run(main)
    """
)


@pytest.fixture
def url(tmp_path):
    """A database of this test's own."""
    return f"sqlite:///{tmp_path}/aibridge.db"


def opened(url, owner="gateway-1"):
    """The storage at that URL."""
    return open_storage(url, clock=FakeClock(), owner=owner)


async def test_a_killed_process(url):
    """After kill -9, all that was answered for is there, and what was in flight is interrupted by the next process."""
    with subprocess.Popen([sys.executable, "-c", GATEWAY, url], stdout=subprocess.PIPE, text=True) as process:
        done_id, running_id = process.stdout.readline().split()
        os.kill(process.pid, signal.SIGKILL)
    async with opened(url) as storage:
        done = await storage.store.get(done_id)
        assert (done.status, [record.fact for record in done.records]) == (Status.COMPLETED, list(FACTS))
        assert (await storage.store.get(running_id)).status is Status.IN_FLIGHT
        assert await storage.leases.interrupt_orphans(Samples().clock.turn(60), older_than=30.0) == 1
        assert (await storage.store.get(running_id)).status is Status.INTERRUPTED


async def test_a_command_line_beside_a_gateway(url):
    """Another process adds users while the gateway writes; neither fails, and each sees the other's work."""
    samples = Samples()
    async with opened(url) as storage:
        with subprocess.Popen([sys.executable, "-c", COMMAND_LINE, url]) as process:
            number = 0
            while process.poll() is None:
                await completed(storage, samples)
                number += 1
        assert process.returncode == 0
        assert len(await storage.identity.users()) == 50
        assert await storage.store.count(InterceptionFilter(status=Status.COMPLETED)) == number


async def test_readers_do_not_stop_the_writer(url):
    """A program that reads for long neither blocks recording nor sees half of it."""
    samples = Samples()
    async with opened(url) as storage:
        await completed(storage, samples)
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as reader:
            reader.execute("BEGIN")
            before = reader.execute("SELECT count(*) FROM interceptions").fetchone()
            await completed(storage, samples)
            assert reader.execute("SELECT count(*) FROM interceptions").fetchone() == before == (1,)
        assert await storage.store.count(InterceptionFilter()) == 2


async def test_the_tables_speak_sql(url):
    """An auditor's SQL finds every fact in a column of its own."""
    samples = Samples()
    start = samples.start(client_session_id="session 7")
    async with opened(url) as storage:
        await storage.recorder.begin(start)
        await storage.recorder.record([samples.record(start, fact) for fact in FACTS])
        await storage.recorder.end(samples.ended(start))
    query = """
        SELECT initiator_username, session_id, status, prompt, input_tokens,
            json_extract(extra, '$.web_search_requests'), tool, input, content,
            datetime(started_at / 1000000, 'unixepoch')
        FROM interceptions AS i
        JOIN user_prompts AS p ON p.interception_id = i.id
        JOIN token_usages AS t ON t.interception_id = i.id
        JOIN tool_usages AS u ON u.interception_id = i.id
        JOIN model_thoughts AS m ON m.interception_id = i.id
    """
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        rows = connection.execute(query).fetchall()
    prompt, tokens, tool, thought = FACTS
    at = start.started_at.strftime("%Y-%m-%d %H:%M:%S")
    assert rows == [
        ("ann", "session 7", "completed", prompt.prompt, 1200, 2, tool.tool, tool.arguments, thought.content, at)
    ]
    assert tokens.input_tokens == 1200


async def test_deleting_with_sql_keeps_counts_right(url):
    """Whoever deletes interceptions, with whatever program, takes their records along, and counts follow."""
    samples = Samples()
    async with opened(url) as storage:
        kept = await completed(storage, samples, model="kept")
        gone = samples.start(model="gone")
        await storage.recorder.begin(gone)
        await storage.recorder.record([samples.record(gone, fact) for fact in FACTS])
        await storage.recorder.end(samples.ended(gone))
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute("DELETE FROM interceptions WHERE model = 'gone'")
            tables = ("user_prompts", "token_usages", "tool_usages", "model_thoughts")
            assert [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables] == [(0,)] * 4
        assert await storage.store.count(InterceptionFilter()) == 1
        assert await storage.store.count(InterceptionFilter(initiator_id=gone.initiator.id)) == 1
        assert list(await storage.store.models(initiator_id=None, prefix="", page=Page())) == ["kept"]
        assert await read(storage, kept.start) == kept


async def test_closing_writes_what_waits(url):
    """What was handed over without waiting is in the file when the storage is closed."""
    samples = Samples()
    starts = [samples.start() for _ in range(200)]
    async with opened(url) as storage:
        async with anyio.create_task_group() as tasks:
            for start in starts:
                tasks.start_soon(storage.recorder.begin, start)
        for start in starts:
            await storage.recorder.record([samples.record(start, PromptUsage(response_id="", prompt=start.id))])
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        found = connection.execute("SELECT interception_id, prompt FROM user_prompts").fetchall()
    assert sorted(found) == sorted((start.id, start.id) for start in starts)


async def test_every_list_uses_its_index(url):
    """No filter sorts or walks what it finds: SQLite's own plan says so. Only what is fresh is walked, and in order."""
    from aibridge_adapters.storage.sqlite import conditions, parts
    from aibridge_core.testing.contract.listing import FILTERS, crowd

    file = url.removeprefix("sqlite:///")
    async with open_sqlite(file, clock=FakeClock(), owner="gateway-1", settle_every=10) as storage:
        await crowd(storage, samples=Samples())
    with closing(sqlite3.connect(file)) as connection:
        for name, value in FILTERS:
            where = InterceptionFilter(**{name: value})
            wanted = conditions.of(where)
            pieces = parts.of(connection, where, wanted)
            values = [value for piece in pieces for value in piece.values]
            plan = connection.execute(f"EXPLAIN QUERY PLAN {parts.merged(pieces)}", (*values, 100, 0)).fetchall()
            steps = [step.replace("COVERING INDEX", "INDEX") for *_, step in plan if "interceptions" in step]
            by_kind = wanted.index == conditions.BY_KIND
            columns = " AND ".join(f"{label}=?" for label in conditions.LABELS) if by_kind else f"{name}=?"
            found = {piece.index: f"SEARCH interceptions USING INDEX {piece.index} ({columns})" for piece in pieces}
            found[conditions.FRESH] = f"SCAN interceptions USING INDEX {conditions.FRESH}"
            assert steps == [found[piece.index] for piece in pieces]
            # It may sort the right part of the order, which is what began in the same microsecond.
            assert "USE TEMP B-TREE FOR ORDER BY" not in [step for *_, step in plan]
