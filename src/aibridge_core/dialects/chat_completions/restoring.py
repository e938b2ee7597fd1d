"""Puts calls of ours back into the history of a chat completions request that gives results of the client's calls.

Belongs here: bytes of the assistant's message, and the messages around it. Never: what was hidden, and why
(`aibridge_core.hidden_turns`). All other messages, and the client's own calls, keep their bytes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aibridge_core.dialects.jsontext import text_or, try_read, try_read_any
from aibridge_core.dialects.restoring import anchor, call_mark, places, with_hidden
from aibridge_core.dialects.splice import find_member, item_texts, replace_items, set_member
from aibridge_core.hidden_turns import HiddenTurn, NothingHidden, OwnTurns


class _Said(msgspec.Struct, gc=False):
    name: Any = None
    arguments: Any = None
    input: Any = None


class _Call(msgspec.Struct, gc=False):
    id: Any = None


class _WholeCall(_Call, gc=False):
    function: _Said | None = None
    custom: _Said | None = None


class _Message(msgspec.Struct, gc=False):
    tool_calls: list[_Call] | None = None
    tool_call_id: Any = None


class _Request(msgspec.Struct, gc=False):
    messages: list[_Message] = []


_REQUEST = msgspec.json.Decoder(_Request)
_CALL = msgspec.json.Decoder(_WholeCall)


def mark(call: bytes) -> str:
    """How a call of the client's is known again."""
    found = try_read(_CALL, call) or _WholeCall()
    said = found.function or found.custom or _Said()
    return call_mark(text_or(found.id), said.name, said.arguments, said.input)


def restored(body: bytes, hidden: OwnTurns | NothingHidden) -> bytes:
    """The request with what its answers hid; the same object if nothing was."""
    known = hidden.named_in(body)
    messages = (try_read(_REQUEST, body) or _Request()).messages if known else []
    answered = {text_or(message.tool_call_id) for message in messages} & set(known)
    found = {
        at: call.id
        for at, message in enumerate(messages)
        for call in reversed(message.tool_calls or ())
        if text_or(call.id) in answered
    }

    def whole(messages: Sequence[bytes]) -> Mapping[int, bytes]:
        return {at: _whole(messages[at], known[call_id], call_id) for at, call_id in found.items()}

    return replace_items(body, "messages", whole) if found else body


def _whole(message: bytes, turns: Sequence[HiddenTurn], call_id: str) -> bytes:
    """The messages that the client has as one, and the results of our calls in the last of them."""
    *earlier, last = turns
    own = item_texts(message, "tool_calls")
    marks = [mark(call) for call in own]
    anchored = anchor(turns, call_id, marks)
    if not anchored:
        return message
    calls = with_hidden(own, places([last], anchored, marks))
    if len(calls) > len(own):
        text = b",".join(call for call in calls if isinstance(call, bytes))
        message = set_member(message, ["tool_calls"], b"[" + text + b"]")
    said, message = _split(message, [turn.shown for turn in earlier])
    before = [
        each
        for turn, text in zip(earlier, said, strict=True)
        for each in (_saying(turn.pieces[0].source, text), *turn.results)
    ]
    return b",".join([*before, message, *last.results])


def _split(message: bytes, shown: Sequence[str]) -> tuple[Sequence[str], bytes]:
    """The texts of earlier turns, and the message without them, if it begins with them."""
    content = find_member(message, "content")
    text = try_read_any(message[content.start : content.end]) if content else None
    begins = "".join(shown)
    if not begins or not isinstance(text, str) or not text.startswith(begins):
        return ["" for _ in shown], message
    rest = text.removeprefix(begins)
    return shown, set_member(message, ["content"], msgspec.json.encode(rest or None))


def _saying(message: bytes, text: str) -> bytes:
    return set_member(message, ["content"], msgspec.json.encode(text)) if text else message
