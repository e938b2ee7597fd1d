"""The contract of a storage adapter, as tests. Subclass `StorageContract`, override one fixture, and run pytest:

    class TestMyStorage(StorageContract):
        @pytest.fixture
        def open_storage(self, tmp_path):
            return lambda owner: open_my_storage(tmp_path, owner=owner)

`open_storage(owner)` is an asynchronous context whose value has the attributes `recorder`, `store`, `leases` and
`identity`. Each test begins with an empty database, which all that it opens share. Passing means working: a gateway,
its REST API and its command line rely on nothing else. pytest and anyio are needed.

A storage that can also remove what it kept has the attribute `retention`, and its test class another base:
`class TestMyStorage(StorageContract, RetentionContract)`. One that can't does without, and keeps everything for ever.

Belongs here: what the contract consists of. Never: a rule; they are in `contract/`, by subject, and in
`identity_contract`. A storage without users subclasses everything but that one: `InterceptionStorageContract`.
"""

from aibridge_core.testing.contract.base import ContractBase, OpenStorage, StorageUnderTest
from aibridge_core.testing.contract.contents import ContentsContract
from aibridge_core.testing.contract.leases import LeaseContract
from aibridge_core.testing.contract.listing import ListContract
from aibridge_core.testing.contract.purging import PurgeableStorage
from aibridge_core.testing.contract.recording import RecordingContract
from aibridge_core.testing.contract.retention import RetentionContract
from aibridge_core.testing.contract.threads import ThreadContract
from aibridge_core.testing.identity_contract import IdentityContract

__all__ = [
    "ContractBase",
    "InterceptionStorageContract",
    "OpenStorage",
    "PurgeableStorage",
    "RetentionContract",
    "StorageContract",
    "StorageUnderTest",
]


class InterceptionStorageContract(RecordingContract, ThreadContract, ListContract, ContentsContract, LeaseContract):
    """Recorder, InterceptionStore and Leases."""


class StorageContract(InterceptionStorageContract, IdentityContract):
    """All storage ports."""
