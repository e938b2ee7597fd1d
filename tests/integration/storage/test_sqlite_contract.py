"""SQLite keeps the storage contract."""

import pytest

from aibridge_adapters.storage import open_storage
from aibridge_adapters.storage.sqlite import open_sqlite
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


class TestSqliteStorageThatSettlesAtOnce(TestSqliteStorage):
    """As after hundreds of others have ended: each interception is in all of its indexes right behind its end."""

    @pytest.fixture
    def open_storage(self, tmp_path) -> OpenStorage:
        return lambda owner: open_sqlite(f"{tmp_path}/aibridge.db", clock=FakeClock(), owner=owner, settle_every=1)


class TestSqliteStorageThatSettlesNowAndThen(TestSqliteStorage):
    """A mixture of both."""

    @pytest.fixture
    def open_storage(self, tmp_path) -> OpenStorage:
        return lambda owner: open_sqlite(f"{tmp_path}/aibridge.db", clock=FakeClock(), owner=owner, settle_every=7)
