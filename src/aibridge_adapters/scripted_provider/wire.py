"""Bytes on the wire that the three APIs share: JSON, server-sent events, ids, and texts cut into stream pieces.

Belongs here: forms. Never: an event's meaning.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from aibridge_adapters.scripted_provider.values import Answer, Part, Stop, ToolCall, Turn

NewId = Callable[[str], str]
"""Makes an id that begins with a prefix."""

EPOCH = 1_767_225_600
"""When everything was created: 2026-01-01 in Unix seconds. A scripted provider has no clock."""

_PIECE = re.compile(r".{1,24}(?:\s|$)|.{1,24}", re.DOTALL)

_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789"


class AnswerForm(Protocol):
    """An answer in the form of one API. Constructed as `(turn, answer, new_id)`."""

    def body(self) -> dict[str, Any]:
        """The whole of it."""
        ...

    def events(self) -> Sequence[bytes]:
        """The same as the events of a stream."""
        ...

    def broken(self, message: str, sent: int) -> Sequence[bytes]:
        """What ends a stream that breaks off with an error after `sent` of its events."""
        ...


def id_maker(*, seed: str, body: bytes, number: int) -> NewId:
    """Ids that depend on nothing but what was asked and how often: the same requests get the same ids."""
    made = 0

    def new_id(prefix: str) -> str:
        nonlocal made
        made += 1
        digest = hashlib.sha256(f"{seed}/{number}/{made}/".encode() + body).digest()
        return prefix + "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:22])

    return new_id


def to_json(value: Any) -> bytes:
    """Compact JSON."""
    return msgspec.json.encode(value)


def sse(data: Any, name: str = "") -> bytes:
    """One event."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + (data if isinstance(data, bytes) else to_json(data)) + b"\n\n"


def pieces(text: str) -> Sequence[str]:
    """A text in the pieces that it is streamed in: some words each, at most 25 characters."""
    return _PIECE.findall(text)


def argument_text(call: ToolCall) -> str:
    """The source text of a call's arguments."""
    return call.arguments if isinstance(call.arguments, str) else to_json(call.arguments).decode()


def takes_text(turn: Turn, call: ToolCall) -> bool:
    """Whether a call goes to a custom tool, which takes plain text."""
    offered = [tool for tool in turn.tools if (tool.name, tool.namespace) == (call.name, call.namespace)]
    return offered[0].schema is None if offered else isinstance(call.arguments, str)


def cut_off(text: str, answer: Answer, part: Part) -> str:
    """The text, or its first half if its part is the last one of an answer that ran out of tokens."""
    return text[: len(text) // 2] if answer.stop is Stop.LENGTH and part is answer.parts[-1] else text
