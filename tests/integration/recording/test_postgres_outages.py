"""The whole gateway over HTTP while its PostgreSQL stops and starts, breaks connections, or says nothing."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from time import monotonic

import anyio
import httpx
import pytest

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.config import DatabaseSettings, RecordingSettings
from aibridge_adapters.storage import open_storage
from aibridge_core.records import Interception, InterceptionFilter, Page, Status
from integration.postgres.opening import raw
from integration.recording.conversation import BODY, END, MESSAGES, START, Paused, at_once
from integration.recording.load import COMPLETE, asking, complete, provider
from support.faulty_way import faulty_way
from support.postgres import Server
from support.raw_upstream import RawUpstream, raw_upstream
from support.running import Running, running_gateway

pytestmark = pytest.mark.anyio

STREAMS = 20
KILL = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'aibridge'
"""


@pytest.fixture
def server(own_postgres: Server) -> Server:
    """With an empty database `trail`."""
    own_postgres.create("trail")
    return own_postgres


@asynccontextmanager
async def gateway_on(url: str, folder: Path, upstream_url: str, policy: str) -> AsyncIterator[Running]:
    """A gateway with that database.

    To refuse within a second it has half of one, the rest being for a machine that does other things, too. For the
    same reason the disk of a spool file gets more time than by default.
    """
    timeout = 0.5 if policy == "refuse" else 4.0
    recording = RecordingSettings(policy=policy, timeout=timeout, spool_dir=folder / "spool")
    limits = DatabaseSettings(statement_timeout=1.0)
    async with running_gateway(folder, upstream_url, database_url=url, recording=recording, database=limits) as up:
        yield up


async def stop(server: Server, mode: str = "fast") -> None:
    await anyio.to_thread.run_sync(server.stop, mode)


async def start(server: Server) -> None:
    await anyio.to_thread.run_sync(server.start)


@asynccontextmanager
async def streams(up: Running, client: httpx.AsyncClient) -> AsyncIterator[Sequence[AsyncIterator[bytes]]]:
    """Answers that have begun; what is left of them.

    The tests are about what comes then. A busy machine's first write can take longer than `gateway_on` waits for one:
    whoever is refused asks again.
    """
    async with AsyncExitStack() as stack:
        found = list[AsyncIterator[bytes]]()
        with anyio.fail_after(20):
            while len(found) < STREAMS:
                asked = client.stream("POST", MESSAGES, content=BODY, headers=up.anthropic)
                answer = await stack.enter_async_context(asked)
                if answer.status_code != 503:
                    pieces = answer.aiter_raw()
                    assert await anext(pieces) == START
                    found.append(pieces)
        yield found


async def refused(up: Running, client: httpx.AsyncClient, upstream: RawUpstream) -> int:
    """Ask on all three APIs: each says 503 within a second, in its own words, and nothing goes upstream."""
    before = len(upstream.requests)
    for path, headers, error_type in (
        (MESSAGES, up.anthropic, ("type",)),
        ("/openai/v1/chat/completions", up.openai, ("error", "message")),
        ("/openai/v1/responses", up.openai, ("error", "message")),
    ):
        began = monotonic()
        answer = await client.post(path, content=BODY, headers=headers)
        assert monotonic() - began < 1
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        found = answer.json()
        for key in error_type:
            found = found[key]
    assert len(upstream.requests) == before
    return 3


async def until_ready(up: Running, client: httpx.AsyncClient) -> None:
    """Until everything that waited is written, and new requests are let in."""
    with anyio.fail_after(40):
        while up.gateway.recording.waiting or (await client.get("/readyz")).status_code != 200:
            await anyio.sleep(0.02)


async def kept(url: str) -> Sequence[Interception]:
    """The trail, as another program reads it."""
    async with open_storage(url, clock=SystemClock(), owner="reader") as storage:
        return await storage.store.list(InterceptionFilter(), Page(limit=100_000))


def statuses(trail: Sequence[Interception]) -> dict[Status, int]:
    return {status: count for status in Status if (count := sum(each.status is status for each in trail))}


async def test_refuse_while_the_server_is_away(server: Server, tmp_path: Path) -> None:
    """New requests hear 503 within a second; streams run through, and are in the trail when the server is back."""
    script = Paused()
    url = server.url("trail")
    async with (
        raw_upstream(script) as upstream,
        gateway_on(url, tmp_path, upstream.url, "refuse") as up,
        up.client() as client,
    ):
        async with streams(up, client) as answers:
            await until_ready(up, client)
            before = up.gateway.recording.recorder.counters.refused
            await stop(server)
            times = before + await refused(up, client, upstream)
            script.go_on.set()
            assert [await anext(pieces) for pieces in answers] == [END] * STREAMS
        assert (await client.get("/readyz")).status_code == 503
        counters = up.gateway.recording.recorder.counters
        assert (counters.buffered, counters.refused, counters.replayed) == (4 * STREAMS, times, 0)
        await start(server)
        await until_ready(up, client)
        upstream.script = at_once
        assert (await client.post(MESSAGES, content=BODY, headers=up.anthropic)).content == COMPLETE
        counters = up.gateway.recording.recorder.counters
        assert counters.replayed >= counters.buffered == 4 * STREAMS
        assert (counters.dropped, counters.broken_off, counters.set_aside) == (0, 0, 0)
    found = statuses(await kept(url))
    assert found.pop(Status.COMPLETED) == STREAMS + 1
    assert found.pop(Status.FAILED, 0) <= times  # starts that the server might have taken
    assert found == {}


async def test_spool_while_the_server_is_away(server: Server, tmp_path: Path) -> None:
    """A crash of the server is noticed by nobody; what it missed is in it afterwards, once."""
    script = Paused()
    url = server.url("trail")
    async with (
        raw_upstream(script) as upstream,
        gateway_on(url, tmp_path, upstream.url, "spool") as up,
        up.client() as client,
    ):
        async with streams(up, client) as answers:
            await stop(server, "immediate")
            script.go_on.set()
            assert [await anext(pieces) for pieces in answers] == [END] * STREAMS
            for _ in range(STREAMS):
                answer = await client.post(MESSAGES, content=BODY, headers=up.anthropic)
                assert answer.content == COMPLETE
        assert (await client.get("/readyz")).status_code == 200
        spooled = up.gateway.recording.recorder.counters.spooled
        assert spooled >= 4 * STREAMS + 3 * STREAMS  # of running ones at least records and end
        await start(server)
        await until_ready(up, client)
        counters = up.gateway.recording.recorder.counters
        assert (counters.replayed, counters.refused) == (spooled, 0)
        assert (counters.dropped, counters.broken_off, counters.set_aside) == (0, 0, 0)
    assert list((tmp_path / "spool").iterdir()) == []
    trail = await kept(url)
    assert statuses(trail) == {Status.COMPLETED: 2 * STREAMS}
    assert {len(each.records) for each in trail} == {2}


@pytest.mark.parametrize("policy", ["refuse", "spool"])
async def test_restarts_under_load(server: Server, tmp_path: Path, policy: str) -> None:
    """The server goes twice while people ask: whoever got a complete answer stands in the trail with it, once."""
    url = server.url("trail")
    async with provider() as upstream, gateway_on(url, tmp_path, upstream.url, policy) as up:
        async with asking(up.url, up.token) as clients:
            for mode in ("fast", "immediate"):
                await clients.until(30)
                await stop(server, mode)
                await (clients.until(30) if policy == "spool" else clients.until_refused())
                await start(server)
            await clients.until(30)
        async with up.client() as client:
            await until_ready(up, client)
        counters = up.gateway.recording.recorder.counters
    assert clients.broken == []
    assert (counters.dropped, counters.broken_off, counters.set_aside) == (0, 0, 0)
    assert counters.refused == len(clients.refused)
    assert not clients.refused or median(clients.refused) < 1  # the server starts on the same processors
    assert (clients.refused == []) == (policy == "spool")
    trail = await kept(url)
    assert set(complete(trail)) == set(clients.answered) == set(upstream.asked)
    assert statuses(trail).keys() <= {Status.COMPLETED, Status.FAILED}


@pytest.mark.parametrize("policy", ["refuse", "spool"])
async def test_a_server_that_says_nothing(postgres_url: str, tmp_path: Path, policy: str) -> None:
    """A network that swallows everything is an outage like any other, and ends like one."""
    script = Paused()
    async with (
        faulty_way(postgres_url) as way,
        raw_upstream(script) as upstream,
        gateway_on(way.url, tmp_path, upstream.url, policy) as up,
        up.client() as client,
    ):
        async with streams(up, client) as answers:
            way.stall()
            upstream.script = at_once
            if policy == "refuse":
                await refused(up, client, upstream)
            else:
                answer = await client.post(MESSAGES, content=BODY, headers=up.anthropic)
                assert answer.content == COMPLETE
            script.go_on.set()
            assert [await anext(pieces) for pieces in answers] == [END] * STREAMS
        way.flow()
        await until_ready(up, client)
        counters = up.gateway.recording.recorder.counters
        assert (counters.dropped, counters.broken_off, counters.set_aside) == (0, 0, 0)
    trail = await kept(postgres_url)
    assert statuses(trail)[Status.COMPLETED] == STREAMS + (policy == "spool")
    assert all(len(each.records) == 2 for each in trail if each.status is Status.COMPLETED)


@pytest.mark.parametrize("trouble", ["killed by the server", "reset on the way"])
async def test_connections_break_under_load(postgres_url: str, tmp_path: Path, trouble: str) -> None:
    """Ten times in a row all connections break: nobody is refused, and nothing is missing or there twice."""
    async with (
        faulty_way(postgres_url) as way,
        provider() as upstream,
        gateway_on(way.url, tmp_path, upstream.url, "refuse") as up,
        raw(postgres_url) as other,
    ):
        async with asking(up.url, up.token) as clients:
            for _ in range(10):
                await clients.until(5)
                if trouble == "reset on the way":
                    way.reset()
                else:
                    await other.execute(KILL)
        async with up.client() as client:
            await until_ready(up, client)
        assert up.gateway.recording.recorder.counters.dropped == 0
    assert (clients.broken, clients.refused) == ([], [])
    assert set(complete(await kept(postgres_url))) == set(clients.answered) == set(upstream.asked)
