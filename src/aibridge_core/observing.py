"""What the world may watch: an observer is told of each request while it happens.

Belongs here: the hooks of traces, metrics and service logs, and an observer of nothing; several as one are `observers`.
Never: names of spans or metrics. Hooks are synchronous, never raise and never wait; none is called per piece of an
answer. What is recorded, an observer gets as the same frozen values that the storage does, so that they can't disagree.
Observers let go of requests at once: bodies are large, and answers may last for minutes.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from typing import Protocol

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


NOTHING = nullcontext()


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
        return NOTHING

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
