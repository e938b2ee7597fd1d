"""Sealed credentials of users for MCP servers on SQLite.

Belongs here: the ToolCredentials port in SQL. Never: opening what is sealed.
"""

import sqlite3
from collections.abc import Collection, Sequence

import msgspec
from attrs import frozen

from aibridge_adapters.storage.rows import CREDENTIAL_COLUMNS, Row, credential_of, credential_row
from aibridge_adapters.storage.sqlite.leases import changed
from aibridge_adapters.storage.sqlite.readers import Readers
from aibridge_adapters.storage.sqlite.writer import Writer
from aibridge_core.identity import NotFound
from aibridge_core.tool_credentials import ToolCredential

_COLUMNS = ", ".join(CREDENTIAL_COLUMNS)
_PLACES = ", ".join("?" for _ in CREDENTIAL_COLUMNS)
_PUT = f"INSERT OR REPLACE INTO tool_credentials ({_COLUMNS}) VALUES ({_PLACES})"
_REPLACE = f"""
UPDATE tool_credentials SET ({_COLUMNS}) = ({_PLACES})
WHERE user_id = ? AND server = ? AND id = ? AND revision = ?
"""
_FIND = f"""
SELECT {_COLUMNS} FROM tool_credentials
WHERE ?1 IS NULL OR user_id IN (SELECT value FROM json_each(?1)) ORDER BY user_id, server
"""


@frozen
class SqliteToolCredentials:
    """Implements `aibridge_core.tool_credentials.ToolCredentials`."""

    _writer: Writer
    _readers: Readers

    async def put(self, credential: ToolCredential) -> None:
        """Raises NotFound, StoreUnavailable."""

        def put(connection: sqlite3.Connection) -> None:
            if not connection.execute("SELECT 1 FROM users WHERE id = ?", (credential.user_id,)).fetchone():
                raise NotFound(f"there is no user {credential.user_id}")
            connection.execute(_PUT, credential_row(credential))

        await changed(self._writer, put)

    async def replace(self, credential: ToolCredential) -> bool:
        """Whether the revision before was there. Raises StoreUnavailable."""
        which = (credential.user_id, credential.server, credential.id, credential.revision - 1)

        def replace(connection: sqlite3.Connection) -> bool:
            return connection.execute(_REPLACE, (*credential_row(credential), *which)).rowcount == 1

        return bool(await changed(self._writer, replace))

    async def find(self, user_ids: Collection[str] | None = None) -> Sequence[ToolCredential]:
        """By user, then server. Raises StoreUnavailable."""
        wanted = None if user_ids is None else msgspec.json.encode(list(user_ids)).decode()

        def rows(connection: sqlite3.Connection) -> list[Row]:
            return connection.execute(_FIND, (wanted,)).fetchall()

        return [credential_of(row) for row in await self._readers.run(rows)]

    async def remove(self, user_id: str, server: str) -> None:
        """Raises NotFound, StoreUnavailable."""

        def remove(connection: sqlite3.Connection) -> None:
            query = "DELETE FROM tool_credentials WHERE user_id = ? AND server = ?"
            if not connection.execute(query, (user_id, server)).rowcount:
                raise NotFound(f"there is no credential of {user_id} for {server}")

        await changed(self._writer, remove)
