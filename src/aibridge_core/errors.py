"""What can go wrong, as a tree by whose fault it is.

    BridgeError
    ├─ ClientFault            the request can't be served as it is
    │  ├─ MalformedRequest        400  ├─ RequestTooLarge     413
    │  ├─ Unauthenticated         401  ├─ UpgradeRefused      426
    │  ├─ Forbidden               403  ├─ UnsupportedCoding   415
    │  ├─ RouteNotFound           404  └─ NotSupported        501
    │  ├─ MethodNotAllowed        405
    │  ├─ RequestTooSlow          408
    │  └─ RateLimited             429
    ├─ OperatorFault          the gateway's configuration is at fault
    │  ├─ NoUpstreamCredential    502
    │  ├─ ProviderDisabled        503
    │  ├─ TooManyTools            502
    │  └─ TurnLimitReached        502
    ├─ UpstreamFault          the provider, or the way to it
    │  ├─ UpstreamUnreachable     502
    │  ├─ UpstreamTimeout         504
    │  ├─ UpstreamBroken          502  (an answer that can't be used to its end)
    │  │  └─ UpstreamCut              (its connection ended first)
    │  ├─ KeysRateLimited         429  (all central keys of a provider rest)
    │  ├─ KeysUnauthorized        502  (none of them is valid)
    │  ├─ CircuitOpen             503
    │  ├─ UpstreamRefused         502  (an error status after a tool call, when the client's answer has begun)
    │  └─ UnusableToolCall        502  (a call of an injected tool that can't be run, in place of an answer)
    └─ GatewayFault           our own
       ├─ RecordingFailed         503
       ├─ IdentityUnavailable     503
       ├─ LimitsUnavailable       503
       ├─ ShuttingDown            503
       ├─ AtCapacity              503
       └─ InternalError           500

Each class says the HTTP status, the `error_type` that is recorded, and whether a client should try again. The
message is public: it reaches the client and the audit trail, so it never holds a secret or a traceback.
"""

from math import ceil
from typing import ClassVar


class BridgeError(Exception):
    """Base of everything the gateway answers with itself."""

    status: ClassVar[int] = 500
    error_type: ClassVar[str] = "server_error"
    """Recorded on the interception; see `aibridge_core.records.ErrorType`."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Answer headers that belong to this error, lower-case."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        """`retry_after`: seconds until another try may pass; clients are told whole ones (RFC 9110, section 10.2.3)."""
        super().__init__(message)
        self.message = message
        if retry_after is not None:
            self.headers = (*self.headers, (b"retry-after", b"%d" % max(1, ceil(retry_after))))


class ClientFault(BridgeError):
    """The client has to change its request."""

    status = 400
    error_type = "bad_request"


class MalformedRequest(ClientFault):
    """The body isn't what this API takes; the message says where."""


class Unauthenticated(ClientFault):
    """No token, or one that isn't valid.

    `x-should-retry: false` makes Claude Code stop at once instead of retrying for minutes.
    """

    status = 401
    error_type = "unauthorized"
    headers = ((b"www-authenticate", b'Bearer realm="aibridge"'), (b"x-should-retry", b"false"))


class Forbidden(ClientFault):
    """A known user who may not do this."""

    status = 403
    error_type = "unauthorized"
    headers = ((b"x-should-retry", b"false"),)


class RouteNotFound(ClientFault):
    """No such provider, or a route that this provider type does not serve."""

    status = 404


class MethodNotAllowed(ClientFault):
    """A route that was asked with another method than its own; on bridged ones that is POST."""

    status = 405

    def __init__(self, message: str, *, allowed: str = "POST") -> None:
        """`allowed`: the method that is served (RFC 9110, section 15.5.6)."""
        super().__init__(message)
        self.headers = ((b"allow", allowed.encode("ascii")),)


class RequestTooLarge(ClientFault):
    """The body passes the configured maximum."""

    status = 413
    headers = ((b"x-should-retry", b"false"),)


class RequestTooSlow(ClientFault):
    """The body doesn't come, or so slowly that it only keeps a place (RFC 9110, section 15.5.9)."""

    status = 408
    headers = ((b"x-should-retry", b"false"),)


class UnsupportedCoding(ClientFault):
    """A body in a content coding that can't be read; `Accept-Encoding` says which can (RFC 9110, section 15.5.16)."""

    status = 415
    headers = ((b"accept-encoding", b"gzip, deflate, br, zstd"),)


class UpgradeRefused(ClientFault):
    """A WebSocket upgrade. 426 makes Codex go on over HTTP within a second; other statuses cost it several."""

    status = 426
    headers = ((b"upgrade", b"HTTP/1.1"), (b"x-should-retry", b"false"))


class NotSupported(ClientFault):
    """Something of the API that the gateway does not relay."""

    status = 501
    headers = ((b"x-should-retry", b"false"),)


class RateLimited(ClientFault):
    """More requests than one person, or all together, may make."""

    status = 429
    error_type = "rate_limited"


class OperatorFault(BridgeError):
    """The gateway's operator has to change something."""

    status = 502


class NoUpstreamCredential(OperatorFault):
    """Neither a central key nor one of the user's own."""

    headers = ((b"x-should-retry", b"false"),)


class ProviderDisabled(OperatorFault):
    """The operator has switched this provider off."""

    status = 503
    headers = ((b"x-should-retry", b"false"),)


class TooManyTools(OperatorFault):
    """More tools than the provider takes, the client's and the injected ones together."""

    headers = ((b"x-should-retry", b"false"),)


class TurnLimitReached(OperatorFault):
    """The model went on calling injected tools."""

    headers = ((b"x-should-retry", b"false"),)


class UpstreamFault(BridgeError):
    """The provider, or the network on the way to it."""

    status = 502
    error_type = "connection_error"


class UpstreamUnreachable(UpstreamFault):
    """No connection, or one that closed before an answer began."""


class UpstreamTimeout(UpstreamFault):
    """The provider did not connect, answer or go on within the configured time."""

    status = 504
    error_type = "timeout"


class UpstreamBroken(UpstreamFault):
    """The answer began and broke off, or is none: the request was read, so nobody sends it again."""


class UpstreamCut(UpstreamBroken):
    """The connection ended in the middle of the answer. So does the client's, if it had some of it.

    Clients come again after a connection that broke off, as they do without a gateway. Some give up on an error event:
    Continue, OpenCode and Pi look for words in it that tell them otherwise, each for words of its own.
    """


class KeysRateLimited(UpstreamFault):
    """The provider has asked every central key to wait."""

    status = 429
    error_type = "rate_limited"


class KeysUnauthorized(UpstreamFault):
    """The provider takes none of the central keys. Who tries again at once only makes their people wait."""

    error_type = "unauthorized"
    headers = ((b"x-should-retry", b"false"),)


class CircuitOpen(UpstreamFault):
    """The provider has failed too often lately, and is left alone."""

    status = 503
    error_type = "overloaded"


class UpstreamRefused(UpstreamFault):
    """A later turn of a tool loop was answered with an error status."""

    error_type = "server_error"


class UnusableToolCall(UpstreamFault):
    """The model called an injected tool with arguments that are not a JSON object. Asked again, it may do better."""

    error_type = "unknown"


class GatewayFault(BridgeError):
    """Our own failure."""


class RecordingFailed(GatewayFault):
    """The audit trail can't be written, so nothing is relayed."""

    status = 503
    headers = ((b"retry-after", b"1"),)


class IdentityUnavailable(GatewayFault):
    """Nobody can be authenticated, because users and tokens can't be read. Not a refusal: another try may pass."""

    status = 503
    headers = ((b"retry-after", b"1"),)


class LimitsUnavailable(GatewayFault):
    """Limits are shared by all replicas, and nobody can tell what the others let in. Another try may pass."""

    status = 503
    headers = ((b"retry-after", b"1"),)


class ShuttingDown(GatewayFault):
    """This process is about to end; another try reaches its successor."""

    status = 503
    headers = ((b"retry-after", b"1"),)


class AtCapacity(GatewayFault):
    """As many requests run as this process may have; another try, or another replica, may take it."""

    status = 503
    error_type = "overloaded"
    headers = ((b"retry-after", b"1"),)


class InternalError(GatewayFault):
    """A defect of the gateway. Details are in its log, never in the answer."""


class StoreError(Exception):
    """Reading the audit trail failed."""


class StoreUnavailable(StoreError):
    """The database does not answer."""


class UnknownCursor(StoreError):
    """A pagination cursor that names no interception."""
