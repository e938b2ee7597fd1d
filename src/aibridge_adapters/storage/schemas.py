"""The schema of a database, seen and mended without opening a storage: for `aibridge db`.

Belongs here: what is applied, what is missing, for every bundled storage. Never: SQL.
"""

from collections.abc import Sequence
from pathlib import Path

import anyio.to_thread
from attrs import frozen

from aibridge_adapters.storage.errors import StorageConfigError
from aibridge_adapters.storage.migrations import Applied, Migration, can_work, mismatch
from aibridge_adapters.storage.sqlite import create_schema, read_ledger, shipped_migrations
from aibridge_adapters.storage.urls import ALLOWED, POSTGRES, postgres_adapter, scheme_of, sqlite_path
from aibridge_core.ports import Clock


@frozen(kw_only=True)
class Schema:
    """What a database has of the steps that this program knows."""

    applied: Sequence[Applied]
    """In order."""
    known: Sequence[Migration]

    @property
    def version(self) -> int:
        """Of the newest step applied; 0 for an empty database, or none."""
        return self.applied[-1].version if self.applied else 0

    @property
    def missing(self) -> Sequence[Migration]:
        """Steps that this program would apply."""
        there = {step.step for step in self.applied}
        return [step for step in self.known if step.step not in there]

    @property
    def mismatch(self) -> str:
        """Why no program of this version can work on it, nor mend it; empty if it can."""
        return mismatch(self.applied, self.known)

    @property
    def is_newer(self) -> bool:
        """Whether a newer program has written it."""
        return not self.mismatch and len(self.applied) > len(self.known)

    @property
    def fits(self) -> bool:
        """Whether this program can work on it as it is."""
        return not (self.mismatch or self.missing) and can_work(self.applied, self.known)

    @property
    def in_words(self) -> str:
        """For an operator."""
        known = len(self.known)
        if self.mismatch:
            return self.mismatch
        if self.is_newer:
            but = "; this program can work on it, but not for long" if self.fits else ""
            return f"the schema has version {self.version}, newer than this program knows ({known}){but}"
        if not self.version:
            return f"there is no schema yet; this program's has version {known}"
        if self.missing:
            return f"the schema has version {self.version}, this program's is {known}"
        return f"the schema is up to date, version {known}"


async def schema_of(url: str) -> Schema:
    """Look, and change nothing. Raises StorageConfigError, StorageNotOpened."""
    if scheme_of(url) in POSTGRES:
        adapter = postgres_adapter()
        applied = await adapter.read_ledger(adapter.address(url))
        return Schema(applied=applied, known=adapter.shipped_migrations())
    file = _sqlite_file(url)
    return Schema(applied=await anyio.to_thread.run_sync(read_ledger, file), known=shipped_migrations())


async def bring_up_to_date(url: str, clock: Clock) -> None:
    """Apply what is missing, as opening the storage does.

    Raises StorageConfigError, StorageNotOpened, MigrationFailed.
    """
    if scheme_of(url) in POSTGRES:
        adapter = postgres_adapter()
        await adapter.create_schema(adapter.address(url), clock)
    else:
        await anyio.to_thread.run_sync(create_schema, _sqlite_file(url), clock)


def _sqlite_file(url: str) -> Path:
    if scheme_of(url) != "sqlite":
        raise StorageConfigError(
            f"{scheme_of(url)!r} is not a database whose schema is kept here; allowed are {ALLOWED}"
        )
    path = sqlite_path(url)
    if path == ":memory:":
        raise StorageConfigError("a database in memory is gone when this command ends; name a file")
    return Path(path).absolute()
