"""Telling providers who asks: headers that the gateway adds to bridged requests, if it is told to.

Belongs here: their names, which ones are taken, and how a value is written. Never: which requests get them (`intake`).
"""

import re
from urllib.parse import quote

from attrs import field, frozen

from aibridge_core.actors import Actor
from aibridge_core.headers import NOT_UPSTREAM, NOT_UPSTREAM_PREFIX
from aibridge_core.wire import Headers

ID = "X-AI-Bridge-Actor-ID"
USERNAME = "X-AI-Bridge-Actor-Metadata-Username"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, section 5.6.2."""
_VISIBLE = "".join(map(chr, range(0x20, 0x7F)))

_CREDENTIALS = frozenset((b"api-key", b"cookie", b"set-cookie", b"x-auth-token"))
_OF_HTTP = frozenset((b"accept", b"accept-encoding", b"accept-language", b"date", b"range", b"user-agent"))
_OF_TRACES = frozenset((b"baggage", b"traceparent", b"tracestate"))
_OF_CLIENTS = frozenset((b"idempotency-key", b"x-request-id"))
_RESERVED = frozenset(NOT_UPSTREAM) | _CREDENTIALS | _OF_HTTP | _OF_TRACES | _OF_CLIENTS
"""Names that mean something else on the way: who sends them loses what they say, and providers misread it."""
_RESERVED_PREFIXES = (
    b"anthropic-",  # the version and betas of a request, and who pays
    b"chatgpt-",  # the account of a login
    b"content-",
    b"openai-",  # organisation, project, betas
    b"proxy-",
    b"sec-",
    b"x-amz-",  # parts of AWS's signature
    b"x-coder-agent-firewall-",
    b"x-forwarded-",
    b"x-stainless-",  # what SDKs say of themselves, their timeout among it
)


def problem_with(name: str) -> str:
    """Why a header can't be used for this; empty if it can."""
    if not _TOKEN.fullmatch(name):
        return "is not the name of a header"
    lower = name.lower().encode("ascii")
    ours = lower.startswith(NOT_UPSTREAM_PREFIX) and lower not in (ID.lower().encode(), USERNAME.lower().encode())
    if ours or lower in _RESERVED or lower.startswith(_RESERVED_PREFIXES):
        return "is reserved: it means something else on the way"
    return ""


@frozen(kw_only=True)
class ActorHeaders:
    """What is added; an empty name adds nothing."""

    id_name: str = ""
    username_name: str = ""
    _names: frozenset[bytes] = field(init=False, repr=False)

    @_names.default
    def _own(self) -> frozenset[bytes]:
        return frozenset(name.lower().encode("ascii") for name in (self.id_name, self.username_name) if name)

    def onto(self, headers: Headers, actor: Actor) -> Headers:
        """The headers of a request to a provider, with these. A client can't say them for itself."""
        if not self._names:
            return headers
        said = ((self.id_name, actor.id), (self.username_name, actor.username))
        added = tuple((name.lower().encode("ascii"), _written(value)) for name, value in said if name)
        return (*(kept for kept in headers if kept[0] not in self._names), *added)


def _written(value: str) -> bytes:
    """As it is if it is plain ASCII, else percent-encoded: what else a header may hold is nobody's agreement."""
    return quote(value, safe=_VISIBLE.replace("%", "") if not value.isascii() else _VISIBLE).encode("ascii")


NO_ACTOR_HEADERS = ActorHeaders()
