"""The contract of a storage adapter, as tests. Subclass `StorageContract`, override one fixture, and run pytest:

    class TestMyStorage(StorageContract):
        @pytest.fixture
        def open_storage(self, tmp_path):
            return lambda owner: open_my_storage(tmp_path, owner=owner)

`open_storage(owner)` is an asynchronous context whose value has the attributes `recorder`, `store`, `leases` and
`identity`. Each test begins with an empty database, which all that it opens share; some open it for several owners at
once, as several gateways and commands do, and expect that each sees what the others were answered for. Passing means
working: a gateway, its REST API and its command line rely on nothing else. What no test in one process can see, such
as a killed process or a full disk, is yours to test; docs/how-to/add-a-storage-adapter.md lists it.

| Your storage | Your test class |
|---|---|
| keeps interceptions and users | `StorageContract` |
| can also remove what it kept: it has the attribute `retention` | `StorageContract, RetentionContract` |
| can also keep users' credentials for MCP servers: it has `tool_credentials` | `..., ToolCredentialsContract` |
| can also keep network calls of agents: it has `network_log` | `..., NetworkLogContract` |
| can also count for several gateways: it has `shared_limits` | one of its own, of `shared_limits_contract` |
| leaves users to another | `InterceptionStorageContract` |
| keeps users only | `IdentityContract`, from `identity_contract`, with the rest of a `MemoryStorage` beside yours |
| can't hold U+0000 in a text | any; it says in `nul_reads_as` what it keeps instead |

pytest and anyio are needed. If pytest-asyncio is there too, it must be in its strict mode, or it takes these tests for
its own.

Belongs here: what the contract consists of. Never: a rule; they are in `contract/`, by subject, and in
`identity_contract`. That they notice what they should is tested with a hundred wrong storages, in tests/unit/testing.
"""

from aibridge_core.testing.contract.base import ContractBase, OpenStorage, StorageUnderTest
from aibridge_core.testing.contract.concurrency import ConcurrencyContract
from aibridge_core.testing.contract.contents import ContentsContract
from aibridge_core.testing.contract.leases import LeaseContract
from aibridge_core.testing.contract.listing import ListContract
from aibridge_core.testing.contract.naming import NamingContract
from aibridge_core.testing.contract.purging import PurgeableStorage
from aibridge_core.testing.contract.recording import RecordingContract
from aibridge_core.testing.contract.retention import RetentionContract
from aibridge_core.testing.contract.threads import ThreadContract
from aibridge_core.testing.identity_contract import IdentityContract
from aibridge_core.testing.network_log_contract import NetworkLogContract
from aibridge_core.testing.tool_credentials_contract import ToolCredentialsContract

__all__ = [
    "ContractBase",
    "InterceptionStorageContract",
    "NetworkLogContract",
    "OpenStorage",
    "PurgeableStorage",
    "RetentionContract",
    "StorageContract",
    "StorageUnderTest",
    "ToolCredentialsContract",
]


class InterceptionStorageContract(
    RecordingContract,
    ConcurrencyContract,
    ThreadContract,
    ListContract,
    NamingContract,
    ContentsContract,
    LeaseContract,
):
    """Recorder, InterceptionStore and Leases."""


class StorageContract(InterceptionStorageContract, IdentityContract):
    """All storage ports."""
