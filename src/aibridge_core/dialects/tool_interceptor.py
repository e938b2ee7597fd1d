"""An interceptor for requests that offer tools of ours: several upstream turns, one answer for the client.

Belongs here: what the dialects' tool loops share: whole events only, replaced events, a body that is the client's
only when no call of ours is left. Never: how an API writes a call or a result; that is each dialect's `Turns`.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from aibridge_core.dialects.api import CallTools, Refused, Relay, RequestView, Step
from aibridge_core.dialects.interceptor import (
    AnswerInterceptor,
    AnswerReader,
    BodyAnswer,
    StreamAnswer,
    Verdict,
    Voice,
)
from aibridge_core.errors import BridgeError
from aibridge_core.sse import SseEvent
from aibridge_core.tools import ToolCall, ToolResult
from aibridge_core.wire import AnswerHead


class Rewritten(msgspec.Struct, frozen=True):
    """Bytes for the client instead of an event's own. `last`: they end the answer."""

    data: bytes
    last: bool = False


class ToolReader(AnswerReader, Protocol):
    """Reads one turn. Its verdicts leave calls of ours out."""

    calls: Sequence[ToolCall]
    """Calls of ours that are to be run, known when the turn is over; then the turn isn't the answer's end."""

    def edited(self, event: SseEvent) -> Verdict | Rewritten:
        """As `event`, for one that may have to look different to the client."""
        ...

    def over(self) -> bytes:
        """The stream is over, perhaps without an event that ends it: decide on the calls, if that isn't done.

        Returns what was held back and is the client's.
        """
        ...

    def whole(self, data: bytes) -> bytes:
        """What the client gets of a last turn that isn't a stream. Raises UnusableToolCall if that is an error."""
        ...


def rewritten(event: SseEvent, data: bytes, *, last: bool = False) -> Rewritten:
    """An event with other data, else as it was written where that is possible."""
    if event.data in event.raw:
        return Rewritten(event.raw.replace(event.data, data, 1), last)
    name = b"event: " + event.name + b"\n" if event.name else b""
    return Rewritten(name + b"data: " + data.replace(b"\n", b"\ndata: ") + b"\n\n", last)


class Turns(Protocol):
    """What one dialect knows across the turns of an interception."""

    def new_reader(self) -> ToolReader:
        """For the next turn."""
        ...

    def resume(self, body: bytes, reader: ToolReader, results: Sequence[ToolResult]) -> bytes:
        """The request of the turn before, extended by what the model said and what its calls gave."""
        ...


class ToolInterceptor(AnswerInterceptor):
    """Implements `aibridge_core.dialects.api.Interceptor` over a dialect's `Turns`."""

    def __init__(self, *, request: RequestView, voice: Voice, turns: Turns) -> None:
        super().__init__(request=request, voice=voice, new_reader=turns.new_reader, edits_answers=True)
        self._turns = turns
        self._sent = request.body
        self._turn: ToolReader
        self._streaming = False

    def begin_turn(self, head: AnswerHead) -> None:
        """An upstream answer begins."""
        self._turn = self._turns.new_reader()
        self._reader = self._turn
        if self._is_stream(head):
            self._streaming = True
            self._body = _TurnStream(self._turn, max_event=self._max_read)
        else:
            self._body = _TurnBody(self._turn, head.status, max_read=self._max_read)

    def resume(self, results: Sequence[ToolResult]) -> bytes:
        """The body of the next turn's request."""
        self._sent = self._turns.resume(self._sent, self._turn, results)
        return self._sent

    def fail(self, error: BridgeError) -> bytes:
        """Inside a stream an event, even if the turn that failed wasn't one."""
        if self._streaming and not isinstance(self._body, StreamAnswer):
            return self._voice.error_event(error)
        return super().fail(error)


class _TurnStream(StreamAnswer):
    """A turn that streams."""

    def __init__(self, reader: ToolReader, *, max_event: int) -> None:
        super().__init__(reader, edits=True, max_event=max_event)
        self._turn = reader

    def _filtered(self, events: Sequence[SseEvent]) -> Sequence[Step]:
        kept: list[bytes] = []
        for position, event in enumerate(events):
            verdict = self._turn.edited(event)
            data = verdict.data if isinstance(verdict, Rewritten) else event.raw
            if verdict is Verdict.LAST or (isinstance(verdict, Rewritten) and verdict.last):
                tail = [after.raw for after in events[position + 1 :]]
                return self._last(b"".join(kept), b"".join([data, *tail, self._scanner.rest]))
            if verdict is not Verdict.HIDE:
                kept.append(data)
        return (Relay(b"".join(kept)),) if kept else ()

    def _read_rest(self) -> bytes:
        verdicts = [(event, self._turn.edited(event)) for event in self._scanner.close()]
        shown = [
            verdict.data if isinstance(verdict, Rewritten) else event.raw
            for event, verdict in verdicts
            if verdict is not Verdict.HIDE
        ]
        return b"".join([*shown, self._turn.over()])

    def _over(self, rest: bytes, *, broken: bool) -> Sequence[Step]:
        if broken or not self._turn.calls:
            return super()._over(rest, broken=broken)
        held = (Relay(rest),) if rest else ()
        return (*held, *self._facts(partial=False), CallTools(self._turn.calls))


class _TurnBody(BodyAnswer):
    """A turn that is one body; nothing of it is the client's before it is known to be the last."""

    def __init__(self, reader: ToolReader, status: int, *, max_read: int) -> None:
        super().__init__(reader, status, max_read=max_read)
        self._turn = reader

    def feed(self, data: bytes) -> Sequence[Step]:
        held = self._held
        super().feed(data)
        self._held = held + data
        return ()

    def end(self, *, broken: bool) -> Sequence[Step]:
        facts = self._facts(broken=broken)
        if self._turn.calls and not broken:
            return (*facts, CallTools(self._turn.calls))
        if not self._held:
            return facts
        if broken or self._status >= 400:
            return (*facts, Relay(self._held, last=not broken))
        try:
            return (*facts, Relay(self._turn.whole(self._held), last=True))
        except BridgeError as error:
            return (*facts, Refused(error))
