"""Puts what was hidden from a client back among what the client has of an answer.

Belongs here: where each hidden piece goes. Never: what one API calls them. The client's own pieces are known by
their marks, in order, from the call of its own outwards: a client may leave some out, such as reasoning.
"""

from collections.abc import Mapping, Sequence

from attrs import frozen

from aibridge_core.hidden_turns import HiddenTurn, TurnPiece


@frozen
class TurnEnd:
    """Between two turns: what answers the calls of the first."""

    results: Sequence[bytes]


Hidden = bytes | TurnEnd


def places(turns: Sequence[HiddenTurn], call_id: str, marks: Sequence[str]) -> Mapping[int, Sequence[Hidden]]:
    """What goes before which of the client's pieces, counted as `marks` are: the marks of all that the client has.

    `call_id`: the mark of the client's call that the turns were kept by. Raises ValueError if it is none of them.
    """
    *earlier, last = turns
    ours = [piece.mark for piece in last.pieces].index(call_id)
    before: list[TurnPiece | TurnEnd] = []
    for turn in earlier:
        before += (*turn.pieces, TurnEnd(turn.results))
    found: dict[int, list[Hidden]] = {}
    place = at = marks.index(call_id)
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
