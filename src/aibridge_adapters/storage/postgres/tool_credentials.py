"""Sealed credentials of users for MCP servers on PostgreSQL.

Belongs here: the ToolCredentials port in SQL. Never: opening what is sealed.
"""

from collections.abc import Collection, Sequence

import psycopg
from attrs import frozen

from aibridge_adapters.storage.postgres.columns import text_of
from aibridge_adapters.storage.postgres.connecting import Connection
from aibridge_adapters.storage.postgres.pool import Pool
from aibridge_adapters.storage.rows import CREDENTIAL_COLUMNS, Row, credential_of, credential_row, maybe_moment_of
from aibridge_core.identity import NotFound
from aibridge_core.tool_credentials import ToolCredential

_TIMES = ("created_at", "expires_at", "claimed_until")
_COLUMNS = ", ".join(CREDENTIAL_COLUMNS)
_PLACES = ", ".join("%s" for _ in CREDENTIAL_COLUMNS)
_PUT = f"""
INSERT INTO tool_credentials ({_COLUMNS}) VALUES ({_PLACES})
ON CONFLICT (user_id, server) DO UPDATE SET ({_COLUMNS}) = ROW (EXCLUDED.*)
"""
_REPLACE = f"""
UPDATE tool_credentials SET ({_COLUMNS}) = ROW ({_PLACES})
WHERE user_id = %s AND server = %s AND id = %s AND revision = %s
"""
_MICROS = ", ".join(
    f"(extract(epoch FROM {column}) * 1000000)::bigint" if column in _TIMES else column for column in CREDENTIAL_COLUMNS
)
_FIND = f"SELECT {_MICROS} FROM tool_credentials"


@frozen
class PostgresToolCredentials:
    """Implements `aibridge_core.tool_credentials.ToolCredentials`."""

    _pool: Pool

    async def put(self, credential: ToolCredential) -> None:
        """Raises NotFound, StoreUnavailable."""

        async def put(connection: Connection) -> None:
            try:
                await connection.execute(_PUT, _values(credential))
            except psycopg.errors.ForeignKeyViolation as error:
                raise NotFound(f"there is no user {credential.user_id}") from error

        await self._pool.change(put)

    async def replace(self, credential: ToolCredential) -> bool:
        """Whether the revision before was there. Raises StoreUnavailable."""
        which = (credential.user_id, credential.server, credential.id, credential.revision - 1)

        async def replace(connection: Connection) -> bool:
            return (await connection.execute(_REPLACE, (*_values(credential), *text_of(which)))).rowcount == 1

        return await self._pool.change(replace)

    async def find(self, user_ids: Collection[str] | None = None) -> Sequence[ToolCredential]:
        """By user, then server. Raises StoreUnavailable."""
        where = "" if user_ids is None else "WHERE user_id = ANY(%s)"
        values = () if user_ids is None else (text_of(list(user_ids)),)

        async def rows(connection: Connection) -> Sequence[Row]:
            return await (await connection.execute(f"{_FIND} {where} ORDER BY user_id, server", values)).fetchall()

        return [credential_of(row) for row in await self._pool.read(rows)]

    async def remove(self, user_id: str, server: str) -> None:
        """Raises NotFound, StoreUnavailable."""

        async def remove(connection: Connection) -> None:
            query = "DELETE FROM tool_credentials WHERE user_id = %s AND server = %s"
            if not (await connection.execute(query, text_of((user_id, server)))).rowcount:
                raise NotFound(f"there is no credential of {user_id} for {server}")

        await self._pool.change(remove)


def _values(credential: ToolCredential) -> Row:
    """In the order of CREDENTIAL_COLUMNS, with times as PostgreSQL takes them."""
    row = zip(CREDENTIAL_COLUMNS, credential_row(credential), strict=True)
    return tuple(maybe_moment_of(value) if column in _TIMES else text_of(value) for column, value in row)
