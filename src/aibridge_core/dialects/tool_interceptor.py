"""An interceptor for requests that offer tools of ours: several upstream turns, one answer for the client.

Belongs here: what the dialects' tool loops share: whole events only, replaced events, a body that is the client's
only when no call of ours is left. Never: how an API writes a call or a result; that is each dialect's `Turns`.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec
from attrs import evolve

from aibridge_core.dialects.api import CallTools, Refused, Relay, RequestView, Step
from aibridge_core.dialects.interceptor import (
    AnswerInterceptor,
    AnswerReader,
    BodyAnswer,
    StreamAnswer,
    Verdict,
    Voice,
)
from aibridge_core.dialects.turn_calls import TurnCalls
from aibridge_core.errors import BridgeError
from aibridge_core.hidden_turns import NOTHING_HIDDEN, HiddenTurn, NothingHidden, OwnTurns
from aibridge_core.sse import SseEvent
from aibridge_core.tools import ToolResult
from aibridge_core.wire import AnswerHead


class Rewritten(msgspec.Struct, frozen=True):
    """Bytes for the client instead of an event's own. `last`: they end the answer."""

    data: bytes
    last: bool = False


class ToolReader(AnswerReader, Protocol):
    """Reads one turn. Its verdicts leave calls of ours out."""

    turn_calls: TurnCalls
    """What becomes of the calls of ours; decided when the turn is over."""
    ending: bytes
    """What ends a stream whose last turn has calls of ours, for when these have run."""

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

    def hidden(self, answers: Sequence[bytes], *, last: bool) -> HiddenTurn:
        """The turn for when the client comes back without what it didn't see. `last`: the client's answer ends here."""
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

    def answer(self, result: ToolResult) -> bytes:
        """What answers a call of ours, as this API wants it in a request."""
        ...

    def resume(self, body: bytes, reader: ToolReader, answers: Sequence[bytes]) -> bytes:
        """The request of the turn before, extended by what the model said and by the answers to its calls."""
        ...


class ToolInterceptor(AnswerInterceptor):
    """Implements `aibridge_core.dialects.api.Interceptor` over a dialect's `Turns`."""

    def __init__(
        self, *, request: RequestView, voice: Voice, turns: Turns, hidden: OwnTurns | NothingHidden = NOTHING_HIDDEN
    ) -> None:
        super().__init__(request=request, voice=voice, new_reader=turns.new_reader, edits_answers=True)
        self._turns = turns
        self._unseen = _Unseen(hidden)
        self._sent = request.body
        self._turn: ToolReader
        self._streaming = False

    def begin_turn(self, head: AnswerHead) -> None:
        """An upstream answer begins."""
        self._turn = self._turns.new_reader()
        self._reader = self._turn
        if self._is_stream(head):
            self._streaming = True
            self._body = _TurnStream(self._turn, unseen=self._unseen, max_event=self._max_read)
        else:
            self._body = _TurnBody(self._turn, head.status, unseen=self._unseen, max_read=self._max_read)

    def resume(self, results: Sequence[ToolResult]) -> bytes:
        """The body of the next turn's request."""
        answers = [self._turns.answer(result) for result in results]
        self._unseen.add(self._turn, answers)
        self._sent = self._turns.resume(self._sent, self._turn, answers)
        return self._sent

    def conclude(self, results: Sequence[ToolResult]) -> Sequence[Step]:
        """The rest of an answer that ends with calls of ours."""
        assert isinstance(self._body, _TurnStream | _TurnBody)
        self._unseen.finish(self._turn, [self._turns.answer(result) for result in results])
        return self._body.conclude()

    def fail(self, error: BridgeError) -> bytes:
        """Inside a stream an event, even if the turn that failed wasn't one."""
        if self._streaming and not isinstance(self._body, StreamAnswer):
            return self._voice.error_event(error)
        return super().fail(error)


class _Unseen:
    """What the client doesn't see of an answer, turn by turn."""

    def __init__(self, hidden: OwnTurns | NothingHidden) -> None:
        self._hidden = hidden
        self._over: list[HiddenTurn] = []

    def add(self, turn: ToolReader, answers: Sequence[bytes]) -> None:
        """A turn that another one follows."""
        self._over.append(turn.hidden(answers, last=False))

    def finish(self, turn: ToolReader, answers: Sequence[bytes] = ()) -> None:
        """The last turn. If it hands calls to the client, that will come back without what it didn't see."""
        if turn.failure or not turn.turn_calls.for_client or not (self._over or answers):
            return
        last = turn.hidden(answers, last=True)
        if not answers:  # calls of ours in it weren't run, and a history mustn't have calls without results
            last = evolve(last, pieces=[piece for piece in last.pieces if not piece.source])
        self._hidden.keep(turn.turn_calls.for_client, [*self._over, last])


class _TurnStream(StreamAnswer):
    """A turn that streams."""

    def __init__(self, reader: ToolReader, *, unseen: "_Unseen", max_event: int) -> None:
        super().__init__(reader, edits=True, max_event=max_event)
        self._turn = reader
        self._unseen = unseen

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

    def _last(self, before: bytes, last: bytes) -> Sequence[Step]:
        self._unseen.finish(self._turn)  # a client may come back as soon as it has the last event
        return super()._last(before, last)

    def _over(self, rest: bytes, *, broken: bool) -> Sequence[Step]:
        calls = self._turn.turn_calls
        if broken or not calls.to_run:
            self._unseen.finish(self._turn)
            return super()._over(rest, broken=broken)
        held = (Relay(rest),) if rest else ()
        return (*held, *self._facts(partial=False), CallTools(calls.to_run, calls.ends_answer))

    def conclude(self) -> Sequence[Step]:
        self._ended = True
        return (Relay(self._turn.ending, last=True),) if self._turn.ending else ()


class _TurnBody(BodyAnswer):
    """A turn that is one body; nothing of it is the client's before it is known to be the last."""

    def __init__(self, reader: ToolReader, status: int, *, unseen: "_Unseen", max_read: int) -> None:
        super().__init__(reader, status, max_read=max_read)
        self._turn = reader
        self._unseen = unseen

    def feed(self, data: bytes) -> Sequence[Step]:
        held = self._held
        super().feed(data)
        self._held = held + data
        return ()

    def end(self, *, broken: bool) -> Sequence[Step]:
        facts = self._facts(broken=broken)
        calls = self._turn.turn_calls
        if calls.to_run and not broken:
            return (*facts, CallTools(calls.to_run, calls.ends_answer))
        if not self._held:
            return facts
        if broken or self._status >= 400:
            return (*facts, Relay(self._held, last=not broken))
        self._unseen.finish(self._turn)
        return (*facts, *self.conclude())

    def conclude(self) -> Sequence[Step]:
        try:
            return (Relay(self._turn.whole(self._held), last=True),)
        except BridgeError as error:
            return (Refused(error),)
