"""PostgreSQL keeps the storage contract, and removes what it is told to."""

from typing import ClassVar

import pytest

from aibridge_adapters.storage import Limits, open_storage
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.storage_contract import (
    NetworkLogContract,
    OpenStorage,
    RetentionContract,
    StorageContract,
    ToolCredentialsContract,
)

UNHURRIED = Limits(statement_timeout=30.0, lock_timeout=10.0)
"""For machines that run many tests at once."""


class TestPostgresStorage(StorageContract, RetentionContract, ToolCredentialsContract, NetworkLogContract):
    """A database of its own for each test, opened as a gateway opens it."""

    nul_reads_as: ClassVar[str] = "\u2400"

    @pytest.fixture
    def open_storage(self, postgres_url: str) -> OpenStorage:
        return lambda owner: open_storage(postgres_url, clock=FakeClock(), owner=owner, limits=UNHURRIED)
