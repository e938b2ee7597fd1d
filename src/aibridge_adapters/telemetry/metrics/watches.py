"""What metrics keep of one request while it lasts: when it began, and how much of its time others took.

Belongs here: times, and telling `Traffic` what happened. Never: labels that are values of records.

The gateway's own time is what is left of a request when the calls of providers and of injected tools are taken away.
What is recorded while a provider's answer still stands open, its end above all, is our own time again. What is done
for each piece of an answer counts as the provider's, since measuring it would cost more than it takes.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from aibridge_adapters.telemetry.metrics.traffic import Traffic
from aibridge_core.dialects.api import Failed
from aibridge_core.errors import BridgeError
from aibridge_core.observing import Phase, Unwatched, UpstreamWatch
from aibridge_core.records import Fact, InterceptionEnded, InterceptionStart
from aibridge_core.wire import AnswerHead, UpstreamRequest

_UNTIMED = nullcontext()


class _RequestWatch(Unwatched):
    """Implements `aibridge_core.observing.Watch`: what both kinds of request have."""

    def __init__(self, traffic: Traffic, now: Callable[[], float], *, provider: str, route: str) -> None:
        self._traffic = traffic
        self._now = now
        self.provider = provider
        self._route = route
        self._began = now()
        self._others = 0.0
        """Seconds that providers and tools took."""

    def upstream(self, request: UpstreamRequest) -> UpstreamWatch:  # type: ignore[override]
        """Around one call."""
        return _Call(self, self._traffic, self._now)

    def called(self, seconds: float) -> None:
        """A call of a provider is over."""
        self._others += seconds

    def flowed(self, at: float, seconds: float) -> None:
        """The first piece of an answer came, so long after its request was sent."""

    def sent(self, size: int) -> None:
        """So much went to the client."""
        if size:
            self._traffic.response_bytes(self.provider, self._route).inc(size)

    def __exit__(self, *error: object) -> None:
        own = self._now() - self._began - self._others
        self._traffic.overhead(self.provider, self._route).observe(max(own, 0.0))


class PassthroughWatch(_RequestWatch):
    """Of a request on a passthrough route."""

    def failed(self, failure: Failed | BridgeError) -> None:
        """The provider didn't answer completely."""
        self._traffic.passthrough_failures(self.provider, self._route, failure.error_type).inc()


class BridgedWatch(_RequestWatch):
    """Of a request on a bridged route."""

    def __init__(self, traffic: Traffic, now: Callable[[], float], *, provider: str, route: str, method: str) -> None:
        super().__init__(traffic, now, provider=provider, route=route)
        self._method = method
        self._start: InterceptionStart | None = None
        self._user = ""
        self._streams = False
        self._flowing = False
        self._calling = False

    def during(self, phase: Phase) -> AbstractContextManager[None]:
        """Take the time of a phase; `PROCESS` is made of others."""
        return _UNTIMED if phase is Phase.PROCESS else _Span(self, phase, self._now)

    def spent(self, phase: Phase, seconds: float) -> None:
        """A phase is over."""
        if phase is Phase.CALL_TOOLS:
            self._others += seconds
            return
        self._traffic.phase(phase.value).observe(seconds)
        if self._calling:
            self._others -= seconds

    def started(self, start: InterceptionStart) -> None:
        """It is an interception."""
        self._start = start
        self._user = self._traffic.user(start.initiator)
        self._traffic.inflight(self.provider, start.model, self._route).inc()

    def upstream(self, request: UpstreamRequest) -> UpstreamWatch:  # type: ignore[override]
        """Around one call."""
        self._calling = True
        return super().upstream(request)

    def called(self, seconds: float) -> None:
        """A call of a provider is over."""
        super().called(seconds)
        self._calling = False
        if self._start:
            self._traffic.upstream_duration(self.provider, self._start.model).observe(seconds)

    def flowed(self, at: float, seconds: float) -> None:
        """The first piece of an answer came."""
        assert self._start
        self._traffic.upstream_first_byte(self.provider, self._start.model).observe(seconds)
        if not self._flowing:
            self._flowing = True
            self._traffic.first_byte(self.provider, self._start.model).observe(at - self._began)

    def observed(self, fact: Fact) -> None:
        """Count a fact."""
        assert self._start
        self._traffic.fact(self._start, self._user, fact)

    def answering(self, status: int) -> None:
        """From now on it is an open stream, if it is one at all."""
        if self._start and self._start.streaming:
            self._streams = True
            self._traffic.open_streams(self.provider).inc()

    def ended(self, ended: InterceptionEnded) -> None:
        """Count the outcome."""
        assert self._start
        self._traffic.ended(self._start, self._user, self._route, self._method, ended)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        if self._start:
            model = self._start.model
            self._traffic.inflight(self.provider, model, self._route).dec()
            self._traffic.duration(self.provider, model).observe(self._now() - self._began)
        if self._streams:
            self._traffic.open_streams(self.provider).dec()


class _Span(AbstractContextManager[None]):
    """Around a phase."""

    __slots__ = ("_began", "_now", "_phase", "_watch")

    def __init__(self, watch: BridgedWatch, phase: Phase, now: Callable[[], float]) -> None:
        self._watch = watch
        self._phase = phase
        self._now = now

    def __enter__(self) -> None:
        self._began = self._now()

    def __exit__(self, *error: object) -> None:
        self._watch.spent(self._phase, self._now() - self._began)


class _Call(Unwatched):
    """Around one call of a provider."""

    def __init__(self, watch: _RequestWatch, traffic: Traffic, now: Callable[[], float]) -> None:
        self._watch = watch
        self._traffic = traffic
        self._now = now
        self._answered = False

    def __enter__(self) -> None:
        self._began = self._now()

    def answered(self, head: AnswerHead) -> None:
        """There is a status."""
        self._answered = True
        self._traffic.upstream_requests(self._watch.provider, str(head.status)).inc()

    def flowing(self) -> None:
        """The first piece of the body."""
        now = self._now()
        self._watch.flowed(now, now - self._began)

    def __exit__(self, *error: object) -> None:
        if not self._answered:
            code = error[1].error_type if isinstance(error[1], BridgeError) else "cancelled"
            self._traffic.upstream_requests(self._watch.provider, code).inc()
        self._watch.called(self._now() - self._began)
