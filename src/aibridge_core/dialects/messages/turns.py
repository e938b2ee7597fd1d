"""Several turns of the Messages API as one message for the client.

Belongs here: which events of a turn the client sees, and what the next turn must know of it. Never: bytes of requests
(`tools`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from attrs import evolve

from aibridge_core.dialects.api import Failed
from aibridge_core.dialects.interceptor import Verdict
from aibridge_core.dialects.jsontext import count_or_none, try_read, try_read_any
from aibridge_core.dialects.messages import tools as written
from aibridge_core.dialects.messages.history import History
from aibridge_core.dialects.messages.response import MessagesReader
from aibridge_core.dialects.splice import find_member, set_member
from aibridge_core.dialects.tool_interceptor import Rewritten, ToolReader
from aibridge_core.records import ErrorType, Fact, ToolUsage
from aibridge_core.sse import SseEvent
from aibridge_core.tools import Tool, ToolCall, ToolResult, usage_of

_CUT_OFF = "not run: its arguments are not a whole JSON object"
_MIXED = "not run: the model called tools of the client in the same message"
_BROKEN = "not run: the answer broke off"


class _Stop(msgspec.Struct):
    stop_reason: Any = None


class _MessageDelta(msgspec.Struct):
    delta: _Stop


_MESSAGE_DELTA = msgspec.json.Decoder(_MessageDelta)


class MessagesTurns:
    """Implements `aibridge_core.dialects.tool_interceptor.Turns`."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self.tools = {tool.id: tool for tool in tools}
        self.started = False
        """Whether the client has had its `message_start`."""
        self.next_index = 0
        """Of the client's next content block."""
        self.spent: dict[str, int] = {}
        """Usage of the turns that are over, by the API's names."""

    def new_reader(self) -> "MessagesTurnReader":
        """For the next turn."""
        return MessagesTurnReader(self)

    def resume(self, body: bytes, reader: ToolReader, results: Sequence[ToolResult]) -> bytes:
        """The request of the turn before, with the model's message and the results."""
        assert isinstance(reader, MessagesTurnReader)
        for name, count in reader.counts.items():
            self.spent[name] = self.spent.get(name, 0) + count
        return written.extend(body, reader.history.content(), results)


class MessagesTurnReader(MessagesReader):
    """Implements `aibridge_core.dialects.tool_interceptor.ToolReader`."""

    def __init__(self, turns: MessagesTurns) -> None:
        super().__init__()
        self.calls: Sequence[ToolCall] = ()
        self.history = History()
        self.counts: dict[str, int] = {}
        self._turns = turns
        self._indexes: dict[int, int | None] = {}
        """Of this turn's blocks -> the client's; None is hidden."""
        self._stop_reason = ""
        self._held = b""
        """The `message_delta` that ends the message, until it is known whose end it is."""
        self._refusals: dict[str, str] = {}
        """By call id: why a call of ours was not run."""

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
        return Verdict.PASS if shown == index else _with(event, ["index"], shown)

    def _client_index(self, start: Mapping[str, Any]) -> int | None:
        block = start.get("content_block")
        if isinstance(block, Mapping) and block.get("type") == "tool_use" and block.get("name") in self._turns.tools:
            return None
        self._turns.next_index += 1
        return self._turns.next_index - 1

    def _of_delta(self, event: SseEvent, value: Mapping[str, Any]) -> Verdict | Rewritten:
        self._count(value.get("usage"))
        if found := try_read(_MESSAGE_DELTA, event.data):
            self._stop_reason = found.delta.stop_reason if isinstance(found.delta.stop_reason, str) else ""
        shown = self._summed(event)
        if None not in self._indexes.values():
            return shown
        self._held += shown.data
        return Verdict.HIDE

    def _summed(self, event: SseEvent) -> Rewritten:
        """The counts as the client sees them: of all turns."""
        data = event.data
        for name, spent in self._turns.spent.items():
            if find_member(data, "usage") and name in self.counts and _has(data, name):
                data = set_member(data, ["usage", name], b"%d" % (self.counts[name] + spent))
        return Rewritten(event.raw.replace(event.data, data))

    def _of_stop(self, event: SseEvent) -> Verdict | Rewritten:
        ours = self._ours()
        if not ours:
            return Verdict.LAST
        self._settle(ours)
        if self.calls:
            return Verdict.HIDE
        if self.failure:
            return Rewritten(b"event: error\ndata: " + _error(self.failure.message) + b"\n\n", last=True)
        return Rewritten(self._held + event.raw, last=True)

    def over(self) -> bytes:
        """A message without its `message_stop` isn't complete: nothing is decided, nothing is the client's."""
        return b""

    def _settle(self, ours: Sequence[ToolUsage]) -> None:
        """Decide what becomes of the calls of ours in a message that is complete."""
        whole = all(isinstance(try_read_any(call.arguments.encode() or b"{}"), dict) for call in ours)
        mixed = len(ours) < sum(isinstance(fact, ToolUsage) and not fact.metadata.get("kind") for fact in self._raw())
        if whole and not mixed and self._stop_reason != "max_tokens":
            self.calls = [self._call(fact) for fact in ours]
            return
        self._refusals = {call.tool_call_id: _MIXED if mixed and whole else _CUT_OFF for call in ours}
        if not whole and self._stop_reason != "max_tokens":
            names = ", ".join(self._turns.tools[call.tool].name for call in ours)
            message = f"the model called {names} with arguments that are not a JSON object"
            self.failure = Failed(ErrorType.UNKNOWN, message)

    def body(self, data: bytes) -> None:
        """A whole answer that isn't a stream."""
        super().body(data)
        value = try_read_any(data)
        if self.failure or not isinstance(value, Mapping):
            return
        self._count(value.get("usage"))
        self._stop_reason = value.get("stop_reason") or ""
        content = find_member(data, "content")
        self.history.said = data[content.start : content.end] if content else b"[]"
        if ours := self._ours():
            self._settle(ours)

    def whole(self, data: bytes) -> bytes:
        """The last turn's message: usage of all turns, no call of ours."""
        if self.failure:
            return msgspec.json.encode(
                {"type": "error", "error": {"type": "api_error", "message": self.failure.message}}
            )
        for name, spent in self._turns.spent.items():
            if name in self.counts:
                data = set_member(data, ["usage", name], b"%d" % (self.counts[name] + spent))
        if self._refusals:
            data = set_member(data, ["content"], self.history.without(set(self._turns.tools)))
        return data

    def facts(self, *, partial: bool) -> Sequence[Fact]:
        """As any answer's, apart from calls of ours that will be run: those are recorded with their results."""
        to_run = {call.call_id for call in self.calls}
        return [self._named(fact) for fact in super().facts(partial=partial) if not _is_call(fact, to_run)]

    def _named(self, fact: Fact) -> Fact:
        if not (isinstance(fact, ToolUsage) and fact.tool in self._turns.tools):
            return fact
        reason = self._refusals.get(fact.tool_call_id, _BROKEN)
        failed = usage_of(ToolResult(call=self._call(fact), error=reason))
        return evolve(failed, metadata=fact.metadata)

    def _call(self, fact: ToolUsage) -> ToolCall:
        return ToolCall(
            tool=self._turns.tools[fact.tool],
            call_id=fact.tool_call_id,
            arguments=fact.arguments,
            response_id=self.response_id,
        )

    def _ours(self) -> Sequence[ToolUsage]:
        return [fact for fact in self._raw() if isinstance(fact, ToolUsage) and fact.tool in self._turns.tools]

    def _raw(self) -> Sequence[Fact]:
        return MessagesReader.facts(self, partial=False)

    def _count(self, usage: Any) -> None:
        if isinstance(usage, Mapping):
            counts = {name: count_or_none(value) for name, value in usage.items()}
            self.counts.update({name: count for name, count in counts.items() if count is not None})


def _is_call(fact: Fact, ids: set[str]) -> bool:
    return isinstance(fact, ToolUsage) and fact.tool_call_id in ids


def _with(event: SseEvent, path: Sequence[str], value: int) -> Rewritten:
    return Rewritten(event.raw.replace(event.data, set_member(event.data, path, b"%d" % value)))


def _has(data: bytes, name: str) -> bool:
    usage = find_member(data, "usage")
    return bool(usage and data[usage.start : usage.end].startswith(b"{") and find_member(data, name, usage.start))


def _error(message: str) -> bytes:
    return msgspec.json.encode({"type": "error", "error": {"type": "api_error", "message": message}})
