"""The example adapter keeps the storage contract, whole."""

from pathlib import Path

import pytest
from aibridge_jsonl import open_storage

from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.storage_contract import (
    OpenStorage,
    RetentionContract,
    StorageContract,
    ToolCredentialsContract,
)


class TestJsonlStorage(StorageContract, RetentionContract, ToolCredentialsContract):
    """A file of JSON lines, opened as a gateway opens it."""

    @pytest.fixture
    def open_storage(self, tmp_path: Path) -> OpenStorage:
        return lambda owner: open_storage(f"jsonl:///{tmp_path}/trail.jsonl", clock=FakeClock(), owner=owner)
