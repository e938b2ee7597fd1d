"""Which response a client really goes on with when it names one that was several for us.

Belongs here: ids. The client saw one response, under the id of the turn that spoke first; the provider knows the whole
conversation by the id of the last turn. Never: what is in a response.

Kept in memory, of this process: a client that names such an id elsewhere, or after a restart, gets the provider's
error. Nothing is kept where the first turn showed nothing: then the client has the last turn's own id.
"""

from typing import Any

import msgspec

from aibridge_core.dialects.jsontext import try_read
from aibridge_core.dialects.splice import set_member

MAX_KEPT = 10_000
"""So many ids are remembered, about two megabytes; the oldest goes first."""


class _Request(msgspec.Struct, gc=False):
    previous_response_id: Any = None


_REQUEST = msgspec.json.Decoder(_Request)


class Continuations:
    """The ids of last turns by the ids that clients know."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def remember(self, shown: str, last: str) -> None:
        """The client was shown one id; the conversation goes on from the other."""
        self._last.pop(shown, None)
        self._last[shown] = last
        if len(self._last) > MAX_KEPT:
            del self._last[next(iter(self._last))]

    def applied(self, body: bytes) -> bytes:
        """A request that goes on with the right response; the same object if nothing has to change."""
        request = try_read(_REQUEST, body) if self._last else None
        named = request.previous_response_id if request else None
        last = self._last.get(named) if isinstance(named, str) else None
        return body if last is None else set_member(body, ["previous_response_id"], msgspec.json.encode(last))
