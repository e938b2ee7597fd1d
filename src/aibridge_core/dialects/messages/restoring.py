"""Puts calls of ours back into the history of a Messages request that gives results of the client's calls.

Belongs here: bytes of the assistant's message and of the user's that follows it. Never: what was hidden, and why
(`aibridge_core.hidden_turns`). All other messages, and the client's own content blocks, keep their bytes.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec

from aibridge_core.dialects.jsontext import text_or, try_read
from aibridge_core.dialects.restoring import Hidden, TurnEnd, places, with_hidden
from aibridge_core.dialects.splice import find_member, item_texts, prepend_items, replace_items
from aibridge_core.hidden_turns import HiddenTurn, NothingHidden, OwnTurns


class _Block(msgspec.Struct, gc=False):
    type: Any = None
    id: Any = None
    tool_use_id: Any = None


_BLOCK = msgspec.json.Decoder(_Block)


def mark(block: bytes) -> str:
    """How a block of the client's is known again."""
    found = try_read(_BLOCK, block) or _Block()
    return text_or(found.id) if found.type == "tool_use" else text_or(found.type)


def restored(body: bytes, hidden: OwnTurns | NothingHidden) -> bytes:
    """The request with what its answers hid; the same object if nothing was."""
    known = hidden.named_in(body)
    messages = item_texts(body, "messages") if known else ()
    changes: dict[int, bytes] = {}
    for position, (said, answered) in enumerate(pairwise(messages)):
        call_id = next((each for each in _answered(answered) if each in known), None)
        turns = known.get(call_id or "", ())
        if call_id and (whole := _whole(said, turns, call_id)):
            changes[position] = whole
            changes[position + 1] = _with_results(answered, turns[-1].results)
    return replace_items(body, "messages", changes)


def _answered(message: bytes) -> Sequence[str]:
    """Ids of the calls that a message gives results of."""
    blocks = (try_read(_BLOCK, block) or _Block() for block in _blocks(message))
    return [text_or(block.tool_use_id) for block in blocks if block.type == "tool_result"]


def _blocks(message: bytes) -> Sequence[bytes]:
    return item_texts(message, "content") if message.startswith(b"{") else ()


def _whole(message: bytes, turns: Sequence[HiddenTurn], call_id: str) -> bytes:
    """The messages that the client has as one; empty if the call isn't in it."""
    own = _blocks(message)
    marks = [mark(block) for block in own]
    member = find_member(message, "content")
    if call_id not in marks or member is None:
        return b""
    head, tail = message[: member.start] + b"[", b"]" + message[member.end :]
    messages = _messages(with_hidden(own, places(turns, call_id, marks)))
    return b",".join(each if role == "user" else head + each + tail for role, each in messages)


def _messages(pieces: Sequence[Hidden]) -> Sequence[tuple[str, bytes]]:
    """Contents of the assistant's messages, and whole messages with results between them."""
    found: list[tuple[str, bytes]] = []
    blocks: list[bytes] = []
    for each in pieces:
        if isinstance(each, TurnEnd):
            answers = b'{"role":"user","content":[' + b",".join(each.results) + b"]}"
            found += [("assistant", b",".join(blocks)), ("user", answers)]
            blocks = []
        else:
            blocks.append(each)
    return [*found, ("assistant", b",".join(blocks))]


def _with_results(message: bytes, results: Sequence[bytes]) -> bytes:
    return prepend_items(message, "content", results) if results else message
