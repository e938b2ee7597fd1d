"""Several observers as one.

Belongs here: telling each of them the same. Never: a hook; they are `observing`'s.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Generic, TypeVar

from attrs import frozen

from aibridge_core.actors import Actor
from aibridge_core.dialects.api import Failed
from aibridge_core.errors import BridgeError
from aibridge_core.observing import NOTHING, UNWATCHED, Observer, Phase, Serving, UpstreamWatch, Watch
from aibridge_core.records import Fact, InterceptionEnded, InterceptionStart
from aibridge_core.routing import Match
from aibridge_core.wire import AnswerHead, Arrival, ClientRequest, Headers, UpstreamRequest

_Part = TypeVar("_Part", bound=AbstractContextManager[None])


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
    busy = [part for part in parts if part is not UNWATCHED and part is not NOTHING]
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
