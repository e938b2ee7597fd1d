"""Users and their tokens on SQLite.

Belongs here: the IdentityStore port in SQL. Never: hashing or caching.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from aibridge_adapters.storage.rows import Row, maybe_moment_of, micros, moment_of
from aibridge_adapters.storage.sqlite.leases import changed
from aibridge_adapters.storage.sqlite.readers import Readers
from aibridge_adapters.storage.sqlite.writer import Writer
from aibridge_core.actors import Role
from aibridge_core.identity import AlreadyExists, ApiToken, NotFound, User

_USER_COLUMNS = "users.id, users.username, users.name, users.role, users.suspended, users.created_at"
_KEY_COLUMNS = (
    "api_tokens.id, api_tokens.user_id, api_tokens.name, api_tokens.digest, api_tokens.created_at, "
    "api_tokens.expires_at, api_tokens.last_used_at"
)


@frozen
class SqliteIdentityStore:
    """Implements `aibridge_core.identity.IdentityStore`."""

    _writer: Writer
    _readers: Readers

    async def add_user(self, user: User) -> None:
        """Raises AlreadyExists, StoreUnavailable."""

        def add(connection: sqlite3.Connection) -> None:
            row = (user.id, user.username, user.name, user.role.value, user.suspended, micros(user.created_at))
            taken = AlreadyExists(f'there is a user "{user.username}", or one with the id {user.id}, already')
            _unless_taken(connection, "INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)", row, taken)

        await changed(self._writer, add)

    async def update_user(self, user: User) -> None:
        """Raises NotFound, AlreadyExists, StoreUnavailable."""

        def update(connection: sqlite3.Connection) -> None:
            row = (user.username, user.name, user.role.value, user.suspended, micros(user.created_at), user.id)
            query = "UPDATE users SET username = ?, name = ?, role = ?, suspended = ?, created_at = ? WHERE id = ?"
            if not _unless_taken(connection, query, row, AlreadyExists(f'the username "{user.username}" is taken')):
                raise NotFound(f"there is no user {user.id}")

        await changed(self._writer, update)

    async def remove_user(self, user_id: str) -> None:
        """Raises NotFound, StoreUnavailable."""

        def remove(connection: sqlite3.Connection) -> None:
            if not connection.execute("DELETE FROM users WHERE id = ?", (user_id,)).rowcount:
                raise NotFound(f"there is no user {user_id}")

        await changed(self._writer, remove)

    async def find_user(self, text: str) -> User | None:
        """By id, else by username. Raises StoreUnavailable."""
        query = f"SELECT {_USER_COLUMNS} FROM users WHERE id = ? OR username = ? ORDER BY id <> ? LIMIT 1"
        rows = await self._rows(query, (text, text, text))
        return _user_of(rows[0]) if rows else None

    async def users(self) -> Sequence[User]:
        """All, by username. Raises StoreUnavailable."""
        return [_user_of(row) for row in await self._rows(f"SELECT {_USER_COLUMNS} FROM users ORDER BY username", ())]

    async def add_token(self, token: ApiToken) -> None:
        """Raises AlreadyExists, NotFound, StoreUnavailable."""

        def add(connection: sqlite3.Connection) -> None:
            if not connection.execute("SELECT 1 FROM users WHERE id = ?", (token.user_id,)).fetchone():
                raise NotFound(f"there is no user {token.user_id}")
            taken = AlreadyExists(f'there is a token "{token.name}" already')
            _unless_taken(connection, "INSERT INTO api_tokens VALUES (?, ?, ?, ?, ?, ?, ?)", _token_row(token), taken)

        await changed(self._writer, add)

    async def find_token(self, token_id: str) -> tuple[ApiToken, User] | None:
        """A token and whose it is. Raises StoreUnavailable."""
        query = (
            f"SELECT {_KEY_COLUMNS}, {_USER_COLUMNS} FROM api_tokens JOIN users ON users.id = user_id "
            "WHERE api_tokens.id = ?"
        )
        rows = await self._rows(query, (token_id,))
        return (_token_of(rows[0][:7]), _user_of(rows[0][7:])) if rows else None

    async def tokens(self, user_id: str | None = None) -> Sequence[ApiToken]:
        """Of one user, or all; by `created_at`, then `id`. Raises StoreUnavailable."""
        query = f"SELECT {_KEY_COLUMNS} FROM api_tokens WHERE ?1 IS NULL OR user_id = ?1 ORDER BY created_at, id"
        return [_token_of(row) for row in await self._rows(query, (user_id,))]

    async def remove_token(self, token_id: str) -> None:
        """Raises NotFound, StoreUnavailable."""

        def remove(connection: sqlite3.Connection) -> None:
            if not connection.execute("DELETE FROM api_tokens WHERE id = ?", (token_id,)).rowcount:
                raise NotFound(f"there is no token {token_id}")

        await changed(self._writer, remove)

    async def touch_token(self, token_id: str, used_at: datetime) -> None:
        """The latest use counts. Raises StoreUnavailable."""

        def touch(connection: sqlite3.Connection) -> None:
            query = "UPDATE api_tokens SET last_used_at = max(coalesce(last_used_at, ?1), ?1) WHERE id = ?2"
            connection.execute(query, (micros(used_at), token_id))

        await changed(self._writer, touch)

    async def _rows(self, query: str, values: Row) -> list[Row]:
        return await self._readers.run(lambda connection: connection.execute(query, values).fetchall())


def _unless_taken(connection: sqlite3.Connection, query: str, row: Row, taken: AlreadyExists) -> int:
    """How many rows changed. Raises `taken` if another row holds a unique value."""
    try:
        return connection.execute(query, row).rowcount
    except sqlite3.IntegrityError as error:
        raise taken from error


def _user_of(row: Row) -> User:
    return User(
        id=row[0],
        username=row[1],
        name=row[2],
        role=Role(row[3]),
        suspended=bool(row[4]),
        created_at=moment_of(row[5]),
    )


def _token_row(token: ApiToken) -> Row:
    return (
        token.id,
        token.user_id,
        token.name,
        token.digest,
        micros(token.created_at),
        micros(token.expires_at) if token.expires_at else None,
        micros(token.last_used_at) if token.last_used_at else None,
    )


def _token_of(row: Row) -> ApiToken:
    return ApiToken(
        id=row[0],
        user_id=row[1],
        name=row[2],
        digest=row[3],
        created_at=moment_of(row[4]),
        expires_at=maybe_moment_of(row[5]),
        last_used_at=maybe_moment_of(row[6]),
    )
