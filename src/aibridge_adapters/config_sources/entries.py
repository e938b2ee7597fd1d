"""What `aibridge config show` tells: each value in force, with its origin.

Belongs here: values fit to be shown. Never: a secret.
"""

from attrs import frozen

from aibridge_adapters.config_sources.kinds import Kind
from aibridge_adapters.config_sources.origins import DEFAULT, Origin


@frozen(kw_only=True)
class Entry:
    """One value that is in force. Secrets are masked before they get here."""

    key: str
    """As in `aibridge.toml`; fields of a provider are `providers.<name>.<field>`."""
    value: object
    """For JSON: text, number, truth value, list of texts, or None if nothing is set."""
    text: str
    """For people; could be given as a value again unless it is a secret."""
    origin: Origin
    secret: bool = False


def entry(key: str, kind: Kind, value: object, origin: Origin = DEFAULT) -> Entry:
    """Of a value of this kind; None and "" mean that nothing is set."""
    if value in (None, ""):
        return Entry(key=key, value=None, text="", origin=origin, secret=kind.secret)
    plain = kind.plain(value)
    masked = isinstance(value, str) and plain != value  # a password in a URL
    return Entry(key=key, value=plain, text=kind.show(value), origin=origin, secret=kind.secret or masked)
