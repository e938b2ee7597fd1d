"""What the world may watch: an observer is told of each request while it happens.

Belongs here: the hooks of traces, metrics and service logs, and observers of nothing and of several kinds. Never: names
of spans or metrics. Hooks are synchronous, never raise and never wait; none is called per piece of an answer. What is
recorded, an observer gets as the same frozen values that the storage does, so that they can't disagree. Observers
let go of requests at once: bodies are large, and answers may last for minutes.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from enum import Enum
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from attrs import frozen

from aibridge_core.actors import Actor
from aibridge_core.dialects.api import Failed
from aibridge_core.errors import BridgeError
from aibridge_core.records import Fact, InterceptionEnded, InterceptionStart
from aibridge_core.routing import Match
from aibridge_core.wire import AnswerHead, Arrival, ClientRequest, Headers, UpstreamRequest


class Phase(Enum):
    """A part of a bridged request that takes its time. They come in this order; `CALL_TOOLS` is within `PROCESS`."""

    FIND_TOOLS = "find_tools"
    """The person's tools are looked up, and listed if they aren't known yet."""
    INTERCEPT = "intercept"
    """The request is read, tools are spliced in."""
    BEGIN = "begin"
    """The start is being made durable."""
    PROCESS = "process"
    """Everything between the start record and the outcome: upstream calls, tools, relaying, records."""
    CALL_TOOLS = "call_tools"
    """Injected tools run."""
    END = "end"
    """The end and all records are being made durable. Within `PROCESS` unless the request failed or was cancelled."""


class UpstreamWatch(AbstractContextManager[None], Protocol):
    """One call of a provider: entered before it is sent, left when its answer is over; its exception passes through."""

    @property
    def headers(self) -> Headers:
        """Headers to be sent with the request, e.g. `traceparent`. Asked once, when entered."""
        ...

    def answered(self, head: AnswerHead) -> None:
        """The head of the answer has come."""
        ...

    def flowing(self) -> None:
        """The first piece of the body has come."""
        ...


class Watch(AbstractContextManager[None], Protocol):
    """One request, from its complete body to its last byte; what it fails with passes through."""

    def during(self, phase: Phase) -> AbstractContextManager[None]:
        """Around a phase; its exception passes through."""
        ...

    def started(self, start: InterceptionStart) -> None:
        """It is an interception, about to be recorded. Never called on passthrough routes."""
        ...

    def upstream(self, request: UpstreamRequest) -> UpstreamWatch:
        """Around one try of one upstream call."""
        ...

    def observed(self, fact: Fact) -> None:
        """A fact was read off the exchange."""
        ...

    def finished(self, reasons: Sequence[str]) -> None:
        """Why one answer of a provider ended, in its own words, one for each choice; not told if it didn't say."""
        ...

    def failed(self, failure: Failed | BridgeError) -> None:
        """Why it failed; the first reason counts, and is told once."""
        ...

    def answering(self, status: int) -> None:
        """The head of the answer goes to the client."""
        ...

    def sent(self, size: int) -> None:
        """So many bytes of an answer's body went to the client. Once, at the end, whatever the outcome."""
        ...

    def ended(self, ended: InterceptionEnded) -> None:
        """The outcome, about to be recorded. Once for each interception whose start is durable."""
        ...


class Serving(AbstractContextManager[None], Protocol):
    """One HTTP request on an AI route, from its head to the end of its answer, whoever sent it."""

    def answering(self, status: int) -> None:
        """The head of the answer goes to the client, the provider's or one of the gateway's own."""
        ...


class Observer(Protocol):
    """Makes a watch for each request."""

    def serving(self, arrival: Arrival) -> Serving:
        """Around everything else, authentication too. It fails only by being cancelled."""
        ...

    def bridged(self, match: Match, request: ClientRequest, actor: Actor) -> Watch:
        """A request on a bridged route."""
        ...

    def passthrough(self, match: Match, request: ClientRequest, actor: Actor) -> Watch:
        """A request on a passthrough route."""
        ...

    def refused(self, path: str, error: BridgeError) -> None:
        """A request was answered with an error of the gateway's own; `path` as in `ClientRequest`."""
        ...


_NOTHING = nullcontext()
_Part = TypeVar("_Part", bound=AbstractContextManager[None])


class Unwatched:
    """Implements all of these where nobody watches: one object that keeps nothing."""

    headers: Headers = ()

    def serving(self, arrival: Arrival) -> "Unwatched":
        return UNWATCHED

    def bridged(self, match: Match, request: ClientRequest, actor: Actor) -> "Unwatched":
        return self

    passthrough = bridged

    def refused(self, path: str, error: BridgeError) -> None:
        pass

    def during(self, phase: Phase) -> AbstractContextManager[None]:
        return _NOTHING

    def started(self, start: InterceptionStart) -> None:
        pass

    def upstream(self, request: UpstreamRequest) -> "Unwatched":
        return UNWATCHED

    def observed(self, fact: Fact) -> None:
        pass

    def finished(self, reasons: Sequence[str]) -> None:
        pass

    def failed(self, failure: Failed | BridgeError) -> None:
        pass

    def answering(self, status: int) -> None:
        pass

    def sent(self, size: int) -> None:
        pass

    def ended(self, ended: InterceptionEnded) -> None:
        pass

    def answered(self, head: AnswerHead) -> None:
        pass

    def flowing(self) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


UNWATCHED = Unwatched()


def observers(several: Sequence[Observer]) -> Observer:
    """All of these as one, entered in order and left in reverse."""
    if not several:
        return UNWATCHED
    return several[0] if len(several) == 1 else Together(several)


@frozen
class Together:
    """Several observers as one."""

    observers: Sequence[Observer]

    def serving(self, arrival: Arrival) -> Serving:
        return _of([each.serving(arrival) for each in self.observers], _Servings)

    def bridged(self, match: Match, request: ClientRequest, actor: Actor) -> Watch:
        return _of([each.bridged(match, request, actor) for each in self.observers], _Watches)

    def passthrough(self, match: Match, request: ClientRequest, actor: Actor) -> Watch:
        return _of([each.passthrough(match, request, actor) for each in self.observers], _Watches)

    def refused(self, path: str, error: BridgeError) -> None:
        for each in self.observers:
            each.refused(path, error)


def _of(parts: Sequence[_Part], together: Callable[[Sequence[_Part]], _Part]) -> _Part:
    """Those parts as one that do anything: most requests are watched by few, and each context costs."""
    busy = [part for part in parts if part is not UNWATCHED and part is not _NOTHING]
    if len(busy) > 1:
        return together(busy)
    return busy[0] if busy else parts[0]


class _Together(AbstractContextManager[None], Generic[_Part]):
    """Several contexts as one."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._parts = parts
        self._stack = ExitStack()

    def __enter__(self) -> None:
        for part in self._parts:
            self._stack.enter_context(part)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


class _Servings(_Together[Serving]):
    """Implements `Serving`."""

    def answering(self, status: int) -> None:
        for each in self._parts:
            each.answering(status)


class _Watches(_Together[Watch]):
    """Implements `Watch`."""

    def during(self, phase: Phase) -> AbstractContextManager[None]:
        return _of([each.during(phase) for each in self._parts], _Together)

    def started(self, start: InterceptionStart) -> None:
        for each in self._parts:
            each.started(start)

    def upstream(self, request: UpstreamRequest) -> UpstreamWatch:
        return _of([each.upstream(request) for each in self._parts], _UpstreamWatches)

    def observed(self, fact: Fact) -> None:
        for each in self._parts:
            each.observed(fact)

    def finished(self, reasons: Sequence[str]) -> None:
        for each in self._parts:
            each.finished(reasons)

    def failed(self, failure: Failed | BridgeError) -> None:
        for each in self._parts:
            each.failed(failure)

    def answering(self, status: int) -> None:
        for each in self._parts:
            each.answering(status)

    def sent(self, size: int) -> None:
        for each in self._parts:
            each.sent(size)

    def ended(self, ended: InterceptionEnded) -> None:
        for each in self._parts:
            each.ended(ended)


class _UpstreamWatches(_Together[UpstreamWatch]):
    """Implements `UpstreamWatch`."""

    @property
    def headers(self) -> Headers:
        return tuple(header for each in self._parts for header in each.headers)

    def answered(self, head: AnswerHead) -> None:
        for each in self._parts:
            each.answered(head)

    def flowing(self) -> None:
        for each in self._parts:
            each.flowing()
