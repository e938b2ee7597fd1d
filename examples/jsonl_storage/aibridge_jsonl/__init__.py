"""A storage adapter that keeps the audit trail in one file of JSON lines: `jsonl:///relative` or `jsonl:////absolute`.

Belongs here: reading the URL, and putting the parts together. Never: what a part does.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from aibridge_adapters.storage import Storage, StorageConfigError, StorageNotOpened
from aibridge_adapters.storage import open_storage as open_bundled
from aibridge_core.ports import Clock
from aibridge_jsonl.database import Database
from aibridge_jsonl.leases import JsonlLeases
from aibridge_jsonl.notes import Note
from aibridge_jsonl.recorder import JsonlRecorder
from aibridge_jsonl.retention import JsonlRetention
from aibridge_jsonl.store import JsonlStore

__all__ = ["open_storage"]


def open_storage(url: str, *, clock: Clock, owner: str) -> AbstractAsyncContextManager[Storage]:
    """The storage at `url`; everything that waits has been written when the context is left.

    The signature is that of `aibridge_adapters.storage.open_storage`, which calls this one. `owner` names this process.
    Raises StorageConfigError at once; entering raises StorageNotOpened.
    """
    path = url.removeprefix("jsonl:///")
    if path == url or not path or path.endswith("/"):
        raise StorageConfigError("a jsonl URL names a file: jsonl:///relative/path or jsonl:////absolute/path")
    return _open(Path(path).absolute(), clock, owner)


@asynccontextmanager
async def _open(path: Path, clock: Clock, owner: str) -> AsyncIterator[Storage]:
    notes = path.with_name(f"{path.name}.notes")
    # A trail needs no users of its own: they stay in the bundled storage, in a file beside this one.
    users = f"sqlite:///{path}.users.db"
    async with _opened(path) as database, open_bundled(users, clock=clock, owner=owner) as bundled:
        yield Storage(
            recorder=JsonlRecorder(database, owner),
            store=JsonlStore(database),
            leases=JsonlLeases(database, notes, owner),
            retention=JsonlRetention(database, Note(notes / "purge"), owner),
            identity=bundled.identity,
            tool_credentials=bundled.tool_credentials,
        )


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[Database]:
    database = Database(path)
    try:
        await database.open()
    except OSError as error:
        raise StorageNotOpened(f"can't open {path}: {error}") from error
    try:
        yield database
    finally:
        await database.close()
