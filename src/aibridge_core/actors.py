"""Who acts: the person behind a request and the credential that pays for it upstream.

Belongs here: values about identity. Never: how a token is checked or stored (an adapter's work).
"""

from collections.abc import Iterable
from enum import StrEnum

from attrs import field, frozen

from aibridge_core.signing import Signer

SHORTEST_SECRET = 8
"""Characters of a text that is looked for in messages."""


class Role(StrEnum):
    """What a user may read. Members: their own interceptions; auditors and admins: everybody's."""

    MEMBER = "member"
    AUDITOR = "auditor"
    ADMIN = "admin"


@frozen(kw_only=True)
class Actor:
    """An authenticated person or service, as an `Authenticator` knows it."""

    id: str
    """Stable and unique; a UUID for users of the bundled identity store."""
    username: str
    name: str = ""
    role: Role = Role.MEMBER
    api_key_id: str = ""
    """Public id of the token that was used; empty when the host application authenticates by other means."""

    @property
    def reads_everything(self) -> bool:
        """Whether this actor sees interceptions of others."""
        return self.role in (Role.AUDITOR, Role.ADMIN)


class CredentialKind(StrEnum):
    """Whose upstream credential was used."""

    CENTRALIZED = "centralized"
    BYOK = "byok"


@frozen(kw_only=True)
class Credential:
    """An upstream credential: a header to send, and who it belongs to. Its secret never shows in a repr."""

    kind: CredentialKind
    header: bytes
    """Lower-case header name, e.g. `x-api-key`."""
    value: bytes = field(repr=False)
    """The whole header value, e.g. `Bearer sk-...`."""
    secret: str = field(repr=False)
    signer: Signer | None = field(default=None, repr=False, eq=False)
    """Makes the headers anew for each request, in place of `value`."""

    @property
    def hint(self) -> str:
        """The masked secret, safe to show."""
        return mask(self.secret)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret in it masked. Ones that are too short to be any are left: they stand in words, too."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET and secret in text:
            text = text.replace(secret, mask(secret))
    return text


def mask(secret: str) -> str:
    """The part of a secret that may be shown: enough to tell two apart, too little to use.

    20 characters or more show four at each end, 10 or more two, 5 or more one, fewer none.
    """
    for length, shown in ((20, 4), (10, 2), (5, 1)):
        if len(secret) >= length:
            return f"{secret[:shown]}...{secret[-shown:]}"
    return "..." if secret else ""
