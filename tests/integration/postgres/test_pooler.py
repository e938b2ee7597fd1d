"""Behind a pooler in transaction mode, such as pgbouncer, everything works as without one."""

from collections.abc import AsyncIterator

import pytest

from aibridge_adapters.storage import Limits, open_storage
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.contract.leases import LeaseContract
from aibridge_core.testing.contract.recording import RecordingContract
from aibridge_core.testing.contract.threads import ThreadContract
from aibridge_core.testing.identity_contract import IdentityContract
from aibridge_core.testing.storage_contract import OpenStorage, RetentionContract
from support.pooler import pooled


class TestPostgresBehindPooler(RecordingContract, ThreadContract, LeaseContract, RetentionContract, IdentityContract):
    """Each transaction runs in another session of the server than the one before."""

    @pytest.fixture
    async def open_storage(self, postgres_url: str) -> AsyncIterator[OpenStorage]:
        limits = Limits(statement_timeout=30.0, lock_timeout=10.0)
        async with pooled(postgres_url) as (pooler, url):
            yield lambda owner: open_storage(url, clock=FakeClock(), owner=owner, limits=limits)
        assert pooler.transactions > 0


@pytest.mark.anyio
async def test_migrations_behind_a_pooler(empty_postgres_url: str) -> None:
    """The schema is made through the pooler, too."""
    async with pooled(empty_postgres_url) as (_, url):
        for owner in ("gateway-1", "gateway-2"):
            async with open_storage(url, clock=FakeClock(), owner=owner) as storage:
                assert await storage.store.find_initiator("ann") is None
