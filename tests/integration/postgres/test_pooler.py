"""Behind a pooler in transaction mode everything works as without one: behind pgbouncer, and behind a crueler one."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from aibridge_adapters.storage import Limits, open_storage
from aibridge_core.records import InterceptionFilter, Page
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.contract.concurrency import ConcurrencyContract
from aibridge_core.testing.contract.leases import LeaseContract
from aibridge_core.testing.contract.recording import RecordingContract
from aibridge_core.testing.contract.threads import ThreadContract
from aibridge_core.testing.identity_contract import IdentityContract
from aibridge_core.testing.shared_limits_contract import SharedLimitsContract, World
from aibridge_core.testing.storage_contract import OpenStorage, RetentionContract
from integration.postgres.shared_world import PostgresWorld
from integration.recording.load import asking, complete, provider
from support.pgbouncer import PROGRAM, running_pgbouncer
from support.pooler import pooled
from support.postgres import Databases, as_url
from support.running import running_gateway

UNHURRIED = Limits(statement_timeout=30.0, lock_timeout=10.0)
needs_pgbouncer = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed; the stand-in is stricter")


class TestPostgresBehindPooler(RecordingContract, ThreadContract, LeaseContract, RetentionContract, IdentityContract):
    """Each transaction runs in another session of the server than the one before."""

    @pytest.fixture
    async def open_storage(self, postgres_url: str) -> AsyncIterator[OpenStorage]:
        async with pooled(postgres_url) as (pooler, url):
            yield lambda owner: open_storage(url, clock=FakeClock(), owner=owner, limits=UNHURRIED)
        assert pooler.transactions > 0


@pytest.mark.anyio
async def test_migrations_behind_a_pooler(empty_postgres_url: str) -> None:
    """The schema is made through the pooler, too."""
    async with pooled(empty_postgres_url) as (_, url):
        for owner in ("gateway-1", "gateway-2"):
            async with open_storage(url, clock=FakeClock(), owner=owner) as storage:
                assert await storage.store.find_initiator("ann") is None


@pytest.fixture(scope="module")
def pgbouncer(postgres_databases: Databases) -> Iterator[str]:
    """The URL of one that leads to every database of the server."""
    with running_pgbouncer(postgres_databases.administration) as url:
        yield url


@pytest.fixture
def bounced_url(pgbouncer: str, postgres_url: str) -> str:
    """An empty database, its schema up to date, behind pgbouncer."""
    return as_url({**conninfo_to_dict(pgbouncer), "dbname": conninfo_to_dict(postgres_url)["dbname"]})


@needs_pgbouncer
class TestPostgresBehindPgbouncer(RecordingContract, ConcurrencyContract):
    """pgbouncer itself, with fewer sessions than there are connections to it."""

    @pytest.fixture
    def open_storage(self, bounced_url: str) -> OpenStorage:
        return lambda owner: open_storage(bounced_url, clock=FakeClock(), owner=owner, limits=UNHURRIED)


@needs_pgbouncer
class TestSharedLimitsBehindPgbouncer(SharedLimitsContract):
    """Questions of all replicas, each in whatever session is free."""

    @pytest.fixture
    async def world(self, bounced_url: str) -> AsyncIterator[World]:
        async with AsyncExitStack() as stack:
            yield PostgresWorld(bounced_url, stack)


@needs_pgbouncer
@pytest.mark.anyio
async def test_a_whole_gateway_behind_pgbouncer(bounced_url: str, tmp_path: Path) -> None:
    """Under load, with more connections than sessions of the server: every answer stands in the trail, once."""
    async with (
        provider() as upstream,
        running_gateway(tmp_path, upstream.url, database_url=bounced_url) as up,
        asking(up.url, up.token, count=12) as clients,
    ):
        while len(clients.answered) < 100:
            await up.interceptions(limit=5)
    async with open_storage(bounced_url, clock=FakeClock(), owner="reader") as storage:
        trail = await storage.store.list(InterceptionFilter(), Page(limit=10_000))
    assert (clients.broken, clients.refused) == ([], [])
    assert set(complete(trail)) == set(clients.answered)
