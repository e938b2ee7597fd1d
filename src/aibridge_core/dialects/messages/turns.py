"""Several turns of the Messages API as one message for the client.

Belongs here: which events of a turn the client sees, and what the next turn must know of it. Never: bytes of requests
(`tools`, `restoring`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aibridge_core.dialects.interceptor import Verdict, Voice
from aibridge_core.dialects.jsontext import count_or_none, text_or, try_read, try_read_any
from aibridge_core.dialects.messages import tools as written
from aibridge_core.dialects.messages.history import History
from aibridge_core.dialects.messages.response import MessagesReader
from aibridge_core.dialects.messages.restoring import mark
from aibridge_core.dialects.splice import find_member, set_member
from aibridge_core.dialects.tool_interceptor import Rewritten, ToolReader, rewritten
from aibridge_core.dialects.turn_calls import TurnCalls
from aibridge_core.hidden_turns import HiddenTurn, TurnPiece
from aibridge_core.records import Fact, ToolUsage
from aibridge_core.sse import SseEvent
from aibridge_core.tools import Tool, ToolResult

_EARLY = ("max_tokens", "model_context_window_exceeded", "refusal")
"""Reasons to stop that leave a message incomplete (platform.claude.com/docs, "Handling stop reasons")."""


class _Block(msgspec.Struct, gc=False):
    type: Any = None
    id: Any = None
    name: Any = None


class _Stop(msgspec.Struct, gc=False):
    stop_reason: Any = None


class _MessageDelta(msgspec.Struct, gc=False):
    delta: _Stop


class _Content(msgspec.Struct, gc=False):
    content: list[msgspec.Raw] = []
    stop_reason: Any = None
    usage: Any = None


_BLOCK = msgspec.json.Decoder(_Block)
_MESSAGE_DELTA = msgspec.json.Decoder(_MessageDelta)
_CONTENT = msgspec.json.Decoder(_Content)


class MessagesTurns:
    """Implements `aibridge_core.dialects.tool_interceptor.Turns`."""

    def __init__(self, tools: Sequence[Tool], *, voice: Voice) -> None:
        self.tools = {tool.id: tool for tool in tools}
        self.voice = voice
        self.started = False
        """Whether the client has had its `message_start`."""
        self.next_index = 0
        """Of the client's next content block."""
        self.spent: dict[str, int] = {}
        """Usage of the turns that are over, by the API's names."""

    def new_reader(self) -> "MessagesTurnReader":
        """For the next turn."""
        return MessagesTurnReader(self)

    def answer(self, result: ToolResult) -> bytes:
        """What answers a call of ours."""
        return written.result_block(result)

    def resume(self, body: bytes, reader: ToolReader, answers: Sequence[bytes]) -> bytes:
        """The request of the turn before, with the model's message and the results."""
        assert isinstance(reader, MessagesTurnReader)
        for name, count in reader.counts.items():
            self.spent[name] = self.spent.get(name, 0) + count
        return written.extend(body, reader.history.blocks(), answers)


class MessagesTurnReader(MessagesReader):
    """Implements `aibridge_core.dialects.tool_interceptor.ToolReader`."""

    def __init__(self, turns: MessagesTurns) -> None:
        super().__init__()
        self.ending = b""
        self.history = History()
        self.counts: dict[str, int] = {}
        self._turns = turns
        self.turn_calls = TurnCalls(turns.tools)
        self._indexes: dict[int, int | None] = {}
        """Of this turn's blocks -> the client's; None is hidden."""
        self._stop_reason = ""
        self._held = b""
        """The `message_delta` that ends the message, until it is known whose end it is."""

    def edited(self, event: SseEvent) -> Verdict | Rewritten:
        """What becomes of an event."""
        verdict = self.event(event)
        value = try_read_any(event.data)
        kind = value.get("type") if isinstance(value, Mapping) else None
        if kind == "message_start":
            message = value.get("message")
            self._count(message.get("usage") if isinstance(message, Mapping) else None)
            verdict = Verdict.HIDE if self._turns.started else Verdict.PASS
            self._turns.started = True
        elif kind in ("content_block_start", "content_block_delta", "content_block_stop"):
            self.history.add(value)
            return self._of_block(event, kind, value)
        elif kind == "message_delta":
            return self._of_delta(event, value)
        elif kind == "message_stop":
            return self._of_stop(event)
        return verdict

    def _of_block(self, event: SseEvent, kind: str, value: Mapping[str, Any]) -> Verdict | Rewritten:
        index = value.get("index")
        if not isinstance(index, int):
            return Verdict.PASS
        if kind == "content_block_start":
            self._indexes[index] = self._client_index(value)
        shown = self._indexes.get(index, index)
        if shown is None:
            return Verdict.HIDE
        return Verdict.PASS if shown == index else rewritten(event, set_member(event.data, ["index"], b"%d" % shown))

    def _client_index(self, start: Mapping[str, Any]) -> int | None:
        block = start.get("content_block")
        if isinstance(block, Mapping) and block.get("type") == "tool_use" and block.get("name") in self._turns.tools:
            return None
        self._turns.next_index += 1
        return self._turns.next_index - 1

    def _of_delta(self, event: SseEvent, value: Mapping[str, Any]) -> Verdict | Rewritten:
        self._count(value.get("usage"))
        if found := try_read(_MESSAGE_DELTA, event.data):
            self._stop_reason = text_or(found.delta.stop_reason)
        shown = rewritten(event, self._summed(event.data))
        if None not in self._indexes.values():
            return shown
        self._held += shown.data
        return Verdict.HIDE

    def _summed(self, data: bytes) -> bytes:
        """The counts as the client sees them: of all turns."""
        for name, spent in self._turns.spent.items():
            if name in self.counts and _has(data, name):
                data = set_member(data, ["usage", name], b"%d" % (self.counts[name] + spent))
        return data

    def _of_stop(self, event: SseEvent) -> Verdict | Rewritten:
        self._settle()
        end = self._held + event.raw
        if self.turn_calls.to_run:
            self.ending = end if self.turn_calls.ends_answer else b""
            return Verdict.HIDE
        if self.turn_calls.error:
            return Rewritten(self._turns.voice.error_event(self.turn_calls.error), last=True)
        return Rewritten(end, last=True) if self._held else Verdict.LAST

    def over(self) -> bytes:
        """A message without its `message_stop` isn't complete: nothing is decided, nothing is the client's."""
        return b""

    def body(self, data: bytes) -> None:
        """A whole answer that isn't a stream."""
        super().body(data)
        message = try_read(_CONTENT, data)
        if self.failure or message is None:
            return
        self._count(message.usage)
        self._stop_reason = text_or(message.stop_reason)
        self.history.said = [bytes(block) for block in message.content]
        self._settle()

    def whole(self, data: bytes) -> bytes:
        """The last turn's message: usage of all turns, no call of ours. Raises UnusableToolCall."""
        if self.turn_calls.error:
            raise self.turn_calls.error
        data = self._summed(data)
        blocks = self.history.said or ()
        left = [block for block in blocks if not self._is_ours(block)]
        return data if len(left) == len(blocks) else set_member(data, ["content"], b"[" + b",".join(left) + b"]")

    def hidden(self, answers: Sequence[bytes], *, last: bool) -> HiddenTurn:
        """What isn't a stream is hidden from the client as a whole, unless it is the answer's last turn."""
        unseen = self.history.said is not None and not last
        pieces = [
            TurnPiece(source=block) if unseen or self._is_ours(block) else TurnPiece(mark=mark(block))
            for block in self.history.blocks()
        ]
        return HiddenTurn(pieces=pieces, results=answers)

    def facts(self, *, partial: bool) -> Sequence[Fact]:
        """As any answer's, apart from calls of ours that will be run: those are recorded with their results."""
        return self.turn_calls.recorded(super().facts(partial=partial))

    def _settle(self) -> None:
        """The message is complete: decide what becomes of the calls of ours in it."""
        facts = super().facts(partial=False)
        theirs = [fact.tool_call_id for fact in facts if isinstance(fact, ToolUsage) and self._is_for_client(fact)]
        self.turn_calls.settle(facts, ended_early=self._stop_reason in _EARLY, for_client=theirs)
        self.failure = self.turn_calls.failure

    def _is_for_client(self, call: ToolUsage) -> bool:
        """Whether it isn't ours, and not one that the provider runs itself."""
        return call.tool not in self._turns.tools and not call.metadata.get("kind")

    def _is_ours(self, block: bytes) -> bool:
        found = try_read(_BLOCK, block) or _Block()
        return found.type == "tool_use" and found.name in self._turns.tools

    def _count(self, usage: Any) -> None:
        if isinstance(usage, Mapping):
            counts = {name: count_or_none(value) for name, value in usage.items()}
            self.counts.update({name: count for name, count in counts.items() if count is not None})


def _has(data: bytes, name: str) -> bool:
    usage = find_member(data, "usage")
    return bool(usage and data[usage.start : usage.end].startswith(b"{") and find_member(data, name, usage.start))
