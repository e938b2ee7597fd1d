"""From the text of `q` to what the store is asked for, as a certain caller may ask it.

Belongs here: who `initiator` means, and who may ask for whom. Never: the grammar of `q` (`aibridge_core.search`).
"""

from collections.abc import Callable
from typing import TypeVar

from attrs import evolve, frozen

from aibridge_adapters.http.rest.operations import Call
from aibridge_adapters.http.rest.parameters import is_uuid
from aibridge_adapters.http.rest.problems import invalid
from aibridge_adapters.http.rest.shapes import Validation
from aibridge_core.ports import InterceptionStore, UserDirectory
from aibridge_core.records import InterceptionFilter
from aibridge_core.search import InvalidSearch, parse_clients, parse_interceptions, parse_models

INVALID_INTERCEPTION_SEARCH = "Invalid workspace search query."
"""Not a slip: other programs know this error by its historic text."""

T = TypeVar("T")


@frozen
class Search:
    """Reads searches for interceptions."""

    store: InterceptionStore
    directory: UserDirectory

    async def interceptions(self, q: str, call: Call) -> InterceptionFilter:
        """The filter, confined to what the caller may see. Raises Problem."""
        query = _parsed(parse_interceptions, q, INVALID_INTERCEPTION_SEARCH)
        if query.initiator is None:
            return evolve(query.where, initiator_id=call.sees_only)
        initiator_id = await self._initiator(query.initiator, call)
        if initiator_id is None:
            detail = f'user "{query.initiator}" either does not exist, or you are unauthorized to view them'
            raise invalid(INVALID_INTERCEPTION_SEARCH, Validation(field="initiator", detail=detail))
        return evolve(query.where, initiator_id=initiator_id)

    async def _initiator(self, text: str, call: Call) -> str | None:
        """Id of a user whom the caller may see; None if there is none.

        Members get the same answer, as fast, for users who exist and who don't. People whom the directory has
        forgotten are still found by what they left in the trail.
        """
        text = text.lower() if is_uuid(text) else text
        if text in ("me", call.actor.id, call.actor.username):
            return call.actor.id
        if call.sees_only is not None:
            return None
        return await self.directory.find_user(text) or await self.store.find_initiator(text)


def model_prefix(q: str) -> str:
    """How the models begin. Raises Problem."""
    return _parsed(parse_models, q, "Invalid model search query.")


def client_prefix(q: str) -> str:
    """How the clients begin. Raises Problem."""
    return _parsed(parse_clients, q, "Invalid client search query.")


def _parsed(parse: Callable[[str], T], q: str, message: str) -> T:
    try:
        return parse(q)
    except InvalidSearch as error:
        faults = [Validation(field=each.field, detail=each.detail) for each in error.validations]
        raise invalid(message, *faults) from None
