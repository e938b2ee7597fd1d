"""Puts what was hidden from a client back among what the client has of an answer.

Belongs here: where each hidden piece goes. Never: what one API calls them. The client's own pieces are known by
their marks, in order, from the call of its own outwards: a client may leave some out, such as reasoning.
"""

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec
from attrs import frozen

from aibridge_core.dialects.jsontext import try_read_any
from aibridge_core.hidden_turns import HiddenTurn, TurnPiece

_RANDOM = re.compile(r"(?=[A-Za-z]*[0-9])[A-Za-z0-9]{12,}\Z")
"""Ends an id that is one of its kind. Some providers count instead (`functions.Read:0`), anew in each conversation."""


@frozen
class TurnEnd:
    """Between two turns: what answers the calls of the first."""

    results: Sequence[bytes]


Hidden = bytes | TurnEnd


_LOOKED_AT = 64
"""Characters of an id that are searched for it; clients may send ids of any length."""


def call_mark(call_id: str, *said: Any) -> str:
    """How a call is known again: by its id; where other calls may have the same one, also by what it says.

    Not always by both: some clients tidy up the arguments that they keep.
    """
    if not call_id or _RANDOM.search(call_id[-_LOOKED_AT:]):
        return call_id
    values = msgspec.json.encode([_value(each) for each in said], order="sorted")
    return f"{call_id} {sha256(values).hexdigest()[:16]}"


def _value(said: Any) -> Any:
    """What JSON text means; anything else as it is."""
    found = try_read_any(said.encode() or b"{}") if isinstance(said, str) else None
    return said if found is None else found


def anchor(turns: Sequence[HiddenTurn], call_id: str, marks: Sequence[str]) -> str:
    """The mark of the client's call that the turns were kept by, if it is among these; else it is empty."""
    ours = {piece.mark for piece in turns[-1].pieces}
    return next((mark for mark in marks if mark in ours and mark.partition(" ")[0] == call_id), "")


def places(turns: Sequence[HiddenTurn], call: str, marks: Sequence[str]) -> Mapping[int, Sequence[Hidden]]:
    """What goes before which of the client's pieces, counted as `marks` are: the marks of all that the client has.

    `call`: the `anchor`. Raises ValueError if it is none of them.
    """
    *earlier, last = turns
    ours = [piece.mark for piece in last.pieces].index(call)
    before: list[TurnPiece | TurnEnd] = []
    for turn in earlier:
        before += (*turn.pieces, TurnEnd(turn.results))
    found: dict[int, list[Hidden]] = {}
    place = at = marks.index(call)
    for each in reversed([*before, *last.pieces[:ours]]):
        if isinstance(each, TurnEnd):
            found.setdefault(place, []).insert(0, each)
        elif each.mark and marks[:place][-1:] == [each.mark]:
            place -= 1
        elif each.source:
            found.setdefault(place, []).insert(0, each.source)
    place = at + 1
    for piece in last.pieces[ours + 1 :]:
        if piece.mark and marks[place : place + 1] == [piece.mark]:
            place += 1
        elif piece.source:
            found.setdefault(place, []).append(piece.source)
    return found


def with_hidden(own: Sequence[bytes], hidden: Mapping[int, Sequence[Hidden]]) -> Sequence[Hidden]:
    """The client's pieces with the others among them, all in order."""
    return [each for place in range(len(own) + 1) for each in (*hidden.get(place, ()), *own[place : place + 1])]
