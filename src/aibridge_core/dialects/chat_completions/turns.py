"""Several turns of the chat completions API as one answer for the client.

Belongs here: which chunks of a turn the client sees, and what the next turn must know of it. Never: bytes of requests
(`tools`, `restoring`), or how a chunk is edited (`edits`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aibridge_core.dialects.chat_completions import tools as written
from aibridge_core.dialects.chat_completions.choices import Choice
from aibridge_core.dialects.chat_completions.edits import Change, changed, summed
from aibridge_core.dialects.chat_completions.history import Message, keep_beside
from aibridge_core.dialects.chat_completions.pieces import Part, Piece, parts, piece
from aibridge_core.dialects.chat_completions.response import ChatReader
from aibridge_core.dialects.chat_completions.restoring import mark
from aibridge_core.dialects.interceptor import Verdict, Voice
from aibridge_core.dialects.jsontext import text_or, try_read, try_read_any
from aibridge_core.dialects.splice import find_member, items, set_member
from aibridge_core.dialects.tool_interceptor import Rewritten, ToolReader, rewritten
from aibridge_core.dialects.turn_calls import SEVERAL, TurnCalls
from aibridge_core.hidden_turns import HiddenTurn, TurnPiece
from aibridge_core.records import Fact
from aibridge_core.sse import SseEvent
from aibridge_core.tools import Tool, ToolResult

_EARLY = ("length", "content_filter")
"""Reasons to finish that leave an answer incomplete."""


class _Function(msgspec.Struct, gc=False):
    name: Any = None


class _Call(msgspec.Struct, gc=False):
    function: _Function


class _Message(msgspec.Struct, gc=False):
    tool_calls: list[msgspec.Raw] | None = None


_CALL = msgspec.json.Decoder(_Call)
_MESSAGE = msgspec.json.Decoder(_Message)


class ChatTurns:
    """Implements `aibridge_core.dialects.tool_interceptor.Turns`."""

    def __init__(self, tools: Sequence[Tool], *, voice: Voice, hide_usage: bool) -> None:
        self.tools = {tool.id: tool for tool in tools}
        self.voice = voice
        self.id = ""
        """Of the first turn: the client's id of the answer."""
        self.later = False
        """Whether a turn is over."""
        self.role_shown = False
        self.spent: Mapping[str, Any] = {}
        """Usage of the turns that are over."""
        self._hide_usage = hide_usage

    def new_reader(self) -> "ChatTurnReader":
        """For the next turn."""
        return ChatTurnReader(self, hide_usage=self._hide_usage)

    def answer(self, result: ToolResult) -> bytes:
        """What answers a call of ours."""
        return written.result_message(result)

    def resume(self, body: bytes, reader: ToolReader, answers: Sequence[bytes]) -> bytes:
        """The request of the turn before, with the model's message and the results."""
        assert isinstance(reader, ChatTurnReader)
        self.later = True
        self.spent = summed(self.spent, reader.usage)
        return written.extend(body, reader.message(), answers)


class ChatTurnReader(ChatReader):
    """Implements `aibridge_core.dialects.tool_interceptor.ToolReader`."""

    def __init__(self, turns: ChatTurns, *, hide_usage: bool) -> None:
        super().__init__(hide_usage=hide_usage)
        self.ending = b""
        self._turns = turns
        self.turn_calls = TurnCalls(turns.tools)
        self._message = Message()
        self._said: bytes | None = None
        """The message as the provider wrote it, if it came in one piece."""
        self._finish_reason = ""
        self._held: list[Piece] = []
        """Chunks after the end of a turn with calls of ours, until it is known whether they end the answer."""

    @property
    def usage(self) -> Mapping[str, Any]:
        """The last one reported."""
        return self._usage if isinstance(self._usage, dict) else {}

    def message(self) -> bytes:
        """What the model said, as JSON text."""
        return self._said if self._said is not None else self._message.source(self._first().begun)

    def hidden(self, answers: Sequence[bytes], *, last: bool) -> HiddenTurn:
        """Of the last turn its calls; of others the message. Text that was streamed stands in the client's one."""
        message = self.message()
        if last:
            calls = [bytes(call) for call in (try_read(_MESSAGE, message) or _Message()).tool_calls or ()]
            pieces = [TurnPiece(source=call) if self._is_ours(call) else TurnPiece(mark=mark(call)) for call in calls]
            return HiddenTurn(pieces=pieces, results=answers)
        if self._said is not None:
            return HiddenTurn(pieces=[TurnPiece(source=message)], results=answers)
        content = find_member(message, "content")
        shown = try_read_any(message[content.start : content.end]) if content else None
        without = TurnPiece(source=set_member(message, ["content"], b"null"))
        return HiddenTurn(pieces=[without], results=answers, shown=text_or(shown))

    def edited(self, event: SseEvent) -> Verdict | Rewritten:
        """What becomes of an event."""
        verdict = self.event(event)
        if event.data.startswith(b"[DONE]"):
            return self._done(event)
        chunk = try_read_any(event.data) if event.data else None
        if verdict is Verdict.LAST or not isinstance(chunk, dict):
            return verdict
        self._turns.id = self._turns.id or self.response_id
        found = list(parts(chunk, self._choices))
        self._keep(found)
        if verdict is Verdict.HIDE:
            return verdict
        role_is_known = self._turns.later and self._turns.role_shown
        shown = piece(event, chunk, found, self._turns.tools, role_is_known=role_is_known)
        if self.complete and self.turn_calls.among(super().facts(partial=False)):
            self._held.append(shown)
            return Verdict.HIDE
        return self._verdict(shown)

    def _keep(self, found: Sequence[Part]) -> None:
        """Remember what the next turn has to repeat."""
        for part in found:
            self._finish_reason = text_or(part.source.get("finish_reason")) or self._finish_reason
            if part.choice is self._first():
                self._message.add(part.delta)
            for fragment, call in part.fragments:
                keep_beside(call, fragment)

    def _verdict(self, shown: Piece) -> Verdict | Rewritten:
        if not shown.worth_showing(goes_on=False):
            return Verdict.HIDE
        data = self._data(shown, goes_on=False)
        return Verdict.PASS if data == shown.event.data else rewritten(shown.event, data)

    def _data(self, shown: Piece, *, goes_on: bool) -> bytes:
        """A chunk as one of the client's answer: with its id, and with the usage of all turns."""
        self._turns.role_shown = self._turns.role_shown or shown.shows_role
        data = changed(shown.event.data, shown.changes_for(goes_on=goes_on))
        if not self._turns.later:
            return data
        if self._turns.id and find_member(data, "id"):
            data = set_member(data, ["id"], msgspec.json.encode(self._turns.id))
        if shown.usage is not None:
            data = set_member(data, ["usage"], msgspec.json.encode(summed(self._turns.spent, shown.usage)))
        return data

    def _done(self, event: SseEvent) -> Verdict | Rewritten:
        held = self.over()
        if self.turn_calls.ends_answer:
            self.ending += event.raw
            return Verdict.HIDE
        if self.turn_calls.to_run:
            return Rewritten(held) if held else Verdict.HIDE
        if self.turn_calls.error:
            return Rewritten(held, last=True)
        return Rewritten(held + event.raw, last=True) if held else Verdict.LAST

    def over(self) -> bytes:
        """The stream is over: decide on the calls; returns what was held back and is the client's."""
        if not self.complete or self.turn_calls.settled:
            return b""
        self._settle()
        if self.turn_calls.error:
            return self._turns.voice.error_event(self.turn_calls.error)
        goes_on = bool(self.turn_calls.to_run) and not self.turn_calls.ends_answer
        shown = [each for each in self._held if each.worth_showing(goes_on=goes_on)]
        held = b"".join(rewritten(each.event, self._data(each, goes_on=goes_on)).data for each in shown)
        if not self.turn_calls.ends_answer:
            return held
        self.ending = held
        return b""

    def body(self, data: bytes) -> None:
        """A whole answer that isn't a stream."""
        super().body(data)
        answer = try_read_any(data)
        if self.failure or not self._choices or not isinstance(answer, dict):
            return
        choices = find_member(data, "choices")
        start, end = next(items(data, choices.start)) if choices else (0, 0)
        first = data[start:end]
        said = find_member(first, "message")
        self._said = first[said.start : said.end] if said else b"{}"
        self._finish_reason = text_or(answer["choices"][0].get("finish_reason"))
        self._settle()

    def whole(self, data: bytes) -> bytes:
        """The last turn's answer: usage of all turns, no call of ours. Raises UnusableToolCall."""
        if self.turn_calls.error:
            raise self.turn_calls.error
        if self._turns.spent and self.usage:
            data = set_member(data, ["usage"], msgspec.json.encode(summed(self._turns.spent, self.usage)))
        if not self.turn_calls.among(super().facts(partial=False)):
            return data
        answer = try_read_any(data)
        messages = [choice.get("message") or {} for choice in answer["choices"]]
        return changed(data, dict(enumerate(map(self._without_ours, messages))), place="message")

    def _without_ours(self, message: Mapping[str, Any]) -> Change:
        calls = message.get("tool_calls") or []
        left = [call for call in calls if (call.get("function") or {}).get("name") not in self._turns.tools]
        return Change(calls=left if len(left) < len(calls) else None)

    def facts(self, *, partial: bool) -> Sequence[Fact]:
        """As any answer's, apart from calls of ours that will be run."""
        return self.turn_calls.recorded(super().facts(partial=partial))

    def _settle(self) -> None:
        facts = super().facts(partial=False)
        calls = [call for choice in self._choices.values() for call in choice.begun]
        theirs = [call.id for call in calls if call.name not in self._turns.tools]
        self.turn_calls.settle(
            facts,
            ended_early=self._finish_reason in _EARLY,
            for_client=theirs,
            not_now=SEVERAL if len(self._choices) > 1 else "",
        )
        self.failure = self.failure or self.turn_calls.failure

    def _is_ours(self, call: bytes) -> bool:
        found = try_read(_CALL, call)
        return found is not None and found.function.name in self._turns.tools

    def _first(self) -> Choice:
        return self._choices[min(self._choices)]
