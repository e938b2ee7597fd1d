"""What a provider is to the gateway: a configured instance of a kind.

Belongs here: its settings, and credentials by table. Never: a rule of one kind; each has its own file.
"""

from collections.abc import Sequence

from attrs import evolve, field, frozen

from aibridge_core.actors import Credential, CredentialKind
from aibridge_core.errors import Forbidden, NoUpstreamCredential
from aibridge_core.headers import NO_FILTER, HeaderFilter
from aibridge_core.keys import KeyPool, Keys, KeyWalk, OneCredential
from aibridge_core.providers.routes import Route
from aibridge_core.providers.translating import Translator, Untranslated
from aibridge_core.signing import Signer
from aibridge_core.wire import Headers, header


@frozen
class CredentialPlace:
    """A header that carries a credential of this kind of provider."""

    header: bytes
    scheme: str = ""
    """E.g. `Bearer`; empty if the value is the bare key."""

    def value(self, secret: str) -> bytes:
        """The header value for a secret."""
        return (f"{self.scheme} {secret}" if self.scheme else secret).encode("latin-1")

    def secret(self, headers: Headers) -> str | None:
        """The secret in these headers, if there is one."""
        text = header(headers, self.header)
        if not text:
            return None
        if not self.scheme:
            return text
        scheme, _, secret = text.partition(" ")
        return secret.strip() or None if scheme.lower() == self.scheme.lower() else None


@frozen(kw_only=True)
class ProviderKind:
    """What all instances of one type share."""

    prefix: str = ""
    """Part of the client's path, after the provider's name, that the base URL already holds."""
    routes: tuple[Route, ...]
    dialect: str
    """The one whose error shape is used where no route tells."""
    failing: frozenset[int] = frozenset((429, 503, 504))
    """Statuses that count against a provider in a circuit breaker; other errors say nothing of its health."""
    places: tuple[CredentialPlace, ...]
    """Where users may put a credential of their own, in order; the first is used for the central key."""
    has_central_keys: bool = True
    """Whether an organisation may pay for its people; if not, they always bring their own credential."""


@frozen(kw_only=True)
class Provider:
    """A configured instance."""

    name: str
    type: str
    base_url: str
    kind: ProviderKind
    keys: Sequence[str] = field(default=(), repr=False)
    """Central keys. One is simply used; of several, a pool chooses."""
    pool: KeyPool | None = field(default=None, repr=False, eq=False)
    """Of the same keys, if there are several."""
    signer: Signer | None = field(default=None, repr=False, eq=False)
    """Authorises requests where there is no key."""
    translator: Translator = field(factory=Untranslated, eq=False)
    websockets: bool = False
    """Whether it is known to take the Responses API over a WebSocket."""
    enabled: bool = True
    """A disabled one is known, and asked by nobody."""
    allow_byok: bool = True
    """Whether users may bring a credential of their own."""
    filter: HeaderFilter = NO_FILTER
    """What it is not sent."""

    def route(self, path: str) -> Route | None:
        """The route of a path that begins after the provider's name; None if this kind doesn't serve it."""
        below = self._below(path)
        if below is None or _climbs(below):
            return None
        return next((route for route in self.kind.routes if route.fits(below)), None)

    def url(self, path: str, query: bytes) -> str:
        """Where a path goes upstream, its query kept as it is."""
        below = self._below(path) or ""
        url = self.base_url.rstrip("/") + below
        return f"{url}?{query.decode('latin-1')}" if query else url

    def credential(self, headers: Headers, *, own: bool, gateway_token: str = "") -> Credential:
        """The credential for a request. Raises NoUpstreamCredential, Forbidden.

        `own`: the client may have sent one of its own. The gateway's token is never taken for one.
        """
        if own:
            for place in self.kind.places:
                secret = place.secret(headers)
                if secret and secret != gateway_token:
                    if not self.allow_byok:
                        raise Forbidden(f'Bring Your Own Key (BYOK) mode is not enabled for provider "{self.name}".')
                    return _credential(CredentialKind.BYOK, place, secret)
        if self.keys:
            return _credential(CredentialKind.CENTRALIZED, self.kind.places[0], self.keys[0])
        if self.signer:
            return signed(self.signer)
        raise NoUpstreamCredential(self._what_is_missing())

    def with_key(self, key: str, pool: KeyPool | None = None) -> "Provider":
        """The same with one key alone, which may be in a pool of its own."""
        return evolve(self, keys=(key,), pool=pool)

    def _what_is_missing(self) -> str:
        """And what to do about it."""
        places = " or ".join(place.header.decode().title() for place in self.kind.places)
        own = f"send your own in {places} together with the gateway token in X-AIBridge-Token."
        if not self.kind.has_central_keys:
            return f'Provider "{self.name}" takes each user\'s own token only: {own}'
        instead = f", or {own}" if self.allow_byok else "."
        return f'Provider "{self.name}" has no key. Ask your administrator to configure one{instead}'

    def keys_for(self, headers: Headers, session: str, *, own: bool, gateway_token: str) -> Keys:
        """Which credentials the upstream calls of a request may carry. Raises NoUpstreamCredential."""
        credential = self.credential(headers, own=own, gateway_token=gateway_token)
        if credential.kind is CredentialKind.BYOK or self.pool is None:
            return OneCredential(credential)
        place = self.kind.places[0]
        return KeyWalk(self.pool, session, lambda secret: _credential(CredentialKind.CENTRALIZED, place, secret))

    def _below(self, path: str) -> str | None:
        if not path.startswith(self.kind.prefix):
            return None
        below = path[len(self.kind.prefix) :]
        return below if below.startswith("/") else None


def _credential(kind: CredentialKind, place: CredentialPlace, secret: str) -> Credential:
    return Credential(kind=kind, header=place.header, value=place.value(secret), secret=secret)


def signed(signer: Signer) -> Credential:
    """The credential of requests that are signed; what shows of it is the key's public name, masked."""
    return Credential(
        kind=CredentialKind.CENTRALIZED, header=b"authorization", value=b"", secret=signer.key_id, signer=signer
    )


def _climbs(path: str) -> bool:
    """Whether a path could leave its subtree once the provider resolves dot segments, however they are spelt."""
    if not any(mark in path for mark in ".%\\"):
        return False
    plain = path.lower()
    while "%25" in plain:  # a chain of servers may decode more than once
        plain = plain.replace("%25", "%")
    plain = plain.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace("\\", "/")
    return any(segment in (".", "..") for segment in plain.split("/"))
