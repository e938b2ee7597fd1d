"""Users and their tokens on PostgreSQL.

Belongs here: the IdentityStore port in SQL. Never: hashing or caching.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
from attrs import frozen

from aibridge_adapters.storage.postgres.columns import MOMENT, moment, text_of
from aibridge_adapters.storage.postgres.connecting import Connection
from aibridge_adapters.storage.postgres.pool import Pool
from aibridge_adapters.storage.rows import Row, maybe_moment_of, micros, moment_of
from aibridge_core.actors import Role
from aibridge_core.identity import AlreadyExists, ApiToken, IdentityError, NotFound, User


def _micros(column: str) -> str:
    return f"(extract(epoch FROM {column}) * 1000000)::bigint"


_USER_COLUMNS = f"users.id, username, users.name, role, suspended, {_micros('users.created_at')}"
_KEY_COLUMNS = (
    "api_tokens.id, user_id, api_tokens.name, digest, "
    f"{_micros('api_tokens.created_at')}, {_micros('expires_at')}, {_micros('last_used_at')}"
)
_MAYBE = f"CASE WHEN %s THEN {MOMENT} END"


@frozen
class PostgresIdentityStore:
    """Implements `aibridge_core.identity.IdentityStore`."""

    _pool: Pool

    async def add_user(self, user: User) -> None:
        """Raises AlreadyExists, StoreUnavailable."""
        query = (
            "INSERT INTO users (id, username, name, role, suspended, created_at) "
            f"VALUES (%s, %s, %s, %s, %s, {MOMENT}) ON CONFLICT DO NOTHING"
        )
        taken = AlreadyExists(f'there is a user "{user.username}", or one with the id {user.id}, already')
        await self._change(query, (user.id, *_user_row(user)), otherwise=taken)

    async def update_user(self, user: User) -> None:
        """Raises NotFound, AlreadyExists, StoreUnavailable."""
        query = (
            f"UPDATE users SET username = %s, name = %s, role = %s, suspended = %s, created_at = {MOMENT} WHERE id = %s"
        )
        taken = AlreadyExists(f'the username "{user.username}" is taken')
        await self._change(query, (*_user_row(user), user.id), otherwise=_no_user(user.id), if_taken=taken)

    async def remove_user(self, user_id: str) -> None:
        """Raises NotFound, StoreUnavailable."""
        await self._change("DELETE FROM users WHERE id = %s", (user_id,), otherwise=_no_user(user_id))

    async def find_user(self, text: str) -> User | None:
        """By id, else by username. Raises StoreUnavailable."""
        query = f"SELECT {_USER_COLUMNS} FROM users WHERE id = %s OR username = %s ORDER BY id <> %s LIMIT 1"
        rows = await self._rows(query, (text, text, text))
        return _user_of(rows[0]) if rows else None

    async def users(self) -> Sequence[User]:
        """All, by username. Raises StoreUnavailable."""
        return [_user_of(row) for row in await self._rows(f"SELECT {_USER_COLUMNS} FROM users ORDER BY username", ())]

    async def add_token(self, token: ApiToken) -> None:
        """Raises AlreadyExists, NotFound, StoreUnavailable."""
        query = (
            "INSERT INTO api_tokens (id, user_id, name, digest, created_at, expires_at, last_used_at) "
            f"VALUES (%s, %s, %s, %s, {MOMENT}, {_MAYBE}, {_MAYBE}) ON CONFLICT DO NOTHING"
        )
        taken = AlreadyExists(f'there is a token "{token.name}" already')
        await self._change(query, _token_row(token), otherwise=taken, if_orphan=_no_user(token.user_id))

    async def find_token(self, token_id: str) -> tuple[ApiToken, User] | None:
        """A token and whose it is. Raises StoreUnavailable."""
        query = (
            f"SELECT {_KEY_COLUMNS}, {_USER_COLUMNS} FROM api_tokens JOIN users ON users.id = user_id "
            "WHERE api_tokens.id = %s"
        )
        rows = await self._rows(query, (token_id,))
        return (_token_of(rows[0][:7]), _user_of(rows[0][7:])) if rows else None

    async def tokens(self, user_id: str | None = None) -> Sequence[ApiToken]:
        """Of one user, or all; by `created_at`, then `id`. Raises StoreUnavailable."""
        where, values = ("WHERE user_id = %s", (user_id,)) if user_id is not None else ("", ())
        query = f"SELECT {_KEY_COLUMNS} FROM api_tokens {where} ORDER BY api_tokens.created_at, api_tokens.id"
        return [_token_of(row) for row in await self._rows(query, values)]

    async def remove_token(self, token_id: str) -> None:
        """Raises NotFound, StoreUnavailable."""
        unknown = NotFound(f"there is no token {token_id}")
        await self._change("DELETE FROM api_tokens WHERE id = %s", (token_id,), otherwise=unknown)

    async def touch_token(self, token_id: str, used_at: datetime) -> None:
        """The latest use counts. Raises StoreUnavailable."""
        query = f"UPDATE api_tokens SET last_used_at = greatest(last_used_at, {MOMENT}) WHERE id = %s"
        await self._change(query, (*moment(micros(used_at)), token_id))

    async def _change(
        self,
        query: str,
        values: Sequence[Any],
        *,
        otherwise: IdentityError | None = None,
        if_taken: IdentityError | None = None,
        if_orphan: IdentityError | None = None,
    ) -> None:
        """Run a statement. Raises `otherwise` if it changes nothing, the others if it breaks a constraint."""

        async def change(connection: Connection) -> None:
            try:
                changed = (await connection.execute(query, text_of(tuple(values)))).rowcount
            except (psycopg.errors.UniqueViolation, psycopg.errors.ForeignKeyViolation) as error:
                known = if_taken if isinstance(error, psycopg.errors.UniqueViolation) else if_orphan
                raise known or error from error
            if not changed and otherwise:
                raise otherwise

        await self._pool.change(change)

    async def _rows(self, query: str, values: Sequence[Any]) -> Sequence[Row]:
        async def rows(connection: Connection) -> Sequence[Row]:
            return await (await connection.execute(query, text_of(tuple(values)))).fetchall()

        return await self._pool.read(rows)


def _no_user(user_id: str) -> NotFound:
    return NotFound(f"there is no user {user_id}")


def _user_row(user: User) -> Row:
    """All but the id."""
    return (user.username, user.name, user.role.value, user.suspended, *moment(micros(user.created_at)))


def _user_of(row: Row) -> User:
    return User(
        id=row[0],
        username=row[1],
        name=row[2],
        role=Role(row[3]),
        suspended=row[4],
        created_at=moment_of(row[5]),
    )


def _token_row(token: ApiToken) -> Row:
    times = (*moment(micros(token.created_at)), *_maybe(token.expires_at), *_maybe(token.last_used_at))
    return (token.id, token.user_id, token.name, token.digest, *times)


def _maybe(time: datetime | None) -> Row:
    """What `_MAYBE` takes."""
    return (time is not None, *moment(micros(time) if time else 0))


def _token_of(row: Row) -> ApiToken:
    return ApiToken(
        id=row[0],
        user_id=row[1],
        name=row[2],
        digest=bytes(row[3]),
        created_at=moment_of(row[4]),
        expires_at=maybe_moment_of(row[5]),
        last_used_at=maybe_moment_of(row[6]),
    )
