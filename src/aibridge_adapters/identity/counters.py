"""What the authenticator did, for whoever shows it. Never: how it is shown."""

from attrs import define


@define
class AuthCounters:
    """Counts since the process began."""

    hits: int = 0
    """Tokens whose person was remembered."""
    misses: int = 0
    """Tokens that were not: the store was asked, or a refusal was remembered."""
