"""Puts calls of ours back into a Responses request that gives results of the client's calls.

Belongs here: which items go where in the `input`. Never: what was hidden, and why (`aibridge_core.hidden_turns`). The
client's own items keep their bytes. A client that goes on with a stored response doesn't send its items; the provider
has ours then, too, and lacks only the results of those in the last turn.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aibridge_core.dialects.jsontext import text_or, try_read
from aibridge_core.dialects.restoring import TurnEnd, anchor, call_mark, places
from aibridge_core.dialects.splice import replace_items
from aibridge_core.hidden_turns import HiddenTurn, NothingHidden, OwnTurns


class _Item(msgspec.Struct, gc=False):
    type: Any = None
    role: Any = None
    call_id: Any = None
    name: Any = None
    arguments: Any = None
    input: Any = None


class _Request(msgspec.Struct, gc=False):
    input: str | list[_Item] | None = None


_REQUEST = msgspec.json.Decoder(_Request)
_ITEM = msgspec.json.Decoder(_Item)
_NO_ITEM = _Item()


def mark(source: bytes) -> str:
    """How an item is known again: a call by its id, others by their type; what the model didn't say by neither."""
    return _mark(try_read(_ITEM, source) or _NO_ITEM)


def _mark(item: _Item) -> str:
    kind = text_or(item.type) or "message"
    if kind == "message":
        return kind if item.role == "assistant" else ""
    if kind.endswith("_output"):
        return ""
    return call_mark(text_or(item.call_id), item.name, item.arguments, item.input) or kind


def call_id(source: bytes) -> str:
    """Id of the call that an item is; for one that has none, such as an approval that is asked for, its type."""
    item = try_read(_ITEM, source) or _NO_ITEM
    return text_or(item.call_id) or text_or(item.type)


def _answer(item: _Item) -> str:
    """Id of the call that an item gives the result of."""
    return text_or(item.call_id) if text_or(item.type).endswith("_output") else ""


class _Items:
    """What is known of each item of a request."""

    def __init__(self, items: Sequence[_Item]) -> None:
        self.marks = [_mark(item) for item in items]
        self.answers = [_answer(item) for item in items]
        self.calls = {text_or(item.call_id) for item in items if not _answer(item)}


def restored(body: bytes, hidden: OwnTurns | NothingHidden) -> bytes:
    """The request with what its answers hid; the same object if nothing was."""
    known = hidden.named_in(body)
    request = try_read(_REQUEST, body) if known else None
    if request is None or not isinstance(request.input, list):
        return body
    before: dict[int, list[bytes]] = {}
    items = _Items(request.input)
    for answered in dict.fromkeys(items.answers):
        turns = known.get(answered)
        place = _put(before, turns, answered, items) if turns else None
        if turns and place is not None:
            before.setdefault(place, []).extend(turns[-1].results)

    def whole(items: Sequence[bytes]) -> Mapping[int, bytes]:
        return {place: b",".join([*added, items[place]]) for place, added in before.items() if added}

    return replace_items(body, "input", whole) if before else body


def _put(before: dict[int, list[bytes]], turns: Sequence[HiddenTurn], answered: str, items: _Items) -> int | None:
    """Add what goes before which item, if the client's call is among them.

    Returns where the results go; None if the call with this id is another one.
    """
    if answered not in items.calls:
        return items.answers.index(answered)
    call = anchor(turns, answered, items.marks)
    if not call or answered not in items.answers[items.marks.index(call) :]:
        return None
    for place, added in places(turns, call, items.marks).items():
        for each in added:
            before.setdefault(place, []).extend(each.results if isinstance(each, TurnEnd) else [each])
    return items.answers.index(answered, items.marks.index(call))
