"""URLs as spans may show them.

Belongs here: what is left out. Never: where a URL leads. Whatever isn't known to be harmless is left out:
providers take keys in queries, and so do MCP servers.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

LONGEST = 512
"""Characters of a URL or a path that are shown."""
HIDDEN = "REDACTED"
"""The word of the OpenTelemetry conventions (attribute `url.full`)."""

HARMLESS: Mapping[str, str] = {
    "after": "a place in a list",
    "after_id": "a place in a list",
    "alt": "how Gemini's API answers",
    "api-version": "a version of Azure's API",
    "before_id": "a place in a list",
    "beta": "a version of Anthropic's API",
    "client_version": "what Codex tells about itself",
    "limit": "the length of a list",
    "order": "the order of a list",
}
"""Query parameters whose values are shown, and why they may be."""


def shown(url: str) -> str:
    """The URL without credentials and fragment; of its query the names, and values that are harmless."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    query = "&".join(_pair(pair) for pair in parts.query.split("&")) if parts.query else ""
    return parts._replace(netloc=address, query=query, fragment="").geturl()[:LONGEST]


def _pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return pair if not equals or name in HARMLESS else f"{name}={HIDDEN}"
