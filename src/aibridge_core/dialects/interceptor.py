"""The machinery that the dialects share: bytes of an answer in, steps for the relay out.

Belongs here: framing, holding the last piece back, errors before and inside a stream. Never: what an event of one
API means; that is each dialect's `AnswerReader`.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

from aibridge_core.dialects.api import Failed, Finished, Observed, Relay, RequestView, Step
from aibridge_core.dialects.failures import failure_of_status
from aibridge_core.errors import BridgeError
from aibridge_core.records import ErrorType, Fact
from aibridge_core.sse import SseEvent, SseScanner
from aibridge_core.tools import ToolResult
from aibridge_core.wire import AnswerHead, header

MAX_READ = 32 * 1024 * 1024
"""Largest event or whole answer that is read for its facts, in bytes; a larger one is relayed all the same."""

_NOTHING: Sequence[Step] = ()


class Verdict(Enum):
    """What becomes of a relayed event."""

    PASS = "pass"  # noqa: S105 - not a secret
    HIDE = "hide"
    """The client didn't ask for it. Only an interceptor that `edits_answers` may say so."""
    LAST = "last"
    """It ends the answer."""


# Read once: each time that Python 3.11 looks a member up in its class costs as much as a function call.
PASS, HIDE, LAST = Verdict


class AnswerReader(Protocol):
    """Reads one answer of one API and remembers its facts."""

    response_id: str
    """The provider's id of the answer; empty until it is seen."""
    failure: Failed | None
    """The error that the answer itself reports."""
    complete: bool
    """Whether the answer has said that it is whole."""

    def event(self, event: SseEvent) -> Verdict:
        """An event of a streamed answer."""
        ...

    def body(self, data: bytes) -> None:
        """A whole answer that isn't a stream. Never raises: what can't be read sets `failure`."""
        ...

    @property
    def finish_reasons(self) -> Sequence[str]:
        """Why it ended, as it says itself; empty if it hasn't said."""
        ...

    def facts(self, *, partial: bool) -> Sequence[Fact]:
        """Everything read so far, called once. `partial`: the answer broke off."""
        ...


class Voice(Protocol):
    """How a dialect speaks for itself."""

    keep_alive: bytes
    """An event or comment that clients of this API take without harm between two events."""

    def refuse(self, error: BridgeError) -> bytes:
        """A JSON error body."""
        ...

    def error_event(self, error: BridgeError) -> bytes:
        """The same inside a stream, with whatever ends a stream of this API."""
        ...


class AnswerInterceptor:
    """Implements `aibridge_core.dialects.api.Interceptor` over an `AnswerReader`."""

    def __init__(
        self,
        *,
        request: RequestView,
        voice: Voice,
        new_reader: Callable[[], AnswerReader],
        edits_answers: bool = False,
        max_read: int = MAX_READ,
    ) -> None:
        self.request = request
        self.edits_answers = edits_answers
        self._voice = voice
        self._new_reader = new_reader
        self._max_read = max_read
        self._reader = new_reader()
        self._body: BodyAnswer | StreamAnswer | None = None

    @property
    def streams(self) -> bool:
        """Whether the answer that has begun is a stream of events."""
        return isinstance(self._body, StreamAnswer)

    @property
    def response_id(self) -> str:
        """The provider's id of the answer; empty until it is seen."""
        return self._reader.response_id

    def begin_turn(self, head: AnswerHead) -> None:
        """An upstream answer begins; its head decides how its body is read."""
        self._reader = self._new_reader()
        if self._is_stream(head):
            self._body = StreamAnswer(self._reader, edits=self.edits_answers, max_event=self._max_read)
        else:
            self._body = BodyAnswer(self._reader, head.status, max_read=self._max_read)

    def _is_stream(self, head: AnswerHead) -> bool:
        """Some compatible servers name no type, or a wrong one: then it is what was asked for."""
        kind = (header(head.headers, b"content-type") or "").lower()
        if head.status >= 400 or "json" in kind:
            return False
        return self.request.streaming or kind.startswith("text/event-stream")

    def feed(self, data: bytes) -> Sequence[Step]:
        """A piece of the body, decoded, cut anywhere."""
        assert self._body is not None, "begin_turn comes first"
        return self._body.feed(data)

    def end_turn(self, *, broken: bool = False) -> Sequence[Step]:
        """The body is over; `broken` if it broke off."""
        return self._body.end(broken=broken) if self._body else _NOTHING

    def resume(self, results: Sequence[ToolResult]) -> bytes:
        """The body of the next turn's request."""
        raise AssertionError("no tools were offered")

    def conclude(self, results: Sequence[ToolResult]) -> Sequence[Step]:
        """The rest of an answer that ends with calls of ours."""
        raise AssertionError("no tools were offered")

    def keep_alive(self) -> bytes:
        """What may be sent to a waiting client right now."""
        return (
            self._voice.keep_alive if isinstance(self._body, StreamAnswer) and self._body.open_between_events else b""
        )

    def fail(self, error: BridgeError) -> bytes:
        """This API's error, in the form that fits where the answer stands."""
        if self._body is None:
            return self._voice.refuse(error)
        return self._voice.error_event(error) if self._body.open_between_events else b""


class StreamAnswer:
    """A body of server-sent events."""

    def __init__(self, reader: AnswerReader, *, edits: bool, max_event: int) -> None:
        self._reader = reader
        self._edits = edits
        self._scanner = SseScanner(max_event=max_event)
        self._ended = False

    @property
    def open_between_events(self) -> bool:
        # An editing stream relays whole events only, so the client always stands between two.
        return not self._ended and (self._edits or self._scanner.at_boundary)

    def feed(self, data: bytes) -> Sequence[Step]:
        if self._ended:
            return (Relay(data),)
        events = self._scanner.feed(data)
        if self._edits:
            return self._filtered(events)
        read, left = self._reader.event, iter(events)
        for event in left:
            if read(event) is LAST:
                return self._split(data, [event, *left])
        return (Relay(data),)

    def _split(self, data: bytes, tail: Sequence[SseEvent]) -> Sequence[Step]:
        """All before the last event goes out at once, the event itself when the records are durable."""
        # The event may have begun in an earlier piece: then all of this one is held.
        start = max(0, len(data) - len(self._scanner.rest) - sum(len(event.raw) for event in tail))
        return self._last(data[:start], data[start:])

    def _filtered(self, events: Sequence[SseEvent]) -> Sequence[Step]:
        kept: list[bytes] = []
        for position, event in enumerate(events):
            verdict = self._reader.event(event)
            if verdict is LAST:
                tail = [after.raw for after in events[position:]]
                return self._last(b"".join(kept), b"".join([*tail, self._scanner.rest]))
            if verdict is PASS:
                kept.append(event.raw)
        return (Relay(b"".join(kept)),) if kept else _NOTHING

    def _last(self, before: bytes, last: bytes) -> Sequence[Step]:
        self._ended = True
        at_once: Sequence[Step] = (Relay(before),) if before else ()
        # An error ends an answer, too, but doesn't make it whole.
        return (*at_once, *self._facts(partial=not self._reader.complete), Relay(last, last=True))

    def end(self, *, broken: bool) -> Sequence[Step]:
        if self._ended:
            return _NOTHING
        return self._over(b"" if broken else self._read_rest(), broken=broken)

    def _over(self, rest: bytes, *, broken: bool) -> Sequence[Step]:
        """The stream is over without an event that ends it. `rest`: what of its end is for the client."""
        self._ended = not broken
        partial = broken or not self._reader.complete
        steps = list(self._facts(partial=partial))
        if partial and not broken and self._reader.failure is None:
            steps.append(Failed(ErrorType.INCOMPLETE, "the stream ended before the answer was complete"))
        if self._edits and rest:
            steps.append(Relay(rest, last=True))
        return steps

    def _read_rest(self) -> bytes:
        """Read an event that the end of the stream cut short, as clients do; returns what of it is for the client."""
        rest = self._scanner.rest
        verdicts = [self._reader.event(event) for event in self._scanner.close()]
        return b"" if HIDE in verdicts else rest

    def _facts(self, *, partial: bool) -> Sequence[Step]:
        learned = _learned(self._reader, partial=partial)
        return (*learned, self._reader.failure) if self._reader.failure else learned


class BodyAnswer:
    """A body that isn't a stream: relayed as it comes, its last piece held back, read when it is whole."""

    open_between_events = False

    def __init__(self, reader: AnswerReader, status: int, *, max_read: int) -> None:
        self._reader = reader
        self._status = status
        self._max_read = max_read
        self._held = b""
        self._read = bytearray()
        self._too_large = False

    def feed(self, data: bytes) -> Sequence[Step]:
        if not data:
            return _NOTHING  # what is held stays the last piece
        out, self._held = self._held, data
        self._too_large = self._too_large or len(self._read) + len(data) > self._max_read
        if not self._too_large:
            self._read += data
        return (Relay(out),) if out else _NOTHING

    def end(self, *, broken: bool) -> Sequence[Step]:
        steps: list[Step] = list(self._facts(broken=broken))
        if self._held:
            steps.append(Relay(self._held, last=not broken))
            self._held = b""
        return steps

    def _facts(self, *, broken: bool) -> Sequence[Step]:
        body = bytes(self._read)
        if self._status >= 400:
            return (failure_of_status(self._status, body),)
        if self._too_large:
            return ()
        self._reader.body(body)
        learned = _learned(self._reader, partial=broken)
        failure = None if broken else self._reader.failure
        return (*learned, failure) if failure else learned


def _learned(reader: AnswerReader, *, partial: bool) -> Sequence[Step]:
    """What an answer came to, apart from a failure."""
    facts = [Observed(fact) for fact in reader.facts(partial=partial)]
    reasons = reader.finish_reasons
    return (*facts, Finished(reasons)) if reasons else facts
