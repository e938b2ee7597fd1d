"""Users and their gateway tokens, and the store that keeps them.

Belongs here: values and the port of the bundled identity store. Never: hashing or caching (adapters/identity). A
library user who brings another `Authenticator` needs nothing of this file.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from attrs import field, frozen

from aibridge_core.actors import Role


@frozen(kw_only=True)
class User:
    """A person or service known to the gateway."""

    id: str
    username: str
    """Unique, 1 to 64 characters of `a-z A-Z 0-9 . _ - @`."""
    name: str = ""
    role: Role = Role.MEMBER
    suspended: bool = False
    """A suspended user's tokens are refused."""
    created_at: datetime


@frozen(kw_only=True)
class ApiToken:
    """A gateway token as it is kept: its secret only as a hash."""

    id: str
    """Public, part of the token's text, recorded as `api_key_id`."""
    user_id: str
    name: str
    """Unique per user."""
    digest: bytes = field(repr=False)
    """SHA-256 of the whole token text."""
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


class IdentityError(Exception):
    """A change of users or tokens that isn't possible; the message says why."""


class Invalid(IdentityError):
    """A value that breaks a rule, such as that of usernames."""


class AlreadyExists(IdentityError):
    """The username, or the token's name, is taken."""


class NotFound(IdentityError):
    """No such user or token."""


class IdentityStore(Protocol):
    """Keeps users and tokens. Every method raises `aibridge_core.errors.StoreUnavailable`."""

    async def add_user(self, user: User) -> None:
        """Raises AlreadyExists."""
        ...

    async def update_user(self, user: User) -> None:
        """Replace the user with this id. Raises NotFound, AlreadyExists."""
        ...

    async def remove_user(self, user_id: str) -> None:
        """With all tokens. Interceptions stay. Raises NotFound."""
        ...

    async def find_user(self, text: str) -> User | None:
        """By id or by username."""
        ...

    async def users(self) -> Sequence[User]:
        """All, by username."""
        ...

    async def add_token(self, token: ApiToken) -> None:
        """Raises AlreadyExists if the user has one of this name, NotFound if there is no such user."""
        ...

    async def find_token(self, token_id: str) -> tuple[ApiToken, User] | None:
        """A token and whose it is."""
        ...

    async def tokens(self, user_id: str | None = None) -> Sequence[ApiToken]:
        """Of one user, or all; by `created_at`."""
        ...

    async def remove_token(self, token_id: str) -> None:
        """Raises NotFound."""
        ...

    async def touch_token(self, token_id: str, used_at: datetime) -> None:
        """Note the last use; unknown ids are ignored."""
        ...
