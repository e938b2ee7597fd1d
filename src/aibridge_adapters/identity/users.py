"""What an administrator does with users and tokens, over any `IdentityStore`.

Belongs here: the rules of names, roles and expiry, and errors that say what to do. Never: SQL, HTTP or printing; the
command line and the REST API drive this.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from attrs import evolve

from aibridge_adapters.identity.tokens import NewToken, new_token, token_id_of
from aibridge_core.actors import Role
from aibridge_core.identity import ApiToken, IdentityStore, Invalid, NotFound, User
from aibridge_core.ports import Clock, NewId

_USERNAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_RESERVED = frozenset({"me"})
"""`initiator:me` means oneself."""
_MAX_NAME = 255
_MAX_TOKEN_NAME = 64


class Users:
    """Users and their tokens. Every method raises StoreUnavailable, and IdentityError if the change isn't possible.

    `user` arguments take an id or a username. It implements `aibridge_core.ports.UserDirectory`.
    """

    def __init__(self, identity: IdentityStore, clock: Clock, new_id: NewId) -> None:
        self._identity = identity
        self._clock = clock
        self._new_id = new_id

    async def create(self, username: str, *, name: str = "", role: Role = Role.MEMBER) -> User:
        """A new user. Raises Invalid, AlreadyExists."""
        _check_username(username)
        _check_text("display name", name, longest=_MAX_NAME)
        user = User(id=self._new_id(), username=username, name=name, role=role, created_at=self._clock.now())
        await self._identity.add_user(user)
        return user

    async def all(self) -> Sequence[User]:
        """Every user, by username."""
        return await self._identity.users()

    async def get(self, user: str) -> User:
        """One user. Raises NotFound."""
        found = await self._identity.find_user(user)
        if found is None:
            raise NotFound(f"there is no user {user!r}; `aibridge users list` shows all")
        return found

    async def find_user(self, text: str) -> str | None:
        """Id of the user with this id or username."""
        found = await self._identity.find_user(text)
        return found.id if found else None

    async def suspend(self, user: str) -> User:
        """Refuse all tokens of this user until `resume`. Raises NotFound."""
        return await self._update(evolve(await self.get(user), suspended=True))

    async def resume(self, user: str) -> User:
        """End a suspension. Raises NotFound."""
        return await self._update(evolve(await self.get(user), suspended=False))

    async def set_role(self, user: str, role: Role) -> User:
        """Change what this user may read. Raises NotFound."""
        return await self._update(evolve(await self.get(user), role=role))

    async def delete(self, user: str) -> User:
        """Remove a user with all tokens; interceptions stay. Raises NotFound."""
        found = await self.get(user)
        await self._identity.remove_user(found.id)
        return found

    async def create_token(self, user: str, *, name: str, expires_at: datetime | None = None) -> NewToken:
        """A new token of this user; its text is known now and never again. Raises NotFound, Invalid, AlreadyExists."""
        owner = await self.get(user)
        _check_text("token's name", name, longest=_MAX_TOKEN_NAME, shortest=1)
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise Invalid(f"a token can't expire in the past ({expires_at.isoformat()})")
        made = new_token(user_id=owner.id, name=name, created_at=now, expires_at=expires_at)
        await self._identity.add_token(made.token)
        return made

    async def tokens(self, user: str | None = None) -> Sequence[ApiToken]:
        """Tokens of one user, or of all, oldest first. Raises NotFound."""
        return await self._identity.tokens((await self.get(user)).id if user is not None else None)

    async def revoke(self, which: str) -> ApiToken:
        """Remove a token, named by its id, by `USERNAME/NAME`, or by its whole text. Raises NotFound."""
        token = await self._token(which)
        await self._identity.remove_token(token.id)
        return token

    async def _token(self, which: str) -> ApiToken:
        username, slash, name = which.partition("/")
        if slash:
            matches = [token for token in await self.tokens(username) if token.name == name]
            token = matches[0] if matches else None
        else:
            found = await self._identity.find_token(token_id_of(which) or which)
            token = found[0] if found else None
        if token is None:
            # The argument isn't repeated: it may be the whole text of a token.
            raise NotFound("there is no such token; `aibridge tokens list` shows all")
        return token

    async def _update(self, user: User) -> User:
        await self._identity.update_user(user)
        return user


def _check_username(username: str) -> None:
    if not _USERNAME.fullmatch(username):
        raise Invalid(f"the username {username!r} isn't 1 to 64 characters of a-z A-Z 0-9 . _ - @")
    if username in _RESERVED:
        raise Invalid(f"the username {username!r} is taken by the search language; choose another")
    if _is_uuid(username):
        raise Invalid("a username can't look like an id (a UUID): it could stand for somebody else's")


def _check_text(what: str, text: str, *, longest: int, shortest: int = 0) -> None:
    if not shortest <= len(text) <= longest or not text.isprintable():
        raise Invalid(f"the {what} {text!r} isn't {shortest} to {longest} printable characters")


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
