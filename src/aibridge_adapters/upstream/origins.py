"""Where a request goes: an origin, and a target on it.

Belongs here: reading URLs. Never: connections.
"""

import re
from functools import lru_cache
from typing import Final

import httpx
from attrs import frozen

_URL: Final = re.compile(r"(?P<origin>https?://[^/?#]+)(?P<target>[^#]*)", re.IGNORECASE)


@frozen
class Origin:
    """Scheme, host and port (RFC 9110, section 4.3.1)."""

    url: httpx.URL
    key: tuple[str, str, int | None]
    """Equal for all spellings of one origin."""
    host: bytes
    """As the header Host has it."""


def split(url: str) -> tuple[Origin, bytes]:
    """An origin, and the target as it was given: an httpx.URL would normalise it.

    Raises ValueError, httpx.InvalidURL.
    """
    found = _URL.match(url)
    if not found:
        raise ValueError("not an absolute URL")
    target = found["target"] if found["target"].startswith("/") else f"/{found['target']}"
    return _origin(found["origin"]), target.encode("ascii")


def host_of(url: str) -> str:
    """The host of a URL, without credentials, for messages."""
    found = _URL.match(url)
    return found["origin"].rpartition("/")[2].rpartition("@")[2] if found else "the provider"


@lru_cache(maxsize=256)
def _origin(text: str) -> Origin:
    url = httpx.URL(text)
    return Origin(url, (url.scheme, url.host, url.port), url.netloc)
