"""How a request is authorised where no key travels: by a signature over it.

Belongs here: the port. Never: an algorithm; that is an adapter's work.
"""

from collections.abc import Sequence
from typing import Protocol

from aibridge_core.wire import Headers, UpstreamRequest


class Signer(Protocol):
    """Signs requests with a credential whose key never leaves it."""

    @property
    def key_id(self) -> str:
        """The public name of the credential; empty while it isn't known."""
        ...

    @property
    def secrets(self) -> Sequence[str]:
        """What its headers hold that nobody else may see: a session's token, for example."""
        ...

    async def sign(self, request: UpstreamRequest) -> Headers:
        """Headers that prove who sends exactly this request. Raises NoUpstreamCredential, UpstreamTimeout.

        They take the place of the request's own of the same names. Other headers may still change.
        """
        ...
