"""Who calls the API in these tests, and fakes of the ports that know them."""

from aibridge_core.actors import Actor, Role
from aibridge_core.errors import Forbidden, Unauthenticated

ANN = Actor(id="11111111-1111-7111-8111-111111111111", username="ann", name="Ann Ångström", api_key_id="key-ann")
BOB = Actor(id="22222222-2222-7222-8222-222222222222", username="bob", name="Bob")
AUDITOR = Actor(
    id="33333333-3333-7333-8333-333333333333", username="carol", name="Carol", role=Role.AUDITOR, api_key_id="key-carol"
)
ADMIN = Actor(id="44444444-4444-7444-8444-444444444444", username="dora", name="Dora", role=Role.ADMIN)
NOBODY = Actor(id="55555555-5555-7555-8555-555555555555", username="eve", name="Eve")
"""Knows the way in, but has never sent a request."""

PEOPLE = (ANN, BOB, AUDITOR, ADMIN, NOBODY)
BARRED = "token-of-a-barred-user"


def token(actor: Actor) -> str:
    """The gateway token of one of these people."""
    return f"token-of-{actor.username}"


class Tokens:
    """An Authenticator with one token for each."""

    async def authenticate(self, token_text: str) -> Actor:
        """Raises Unauthenticated, and Forbidden for the barred one."""
        if token_text == BARRED:
            raise Forbidden("This user may not read the audit trail.")
        for actor in PEOPLE:
            if token(actor) == token_text:
                return actor
        raise Unauthenticated("This token is not valid.")


class Directory:
    """A UserDirectory of the same people."""

    async def find_user(self, text: str) -> str | None:
        """By id or username."""
        return next((actor.id for actor in PEOPLE if text in (actor.id, actor.username)), None)
