"""Users and tokens in memory.

Belongs here: what the identity contract says, in the plainest words. Never: hashing or caching.
"""

from collections.abc import Sequence
from datetime import datetime

import attrs
from attrs import Factory, frozen

from aibridge_core.identity import AlreadyExists, ApiToken, NotFound, User
from aibridge_core.tool_credentials import ToolCredential


@frozen
class MemoryIdentityStore:
    """Implements `aibridge_core.identity.IdentityStore`."""

    _users: dict[str, User] = Factory(dict)
    _tokens: dict[str, ApiToken] = Factory(dict)
    _credentials: dict[tuple[str, str], ToolCredential] = Factory(dict)
    """For MCP servers; they go with their user."""

    async def add_user(self, user: User) -> None:
        """Raises AlreadyExists."""
        if user.id in self._users:
            raise AlreadyExists(f"there is a user with the id {user.id}")
        self._refuse_taken_name(user)
        self._users[user.id] = user

    async def update_user(self, user: User) -> None:
        """Raises NotFound, AlreadyExists."""
        self._user(user.id)
        self._refuse_taken_name(user)
        self._users[user.id] = user

    async def remove_user(self, user_id: str) -> None:
        """Raises NotFound."""
        self._user(user_id)
        del self._users[user_id]
        for token in [token for token in self._tokens.values() if token.user_id == user_id]:
            del self._tokens[token.id]
        for place in [place for place in self._credentials if place[0] == user_id]:
            del self._credentials[place]

    async def find_user(self, text: str) -> User | None:
        """By id, else by username."""
        by_name = (user for user in self._users.values() if user.username == text)
        return self._users.get(text) or next(by_name, None)

    async def users(self) -> Sequence[User]:
        """All, by username."""
        return sorted(self._users.values(), key=lambda user: user.username)

    async def add_token(self, token: ApiToken) -> None:
        """Raises AlreadyExists, NotFound."""
        self._user(token.user_id)
        same_name = any((each.user_id, each.name) == (token.user_id, token.name) for each in self._tokens.values())
        if same_name or token.id in self._tokens:
            raise AlreadyExists(f'there is a token "{token.name}" already')
        self._tokens[token.id] = token

    async def find_token(self, token_id: str) -> tuple[ApiToken, User] | None:
        """A token and whose it is."""
        token = self._tokens.get(token_id)
        return (token, self._users[token.user_id]) if token else None

    async def tokens(self, user_id: str | None = None) -> Sequence[ApiToken]:
        """By `created_at`, then `id`."""
        found = (token for token in self._tokens.values() if user_id in (None, token.user_id))
        return sorted(found, key=lambda token: (token.created_at, token.id))

    async def remove_token(self, token_id: str) -> None:
        """Raises NotFound."""
        if self._tokens.pop(token_id, None) is None:
            raise NotFound(f"there is no token {token_id}")

    async def touch_token(self, token_id: str, used_at: datetime) -> None:
        """The latest use counts."""
        token = self._tokens.get(token_id)
        if token and (token.last_used_at is None or token.last_used_at < used_at):
            self._tokens[token_id] = attrs.evolve(token, last_used_at=used_at)

    def _user(self, user_id: str) -> User:
        if user_id not in self._users:
            raise NotFound(f"there is no user {user_id}")
        return self._users[user_id]

    def _refuse_taken_name(self, user: User) -> None:
        if any(each.username == user.username and each.id != user.id for each in self._users.values()):
            raise AlreadyExists(f'the username "{user.username}" is taken')
