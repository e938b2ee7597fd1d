"""The text of a gateway token: how it is made, taken apart and compared.

Belongs here: everything that touches the secret part. Never: where tokens are kept, or who may have one. The text
exists once, when it is made; afterwards there is only its digest.

    aib_3kTq9ZbXwL_Hc0t...      "aib", the public id (10 characters), the secret (43 characters)

Letters, digits and underscores only, so that a double click selects the whole text.
"""

import hmac
import re
import secrets
import string
from datetime import datetime
from hashlib import sha256

from attrs import field, frozen

from aibridge_core.identity import ApiToken

PREFIX = "aib"
"""Begins every token, so that a secret scanner knows one when it sees it."""

_ALPHABET = string.digits + string.ascii_letters
_ID_LENGTH = 10
_SECRET_LENGTH = 43
"""62^43 is just over 2^256: guessing the secret is guessing a 256-bit key, so a fast hash keeps it safe."""
_SHAPE = re.compile(rf"{PREFIX}_([0-9A-Za-z]{{{_ID_LENGTH}}})_[0-9A-Za-z]{{{_SECRET_LENGTH}}}")


@frozen(kw_only=True)
class NewToken:
    """A token at the only moment when its text is known."""

    text: str = field(repr=False)
    """What the client sends. Show it once, keep it nowhere."""
    token: ApiToken


def new_token(*, user_id: str, name: str, created_at: datetime, expires_at: datetime | None = None) -> NewToken:
    """A fresh token from the system's random source; `expires_at` None means never."""
    token_id = _random_text(_ID_LENGTH)
    text = f"{PREFIX}_{token_id}_{_random_text(_SECRET_LENGTH)}"
    token = ApiToken(
        id=token_id,
        user_id=user_id,
        name=name,
        digest=digest_of(text),
        created_at=created_at,
        expires_at=expires_at,
    )
    return NewToken(text=text, token=token)


def digest_of(text: str) -> bytes:
    """SHA-256 of the whole text, never of a part of it: tokens that share a beginning must not be mixed up."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def token_id_of(text: str) -> str | None:
    """The public id inside a token's text; None if the text doesn't have the shape of a token."""
    shape = _SHAPE.fullmatch(text)
    return shape[1] if shape else None


def same_digest(one: bytes, other: bytes) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(one, other)


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
