"""What a client's history lacks: calls of injected tools, which it never saw, and their results.

A client that was handed a call of its own comes back with its history, and the model then has to find there what it
said itself. So what was hidden is kept until then, by the id of the client's call, and put back into the request.

Belongs here: keeping, within bounds. Never: where an API has its calls (`dialects/*/restoring.py`). Kept in the memory
of this process: where a client comes back to another one, or after a restart, its history passes as it is, which
providers take, and the model knows nothing of the calls that were hidden.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from attrs import field, frozen

MAX_BYTES = 64 * 1024 * 1024
"""Most that is kept, of all users together; what was unused for longest goes first."""
TTL = 24 * 3600.0
"""Seconds after its last use for which something is kept: people come back to a conversation the next morning."""

_MARK = b'_id"'
"""Every API names the call that a result answers in a member that ends so."""
_LONGEST_ID = 256


@frozen(kw_only=True)
class TurnPiece:
    """A part of what a model said: a content block, an output item, a call."""

    source: bytes = field(default=b"", repr=False)
    """JSON text of what the client doesn't have; empty where it has it itself."""
    mark: str = ""
    """How to know the client's own: the id of a call, the type of anything else; empty where it has none."""


@frozen(kw_only=True)
class HiddenTurn:
    """One answer of the model, as the provider knows it."""

    pieces: Sequence[TurnPiece]
    results: Sequence[bytes] = field(default=(), repr=False)
    """What the injected tools gave, as the API wants it."""
    shown: str = ""
    """Text of it that the client has as a part of its own (chat completions)."""

    @property
    def size(self) -> int:
        """In bytes, about."""
        return sum(len(piece.source) + 100 for piece in self.pieces) + sum(map(len, self.results)) + len(self.shown)


@frozen
class _Kept:
    turns: Sequence[HiddenTurn]
    size: int
    used_at: float


class HiddenTurns:
    """The turns of all users, those used last at the end."""

    def __init__(self, *, now: Callable[[], float], max_bytes: int = MAX_BYTES, ttl: float = TTL) -> None:
        """`now`: seconds that never go back. `ttl`: in seconds."""
        self._now = now
        self._max_bytes = max_bytes
        self._ttl = ttl
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self.size = 0
        """Of what is kept, in bytes."""

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, owner: str) -> "OwnTurns":
        """Those of one user; nobody gets another's."""
        return OwnTurns(self, owner)

    def keep(self, key: tuple[str, str], turns: Sequence[HiddenTurn]) -> None:
        """Keep, and let go of what is old or too much."""
        self._drop(key)
        kept = _Kept(turns, sum(turn.size for turn in turns), self._now())
        self._kept[key] = kept
        self.size += kept.size
        while self.size > self._max_bytes:
            self._drop(next(iter(self._kept)))
        self._expire()

    def recall(self, key: tuple[str, str]) -> Sequence[HiddenTurn] | None:
        """What was kept; it is in use again."""
        self._expire()
        kept = self._kept.pop(key, None)
        if kept is None:
            return None
        self._kept[key] = _Kept(kept.turns, kept.size, self._now())
        return kept.turns

    def _expire(self) -> None:
        oldest = self._now() - self._ttl
        while self._kept and next(iter(self._kept.values())).used_at < oldest:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[str, str]) -> None:
        if kept := self._kept.pop(key, None):
            self.size -= kept.size


@frozen
class OwnTurns:
    """What one user's answers hid."""

    _all: HiddenTurns
    _owner: str

    def keep(self, call_id: str, turns: Sequence[HiddenTurn]) -> None:
        """Keep the turns of an answer that hands this call to the client."""
        self._all.keep((self._owner, call_id), turns)

    def named_in(self, body: bytes) -> Mapping[str, Sequence[HiddenTurn]]:
        """The turns whose calls a request gives results of."""
        if not len(self._all):
            return {}
        found = {call_id: self._all.recall((self._owner, call_id)) for call_id in _ids(body)}
        return {call_id: turns for call_id, turns in found.items() if turns}


def _ids(body: bytes) -> set[str]:
    """Texts that stand where ids do. Some may be no ids; none of them is a key then."""
    ids = set()
    at = body.find(_MARK)
    while at >= 0:
        at += len(_MARK)
        head = body[at : at + _LONGEST_ID].lstrip(b" \t\r\n:")
        if head.startswith(b'"'):
            ids.add(head[1:].partition(b'"')[0].decode("utf-8", "replace"))
        at = body.find(_MARK, at)
    return ids


@frozen
class NothingHidden:
    """An `OwnTurns` that keeps nothing."""

    def keep(self, call_id: str, turns: Sequence[HiddenTurn]) -> None:
        """Forget at once."""

    def named_in(self, body: bytes) -> Mapping[str, Sequence[HiddenTurn]]:
        """Nothing."""
        return {}


NOTHING_HIDDEN = NothingHidden()
