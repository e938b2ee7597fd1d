"""Four gateways on one PostgreSQL database that share their limits, over real HTTP."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest

from aibridge_adapters.config import LimitSettings, PrometheusSettings, RecordingSettings
from integration.limits.test_over_http import MESSAGES, Gated, answering
from integration.postgres.opening import raw, rows
from integration.postgres.shared_world import LOCK
from support.process import served
from support.raw_upstream import raw_upstream
from support.running import ADMIN_TOKEN, Running, running_gateway

pytestmark = pytest.mark.anyio

PATH = "/anthropic/v1/messages"
GIVEN = """
SELECT extract(epoch FROM at)::double precision, granted FROM shared_admissions
WHERE members = '*' AND granted > 0 ORDER BY at
"""


@asynccontextmanager
async def replicas(
    folder: Path, upstream_url: str, database_url: str, count: int = 4, **changes: object
) -> AsyncIterator[Sequence[Running]]:
    """So many gateways; each knows the users of all."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                running_gateway(folder, upstream_url, user=f"user-{number}", database_url=database_url, **changes)
            )
            for number in range(count)
        ]


async def ask(up: Running, token: str = "") -> httpx.Response:
    """One request."""
    async with up.client() as client:
        return await client.post(PATH, content=MESSAGES, headers={"x-api-key": token or up.token})


async def until_status(up: Running, status: int, token: str = "") -> httpx.Response:
    """Ask until this is the answer; fails the test after ten seconds."""
    with anyio.fail_after(10):
        while (answer := await ask(up, token)).status_code != status:
            await anyio.sleep(0.02)
        return answer


async def test_a_shared_rate(tmp_path: Path, postgres_url: str) -> None:
    """Under load, no second has more than the limit, whichever one looks at; who keeps asking gets all of it."""
    limit, enough = 10, 21
    async with (
        raw_upstream(answering) as upstream,
        replicas(
            tmp_path,
            upstream.url,
            postgres_url,
            limits=LimitSettings(max_rps=limit, shared=True, shared_timeout=10.0),
            recording=RecordingSettings(timeout=10.0),
        ) as ups,
    ):
        statuses: list[int] = []

        async def load(up: Running) -> None:
            async with up.client() as client:
                client.headers["x-api-key"] = up.token
                while statuses.count(200) < enough:
                    statuses.append((await client.post(PATH, content=MESSAGES)).status_code)
                    await anyio.sleep(0.01)

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                for up in (*ups, *ups):
                    tasks.start_soon(load, up)
        assert set(statuses) == {200, 429}
        given = [at for at, granted in await rows(postgres_url, GIVEN) for _ in range(granted)]
        assert len(given) == statuses.count(200) == len(upstream.requests)
    for first, last in zip(given, given[limit:], strict=False):
        assert last - first >= 1.0


async def test_a_person_at_all_replicas(tmp_path: Path, postgres_url: str) -> None:
    """Whoever goes from one replica to the next gets no more, and is told the limit of all; others get theirs."""
    shared = LimitSettings(max_concurrent_per_user=2, shared=True, shared_timeout=10.0)
    provider = Gated()
    async with (
        raw_upstream(provider) as upstream,
        replicas(tmp_path, upstream.url, postgres_url, limits=shared) as ups,
        anyio.create_task_group() as tasks,
    ):
        token = ups[0].token
        for number in (1, 2):
            tasks.start_soon(ask, ups[number], token)
            with anyio.fail_after(10):
                while len(upstream.requests) < number:
                    await anyio.sleep(0.01)
        for up in ups:
            refused = await ask(up, token)
            assert refused.status_code == 429
            assert refused.json()["error"]["message"].startswith("you have 2 requests running")
        provider.go_on.set()
        assert (await ask(ups[3], ups[3].token)).status_code == 200
        await until_status(ups[3], 200, token)


async def test_shared_places(tmp_path: Path, postgres_url: str) -> None:
    """As many run as may, over all replicas; when one is done, any replica can have its place."""
    shared = LimitSettings(max_concurrent=3, shared=True, shared_timeout=10.0)
    provider = Gated()
    async with (
        raw_upstream(provider) as upstream,
        replicas(tmp_path, upstream.url, postgres_url, limits=shared) as ups,
    ):
        statuses: list[int] = []

        async def one(up: Running) -> None:
            statuses.append((await ask(up)).status_code)

        async with anyio.create_task_group() as tasks:
            for up in (*ups, *ups):
                tasks.start_soon(one, up)
            with anyio.fail_after(10):
                while len(statuses) < 5 or len(upstream.requests) < 3:
                    await anyio.sleep(0.01)
            assert statuses == [503] * 5
            provider.go_on.set()
        assert sorted(statuses) == [200] * 3 + [503] * 5
        for up in ups:
            await until_status(up, 200)


async def test_a_replica_that_is_killed(tmp_path: Path, postgres_url: str) -> None:
    """Its places are free when its lease is over."""
    provider = Gated()
    settings = {
        "AIBRIDGE_DATABASE_URL": postgres_url,
        "AIBRIDGE_MAX_CONCURRENT": "2",
        "AIBRIDGE_LIMITS_SHARED": "true",
        "AIBRIDGE_LIMITS_SHARED_TIMEOUT": "10s",
        "AIBRIDGE_RECORDING_LEASE": "2s",
    }
    shared = LimitSettings(max_concurrent=2, shared=True, shared_timeout=10.0)
    alive = {"limits": shared, "recording": RecordingSettings(lease=2.0), "database_url": postgres_url}
    async with (
        raw_upstream(provider) as upstream,
        running_gateway(tmp_path, upstream.url, **alive) as up,
        served(tmp_path, upstream.url, **settings) as doomed,
        httpx.AsyncClient(base_url=doomed.url, headers={"x-api-key": ADMIN_TOKEN}, timeout=20) as client,
    ):

        async def hold() -> None:
            with pytest.raises(httpx.TransportError):
                await client.post(PATH, content=MESSAGES)

        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(hold)
            with anyio.fail_after(10):
                while len(upstream.requests) < 2:
                    await anyio.sleep(0.01)
            assert (await ask(up)).status_code == 503
            doomed.process.kill()
        provider.go_on.set()
        await until_status(up, 200)


@pytest.mark.parametrize("fallback", ["local", "refuse"])
async def test_a_database_that_does_not_count(tmp_path: Path, postgres_url: str, fallback: str) -> None:
    """One request waits as long as it may, the others not at all; what they get is declared; then all is as before."""
    shared = LimitSettings(max_concurrent=1, shared=True, shared_timeout=0.2, shared_fallback=fallback)
    changes = {"limits": shared, "prometheus": PrometheusSettings(enable=True)}
    async with (
        raw_upstream(answering) as upstream,
        replicas(tmp_path, upstream.url, postgres_url, 1, **changes) as (up,),
    ):
        await until_status(up, 200)
        async with raw(postgres_url) as other, other.transaction():
            await other.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
            for _ in range(3):
                began = time.monotonic()
                answer = await ask(up)
                assert time.monotonic() - began < 5
                if fallback == "local":
                    assert answer.status_code == 200
                else:
                    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
                    assert answer.json()["type"] == "error"
                    assert "can't tell now how many requests" in answer.json()["error"]["message"]
            assert await shown(up, "limits_shared_up") == 0
            assert await shown(up, 'limits_shared_requests_total{by="fallback"}') == 3
        with anyio.fail_after(10):
            while not await shown(up, "limits_shared_up"):
                await anyio.sleep(0.05)
        await until_status(up, 200)
        assert await shown(up, 'limits_shared_requests_total{by="fallback"}') == 3


async def shown(up: Running, name: str) -> float:
    """The value of a metric."""
    page = httpx.ASGITransport(up.gateway.metrics)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=page, base_url="http://metrics") as client:
        text = (await client.get("/metrics")).text
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"aibridge_{name}"))


async def test_sqlite_can_not_count_for_others(tmp_path: Path) -> None:
    """A gateway that is told to share its limits there doesn't start, and says why."""
    with pytest.raises(ValueError, match="limits_shared needs PostgreSQL"):
        async with running_gateway(tmp_path, "http://127.0.0.1:1", limits=LimitSettings(max_rps=1, shared=True)):
            pass


async def test_nothing_to_share(tmp_path: Path, postgres_url: str) -> None:
    """Without any limit no request asks the database."""
    async with (
        raw_upstream(answering) as upstream,
        running_gateway(tmp_path, upstream.url, database_url=postgres_url, limits=LimitSettings(shared=True)) as up,
    ):
        assert (await ask(up)).status_code == 200
    assert await rows(postgres_url, "SELECT FROM shared_admissions") == []
