"""Where a gateway token stands in a request.

Belongs here: reading headers. Never: checking the token (the Authenticator port).
"""

from aibridge_core.errors import Forbidden, Unauthenticated
from aibridge_core.headers import GATEWAY_TOKEN_HEADERS
from aibridge_core.intake import Caller
from aibridge_core.ports import Authenticator
from aibridge_core.wire import Headers, header

_MISSING = (
    "No gateway token. Send it as `Authorization: Bearer <token>` or `X-Api-Key: <token>`, or in `X-AIBridge-Token`"
    " if those carry a credential of your own. `aibridge tokens create` makes one."
)
_BYOK_OFF = (
    "Bring Your Own Key (BYOK) mode is not enabled. Send the gateway token as `Authorization: Bearer <token>` or"
    " `X-Api-Key: <token>`, or ask your administrator to enable it (AIBRIDGE_ALLOW_BYOK)."
)


async def authenticate(headers: Headers, authenticator: Authenticator, *, allow_byok: bool) -> Caller:
    """Who sends a request on an AI route. Raises Unauthenticated, Forbidden."""
    for name in GATEWAY_TOKEN_HEADERS:
        if token := header(headers, name):
            actor = await authenticator.authenticate(token)
            if not allow_byok:
                raise Forbidden(_BYOK_OFF)
            return Caller(actor=actor, token=token, own_credential=True)
    failure: Unauthenticated | None = None
    for token in _usual_places(headers):
        try:
            return Caller(actor=await authenticator.authenticate(token), token=token)
        except Unauthenticated as error:
            failure = error
    raise failure or Unauthenticated(_MISSING)


def _usual_places(headers: Headers) -> list[str]:
    """Tokens in the headers that SDKs send their key in. Some clients fill both."""
    found = []
    scheme, _, value = (header(headers, b"authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        found.append(value.strip())
    if key := header(headers, b"x-api-key"):
        found.append(key)
    return found
