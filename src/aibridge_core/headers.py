"""Which headers pass. Everything does, both ways, unless a row here takes it out.

Belongs here: the deny-lists, each row with its reason. Never: an allow-list. A header that nobody knows yet passes.
"""

from collections.abc import Iterable

from attrs import frozen

from aibridge_core.wire import Headers, header

GATEWAY_TOKEN_HEADERS = (b"x-coder-ai-governance-token", b"x-aibridge-token")
"""With one of these the gateway token has a header of its own, and `Authorization` / `X-Api-Key` hold the user's
own upstream credential."""

_HOP_BY_HOP = dict.fromkeys(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    ),
    "hop-by-hop: RFC 9110, section 7.6.1",
)

NOT_UPSTREAM = {
    **_HOP_BY_HOP,
    b"sec-websocket-key": "belongs to one connection, as the next three do: RFC 6455, section 4.1",
    b"sec-websocket-version": "as sec-websocket-key",
    b"sec-websocket-extensions": "as sec-websocket-key",
    b"sec-websocket-protocol": "as sec-websocket-key; may hold a credential where a browser can't send another",
    b"host": "names the gateway; the upstream has its own",
    b"content-length": "set anew from the body that is sent",
    b"expect": "answered by the gateway's server",
    b"authorization": "holds the gateway token, or is sent as the credential that was chosen",
    b"x-api-key": "as authorization",
    b"x-coder-ai-governance-token": "the gateway token",
    b"x-aibridge-token": "the gateway token",
    b"coder-session-token": "the gateway token",
    b"x-coder-ai-governance-request-id": "correlates two gateways of one organisation",
    b"x-coder-agent-firewall-session-id": "for the audit trail only",
    b"x-coder-agent-firewall-sequence-number": "for the audit trail only",
    b"forwarded": "tells the provider about the organisation's network",
    b"x-forwarded-for": "as forwarded",
    b"x-forwarded-host": "as forwarded",
    b"x-forwarded-proto": "as forwarded",
    b"x-forwarded-port": "as forwarded",
    b"x-real-ip": "as forwarded",
}

NOT_WITH_A_CENTRAL_KEY = {
    b"anthropic-workspace-id": "chooses who pays; with a central key that is the operator's choice",
}

NOT_UPSTREAM_PREFIX = b"x-ai-bridge-actor"
"""Says who acts; only the gateway may say that."""

SIGNATURE_PREFIX = b"x-amz-"
"""Parts of a client's own AWS signature, of which one may be a secret; they don't go with a signature of ours."""

NOT_TO_CLIENT = {
    **_HOP_BY_HOP,
    b"sec-websocket-accept": "belongs to one connection, as the next two do: RFC 6455, section 4.2.2",
    b"sec-websocket-extensions": "as sec-websocket-accept",
    b"sec-websocket-protocol": "as sec-websocket-accept",
    b"alt-svc": "offers another way to the provider's origin, not to ours",
    b"strict-transport-security": "speaks for the provider's host name, not for ours",
}

_DENIED_UPSTREAM = frozenset(NOT_UPSTREAM)
_DENIED_WITH_A_CENTRAL_KEY = _DENIED_UPSTREAM.union(NOT_WITH_A_CENTRAL_KEY)
_DENIED_TO_CLIENT = frozenset(NOT_TO_CLIENT)


def for_upstream(headers: Headers, *, central_key: bool, drop: Iterable[bytes] = ()) -> Headers:
    """The client's headers that go on to a provider, in their order; `drop` names more to take out."""
    denied = (_DENIED_WITH_A_CENTRAL_KEY if central_key else _DENIED_UPSTREAM).union(
        _named_by_connection(headers), drop
    )
    return tuple([pair for pair in headers if pair[0] not in denied and not pair[0].startswith(NOT_UPSTREAM_PREFIX)])


@frozen(kw_only=True)
class HeaderFilter:
    """What one provider instance is not sent, because it refuses requests with it."""

    names: frozenset[bytes] = frozenset()
    """Lower-case."""
    betas: frozenset[str] = frozenset()
    """Values of `anthropic-beta`; the others of the same header go on."""

    def apply(self, headers: Headers) -> Headers:
        """The headers without."""
        if not (self.names or self.betas):
            return headers
        kept = ((name, self._value(name, value)) for name, value in headers if name not in self.names)
        return tuple((name, value) for name, value in kept if value is not None)

    def _value(self, name: bytes, value: bytes) -> bytes | None:
        """None if nothing is left of it; as it was if nothing goes."""
        if name != b"anthropic-beta" or not self.betas:
            return value
        asked = value.decode("latin-1").split(",")
        kept = [beta for beta in asked if beta.strip() not in self.betas]
        if len(kept) == len(asked):
            return value
        return ",".join(kept).strip().encode("latin-1") or None


NO_FILTER = HeaderFilter()


def for_client(headers: Headers, *, drop: Iterable[bytes] = ()) -> Headers:
    """The provider's answer headers that go on to the client; `drop` names more to take out."""
    denied = _DENIED_TO_CLIENT.union(_named_by_connection(headers), drop)
    return tuple([pair for pair in headers if pair[0] not in denied])


def accepted_codings(value: str, supported: Iterable[str]) -> str:
    """An `Accept-Encoding` value without the codings that the gateway couldn't read (RFC 9110, section 12.5.3).

    Tokens keep their spelling, weights and order; `identity` and `*;q=0` stay, a `*` that invites anything goes.
    """
    known = {"identity", *supported}
    kept = []
    for element in value.split(","):
        coding, _, weight = element.strip().lower().partition(";")
        if coding.strip() in known or (coding.strip() == "*" and weight.replace(" ", "") in ("q=0", "q=0.0")):
            kept.append(element.strip())
    return ", ".join(kept) or "identity"


def _named_by_connection(headers: Headers) -> set[bytes]:
    value = header(headers, b"connection")
    return {name.strip().lower().encode("latin-1") for name in value.split(",")} if value else set()
