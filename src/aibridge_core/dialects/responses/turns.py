"""Several turns of the Responses API as one response for the client.

Belongs here: which events of a turn the client sees, and what the next turn must know of it. Never: bytes of requests
(`tools`, `restoring`), or how the numbers of a stream run on (`merged`).

The client's response begins with the `response.created` of the first turn that says something, and ends with the last
turn's `response.completed`, under the same id and with the output of all turns. Its usage is the provider's own for the
last turn: clients take it for the size of the conversation. `previous_response_id` has to name the last turn's
response, which alone holds the whole conversation: see `continuations`.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from aibridge_core.dialects.interceptor import Verdict, Voice
from aibridge_core.dialects.jsontext import text_or, try_read
from aibridge_core.dialects.responses import tools as written
from aibridge_core.dialects.responses.continuations import Continuations
from aibridge_core.dialects.responses.merged import ITEM_EVENTS, ClientStream, Seen, TurnStream, look_at, raw_items
from aibridge_core.dialects.responses.response import ResponsesReader
from aibridge_core.dialects.responses.restoring import call_id, mark
from aibridge_core.dialects.splice import set_member
from aibridge_core.dialects.tool_interceptor import Rewritten, ToolReader, rewritten
from aibridge_core.dialects.turn_calls import TurnCalls
from aibridge_core.hidden_turns import HiddenTurn, TurnPiece
from aibridge_core.records import Fact
from aibridge_core.sse import SseEvent
from aibridge_core.tools import Tool, ToolResult

_OPENINGS = ("response.created", "response.queued", "response.in_progress")
_ENDS = ("response.completed", "response.incomplete", "response.failed")
# Calls that the provider runs itself. Any other is one that the client has to answer.
_HOSTED = ("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call")


class _Item(msgspec.Struct, gc=False):
    type: Any = None
    name: Any = None


class _Whole(msgspec.Struct, gc=False):
    status: Any = None


_ITEM = msgspec.json.Decoder(_Item)
_WHOLE = msgspec.json.Decoder(_Whole)


class ResponsesTurns:
    """Implements `aibridge_core.dialects.tool_interceptor.Turns`."""

    def __init__(
        self,
        tools: Sequence[Tool],
        *,
        voice: Voice,
        stored: bool,
        continuations: Continuations,
    ) -> None:
        self.tools = {tool.id: tool for tool in tools}
        self.voice = voice
        self.stored = stored
        """Whether the provider keeps the response, so that a client can go on with it by its id."""
        self.continuations = continuations
        self.client = ClientStream()
        self.visible: list[bytes] = []
        """Output items of the turns that are over, as the client may have them."""

    def new_reader(self) -> "ResponsesTurnReader":
        """For the next turn."""
        return ResponsesTurnReader(self)

    def answer(self, result: ToolResult) -> bytes:
        """What answers a call of ours."""
        return written.result_item(result)

    def resume(self, body: bytes, reader: ToolReader, answers: Sequence[bytes]) -> bytes:
        """The request of the turn before, with the model's items and the results."""
        assert isinstance(reader, ResponsesTurnReader)
        self.client.counts = True
        self.visible += reader.visible(reader.output)
        return written.extend(body, reader.output, answers)


class ResponsesTurnReader(ResponsesReader):
    """Implements `aibridge_core.dialects.tool_interceptor.ToolReader`."""

    def __init__(self, turns: ResponsesTurns) -> None:
        super().__init__()
        self.ending = b""
        self.output: list[bytes] = []
        """The items of the answer, as the provider wrote them."""
        self._turns = turns
        self.turn_calls = TurnCalls(turns.tools)
        self._stream = TurnStream(turns.client)
        self._whole = False
        """Whether it isn't a stream."""

    def edited(self, event: SseEvent) -> Verdict | Rewritten:
        """What becomes of an event."""
        verdict = self.event(event)
        seen = look_at(event)
        if seen is None:
            return verdict
        kind = text_or(seen.type)
        if kind in _ENDS:
            return self._end(event, seen, early=kind == "response.incomplete")
        if verdict is Verdict.LAST:
            return Rewritten(self._stream.close() + event.raw, last=True)
        shown = self._shown(event, seen, kind)
        if not shown:
            return Verdict.HIDE
        return Verdict.PASS if shown == event.raw else Rewritten(shown)

    def _shown(self, event: SseEvent, seen: Seen, kind: str) -> bytes:
        if kind in _OPENINGS:
            return self._stream.open(event, seen, self.response_id, at_once=not self._turns.stored)
        if kind == ITEM_EVENTS[1]:
            self.output.append(bytes(seen.item))
        hidden = kind in ITEM_EVENTS and self._is_ours(bytes(seen.item))
        return self._stream.hide(seen) if hidden else self._stream.show(event, seen)

    def _end(self, event: SseEvent, seen: Seen, *, early: bool) -> Verdict | Rewritten:
        final = raw_items(seen.response)
        if len(final) >= len(self.output):
            self.output = list(final)
        if self.failure is None:
            self._settle(ended_early=early)
        if self.turn_calls.to_run and not self.turn_calls.ends_answer:
            before = self._stream.flush(leads_to_hidden=True)
            self._stream.skip(seen)
            return Rewritten(before) if before else Verdict.HIDE
        if self.turn_calls.error:
            return Rewritten(self._turns.voice.error_event(self.turn_calls.error), last=True)
        before = self._stream.flush()
        shown = before + self._stream.show(self._as_one_response(event, final), seen)
        if self.turn_calls.ends_answer:
            self.ending = shown
            return Verdict.HIDE
        return Verdict.LAST if shown == event.raw else Rewritten(shown, last=True)

    def _as_one_response(self, event: SseEvent, final: Sequence[bytes]) -> SseEvent:
        """The last event with the client's id and the output of all turns."""
        data, shown = event.data, self._turns.client.id
        if (output := self._of_all_turns(final)) is not None:
            data = set_member(data, ["response", "output"], _list(output))
        if shown and self.response_id and shown != self.response_id:
            data = set_member(data, ["response", "id"], msgspec.json.encode(shown))
            if self._turns.stored:
                self._turns.continuations.remember(shown, self.response_id)
        return event if data == event.data else SseEvent(event.name, data, rewritten(event, data).data)

    def _of_all_turns(self, final: Sequence[bytes]) -> Sequence[bytes] | None:
        """The output for the client; None if it is as the provider has it. Some providers leave it empty."""
        here = self.visible(final) if any(map(self._is_ours, final)) else final
        return [*self._turns.visible, *here] if final and (self._turns.visible or here is not final) else None

    def visible(self, items: Sequence[bytes]) -> Sequence[bytes]:
        """Items without calls of ours, and without the reasoning right before one: it can't be sent back alone."""
        ours = [self._is_ours(item) for item in items]
        leads = [*ours[1:], False]
        return [
            item
            for item, is_ours, leads_to_ours in zip(items, ours, leads, strict=True)
            if not is_ours and not (leads_to_ours and _kind(item) == "reasoning")
        ]

    def hidden(self, answers: Sequence[bytes], *, last: bool) -> HiddenTurn:
        """What isn't a stream is hidden from the client as a whole, unless it is the answer's last turn."""
        visible = set() if self._whole and not last else set(self.visible(self.output))
        pieces = [
            TurnPiece(mark=mark(item)) if item in visible else TurnPiece(source=item, mark=mark(item))
            for item in self.output
            if item in visible or self._turns.stored or written.can_be_repeated(item)
        ]
        return HiddenTurn(pieces=pieces, results=answers)

    def over(self) -> bytes:
        """A stream without its last event isn't complete: nothing is decided; what waited goes out."""
        return b"" if self.turn_calls.to_run else self._stream.close()

    def body(self, data: bytes) -> None:
        """A whole answer that isn't a stream."""
        super().body(data)
        self._whole = True
        if self.failure is None:
            self.output = list(raw_items(msgspec.Raw(data)))
            status = (try_read(_WHOLE, data) or _Whole()).status
            self._settle(ended_early=status == "incomplete")

    def whole(self, data: bytes) -> bytes:
        """The last turn's answer as it is, without calls of ours. Raises UnusableToolCall."""
        if self.turn_calls.error:
            raise self.turn_calls.error
        if not any(map(self._is_ours, self.output)):
            return data
        return set_member(data, ["output"], _list(self.visible(self.output)))

    def facts(self, *, partial: bool) -> Sequence[Fact]:
        """As any answer's, apart from calls of ours that will be run."""
        return self.turn_calls.recorded(super().facts(partial=partial))

    def _settle(self, *, ended_early: bool) -> None:
        theirs = [call_id(item) for item in self.output if _is_for_clients(_kind(item)) and not self._is_ours(item)]
        self.turn_calls.settle(super().facts(partial=False), ended_early=ended_early, for_client=theirs)
        self.failure = self.turn_calls.failure

    def _is_ours(self, source: bytes) -> bool:
        item = try_read(_ITEM, source)
        return item is not None and item.type == "function_call" and item.name in self._turns.tools


def _list(items: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"


def _kind(source: bytes) -> str:
    item = try_read(_ITEM, source)
    return text_or(item.type) if item else ""


def _is_for_clients(kind: str) -> bool:
    return (kind.endswith("_call") and kind not in _HOSTED) or kind == "mcp_approval_request"
