"""The in-memory storage keeps the storage contract."""

from contextlib import asynccontextmanager

import pytest

from aibridge_core.testing.memory import MemoryDatabase, MemoryStorage
from aibridge_core.testing.storage_contract import (
    NetworkLogContract,
    OpenStorage,
    RetentionContract,
    StorageContract,
    ToolCredentialsContract,
)


class TestMemoryStorage(StorageContract, RetentionContract, ToolCredentialsContract, NetworkLogContract):
    """Nothing but a dictionary, and the whole contract."""

    @pytest.fixture
    def open_storage(self) -> OpenStorage:
        database = MemoryDatabase()

        @asynccontextmanager
        async def opened(owner):
            yield MemoryStorage(owner=owner, database=database)

        return opened
