"""Puts calls of ours back into the history of a Messages request that gives results of the client's calls.

Belongs here: bytes of the assistant's message and of the user's that follows it. Never: what was hidden, and why
(`aibridge_core.hidden_turns`). All other messages, and the client's own content blocks, keep their bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from aibridge_core.dialects.jsontext import text_or, try_read
from aibridge_core.dialects.restoring import Hidden, TurnEnd, anchor, call_mark, places, with_hidden
from aibridge_core.dialects.splice import find_member, item_texts, prepend_items, replace_items
from aibridge_core.hidden_turns import HiddenTurn, NothingHidden, OwnTurns


class _Block(msgspec.Struct, gc=False):
    type: Any = None
    id: Any = None
    tool_use_id: Any = None


class _Call(msgspec.Struct, gc=False):
    name: Any = None
    input: Any = None


class _Message(msgspec.Struct, gc=False):
    content: str | list[_Block] | None = None


class _Request(msgspec.Struct, gc=False):
    messages: list[_Message] = []


_REQUEST = msgspec.json.Decoder(_Request)
_BLOCK = msgspec.json.Decoder(_Block)
_CALL = msgspec.json.Decoder(_Call)
_NO_BLOCK = _Block()


def mark(block: bytes) -> str:
    """How a block of the client's is known again."""
    found = try_read(_BLOCK, block) or _NO_BLOCK
    if found.type != "tool_use":
        return text_or(found.type)
    said = try_read(_CALL, block) or _Call()
    return call_mark(text_or(found.id), said.name, said.input)


def restored(body: bytes, hidden: OwnTurns | NothingHidden) -> bytes:
    """The request with what its answers hid; the same object if nothing was."""
    known = hidden.named_in(body)
    request = try_read(_REQUEST, body) if known else None
    found = {at: call_id for at, call_id in _answers(request.messages) if call_id in known} if request else {}

    def whole(messages: Sequence[bytes]) -> Mapping[int, bytes]:
        changes: dict[int, bytes] = {}
        for at, call_id in found.items():
            if whole := _whole(messages[at - 1], known[call_id], call_id):
                changes[at - 1] = whole
                changes[at] = _with_results(messages[at], known[call_id][-1].results)
        return changes

    return replace_items(body, "messages", whole) if found else body


def _answers(messages: Sequence[_Message]) -> Iterator[tuple[int, str]]:
    """Calls that the message before a message made and the message answers, with the message's place."""
    for at, (said, answered) in enumerate(pairwise(map(_blocks, messages)), start=1):
        made = {text_or(block.id) for block in said if block.type == "tool_use"}
        ids = (text_or(block.tool_use_id) for block in answered if block.type == "tool_result")
        yield from ((at, call_id) for call_id in ids if call_id in made)


def _blocks(message: _Message) -> Sequence[_Block]:
    return message.content if isinstance(message.content, list) else ()


def _whole(message: bytes, turns: Sequence[HiddenTurn], call_id: str) -> bytes:
    """The messages that the client has as one; nothing if it is another message."""
    own = item_texts(message, "content")
    marks = [mark(block) for block in own]
    anchored = anchor(turns, call_id, marks)
    if not anchored:
        return b""
    member = find_member(message, "content")
    assert member, "the call is in its content"
    head, tail = message[: member.start] + b"[", b"]" + message[member.end :]
    messages = _messages(with_hidden(own, places(turns, anchored, marks)))
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
