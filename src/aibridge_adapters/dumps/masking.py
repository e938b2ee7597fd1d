"""What of an exchange is masked before it is written down.

Belongs here: which headers and parameters carry secrets. Never: files. A secret that stood in one place is masked
in all: providers quote keys in their errors.
"""

import re
from collections.abc import Iterable
from typing import Final

from aibridge_core.actors import mask
from aibridge_core.wire import Headers

SECRET_HEADERS: Final = {
    "authorization": "the credential of most providers",
    "proxy-authorization": "a proxy's",
    "x-api-key": "Anthropic's",
    "api-key": "Azure's",
    "x-goog-api-key": "Google's",
    "x-auth-token": "customary",
    "x-amz-security-token": "a session at AWS",
    "cookie": "a session",
    "set-cookie": "a session",
    "www-authenticate": "may hold a challenge that is bound to a session",
    "proxy-authenticate": "as www-authenticate",
}
"""Header by reason."""

_SOUNDS_SECRET = re.compile(r"secret|password|credential|signature|api-?key|(auth|access|session|security|csrf)-?token")
"""In names of headers and parameters that nobody listed."""
_SECRET_PARAMETER = re.compile(r"key|token|sig|code|auth|pass|pwd|" + _SOUNDS_SECRET.pattern)
_PARAMETER = re.compile(r"([?&;])([^=&;#]*)=([^&;#]*)")
_LEAST: Final = 8
"""Shortest secret, in characters, that is looked for elsewhere; a shorter one is in every text."""


def masked_headers(headers: Headers) -> list[tuple[str, str]]:
    """Names as they are, sorted, and values of secret ones masked."""
    shown = []
    for name, value in headers:
        text = value.decode("latin-1")
        shown.append((name.decode("latin-1"), _masked(text) if is_secret(name) else text))
    return sorted(shown)


def is_secret(name: bytes) -> bool:
    """Whether a header of this name carries a secret."""
    text = name.decode("latin-1").lower()
    return text in SECRET_HEADERS or _SOUNDS_SECRET.search(text) is not None


def masked_target(target: str) -> str:
    """A path and query, the values of secret parameters masked."""
    return _PARAMETER.sub(_masked_parameter, target)


def secrets_of(headers: Headers, target: str, more: Iterable[bytes] = ()) -> list[bytes]:
    """The secrets themselves, to be looked for in bodies; longest first."""
    found = {*more, *(_bare(value) for name, value in headers if is_secret(name))}
    found |= {
        value.encode("latin-1", "replace")
        for _, name, value in _PARAMETER.findall(target)
        if _is_secret_parameter(name)
    }
    return sorted((secret for secret in found if len(secret) >= _LEAST), key=len, reverse=True)


def masked_in(data: bytes, secrets: Iterable[bytes]) -> bytes:
    """Bytes without these secrets."""
    for secret in secrets:
        if secret in data:
            data = data.replace(secret, mask(secret.decode("latin-1")).encode("latin-1"))
    return data


def _masked(value: str) -> str:
    scheme, gap, secret = value.partition(" ")
    return f"{scheme}{gap}{mask(secret)}" if gap else mask(value)


def _bare(value: bytes) -> bytes:
    return value.partition(b" ")[2] or value


def _masked_parameter(match: re.Match[str]) -> str:
    mark, name, value = match.groups()
    return f"{mark}{name}={mask(value) if _is_secret_parameter(name) else value}"


def _is_secret_parameter(name: str) -> bool:
    return _SECRET_PARAMETER.search(name.lower()) is not None
