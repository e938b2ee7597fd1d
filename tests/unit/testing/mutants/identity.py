"""Mistakes about users and tokens."""

from datetime import datetime

import anyio.lowlevel
import attrs

from aibridge_core.identity import ApiToken, User
from aibridge_core.testing.memory_identity import MemoryIdentityStore
from unit.testing.mutants.mutant import Mutant


class NamesAreForEverybody(MemoryIdentityStore):
    def _refuse_taken_name(self, user: User) -> None:
        pass


class NamesRace(MemoryIdentityStore):
    async def add_user(self, user: User) -> None:
        self._refuse_taken_name(user)
        await anyio.lowlevel.checkpoint()
        self._users[user.id] = user


class NamesBeforeIds(MemoryIdentityStore):
    async def find_user(self, text: str) -> User | None:
        by_name = [user for user in await self.users() if user.username == text]
        return by_name[0] if by_name else await super().find_user(text)


class NamesIgnoreCase(MemoryIdentityStore):
    async def find_user(self, text: str) -> User | None:
        return await super().find_user(text.lower())


class TokensOutliveTheirUser(MemoryIdentityStore):
    async def remove_user(self, user_id: str) -> None:
        self._user(user_id)
        del self._users[user_id]


class LastUseGoesBack(MemoryIdentityStore):
    async def touch_token(self, token_id: str, used_at: datetime) -> None:
        if token_id in self._tokens:
            self._tokens[token_id] = attrs.evolve(self._tokens[token_id], last_used_at=used_at)


class TokensOfNobody(MemoryIdentityStore):
    async def add_token(self, token: ApiToken) -> None:
        self._tokens[token.id] = token


class CredentialsOutliveTheirUser(MemoryIdentityStore):
    async def remove_user(self, user_id: str) -> None:
        credentials = dict(self._credentials)
        await super().remove_user(user_id)
        self._credentials.update(credentials)


MUTANTS = (
    Mutant(mistake="names are not unique", identity=NamesAreForEverybody, caught_by="test_usernames_are_unique"),
    Mutant(mistake="names race", identity=NamesRace, caught_by="test_one_of_many_gets_the_name"),
    Mutant(mistake="a name goes before an id", identity=NamesBeforeIds, caught_by="test_an_id_goes_before_a_username"),
    Mutant(mistake="names ignore case", identity=NamesIgnoreCase, caught_by="test_unknown_users"),
    Mutant(
        mistake="tokens outlive users", identity=TokensOutliveTheirUser, caught_by="test_users_go_with_their_tokens"
    ),
    Mutant(
        mistake="credentials outlive their user",
        identity=CredentialsOutliveTheirUser,
        caught_by="test_credentials_go_with_their_user",
    ),
    Mutant(mistake="the last use goes back", identity=LastUseGoesBack, caught_by="test_the_last_use_is_noted"),
    Mutant(mistake="tokens of nobody", identity=TokensOfNobody, caught_by="test_token_names_are_unique_for_a_user"),
)
