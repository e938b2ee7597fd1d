"""SQLite keeps the storage contract."""

import pytest

from aibridge_adapters.storage import open_storage
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.storage_contract import (
    NetworkLogContract,
    OpenStorage,
    RetentionContract,
    StorageContract,
    ToolCredentialsContract,
)


class TestSqliteStorage(StorageContract, RetentionContract, ToolCredentialsContract, NetworkLogContract):
    """A database file, opened as a gateway opens it."""

    @pytest.fixture
    def open_storage(self, tmp_path) -> OpenStorage:
        return lambda owner: open_storage(f"sqlite:///{tmp_path}/aibridge.db", clock=FakeClock(), owner=owner)
