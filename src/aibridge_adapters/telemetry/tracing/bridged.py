"""The spans of a request on a bridged route.

Belongs here: which phase is which span, and what each is told. Never: HTTP, MCP, or how spans are kept and sent.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from time import time_ns
from types import TracebackType

from attrs import field, frozen
from opentelemetry import context as contexts
from opentelemetry import propagate
from opentelemetry.trace import Span, Tracer, set_span_in_context

from aibridge_adapters.telemetry.tracing import gen_ai, names
from aibridge_adapters.telemetry.tracing.model_call import ModelCall
from aibridge_adapters.telemetry.tracing.states import Pool, Scope, Shared, fail
from aibridge_core.actors import Actor
from aibridge_core.dialects.api import Failed
from aibridge_core.errors import BridgeError
from aibridge_core.observing import Phase
from aibridge_core.records import Fact, InterceptionEnded, InterceptionStart, Status
from aibridge_core.wire import UpstreamRequest

_NOTHING = nullcontext()


@frozen(kw_only=True)
class Setup:
    """What all watches need."""

    tracer: Tracer
    content: bool = False
    """Prompts, reasoning and tool calls are shown."""
    from_clients: bool = True
    """Traces of clients go on here."""
    to_providers: bool = False
    """Providers are told of the trace."""
    fields: Collection[bytes] = field(
        factory=lambda: frozenset(name.encode("latin-1") for name in propagate.get_global_textmap().fields)
    )
    """Headers that tell of traces."""


class BridgedWatch:
    """Implements `aibridge_core.observing.Watch`."""

    def __init__(self, setup: Setup, *, path: str, actor: Actor, dialect: str, on_bedrock: bool) -> None:
        self._setup = setup
        self._tracer = setup.tracer
        self._path = path
        self._actor = actor
        self._dialect = dialect
        self._on_bedrock = on_bedrock
        self._shared = Shared()
        self._start: InterceptionStart | None = None
        self._intercept: Span | None = None
        self._token: object = None
        self._created: tuple[int, int] = (0, 0)
        self._blame = "interception failed: "
        self._failure: BaseException | Failed | None = None
        self._cancelled = False
        self._call: ModelCall | None = None

    def __enter__(self) -> None:
        """Spans begin with their phases."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._intercept is None:
            return
        contexts.detach(self._token)  # type: ignore[arg-type]
        failure = self._failure or error
        if failure is not None and not self._cancelled:
            fail(self._intercept, failure, self._blame)
        self._intercept.end()

    def during(self, phase: Phase) -> AbstractContextManager[None]:
        make = _PHASES.get(phase)
        return make(self) if make else _NOTHING

    def started(self, start: InterceptionStart) -> None:
        self._start = start
        shared = self._shared.attributes
        shared.update(
            {
                names.REQUEST_PATH: self._path,
                names.INTERCEPTION_ID: start.id,
                names.USER_ID: start.initiator.id,
                names.PROVIDER: start.provider_name,
                names.MODEL: start.model,
                names.STREAMING: start.streaming,
            }
        )
        if self._dialect == "messages" or self._on_bedrock:
            shared[names.AWS_BEDROCK] = self._on_bedrock
        assert self._intercept
        self._intercept.set_attributes({**shared, names.CLIENT: start.client})
        begun, done = self._created
        created = self._tracer.start_span(names.CREATE, self._shared.intercept, attributes=shared, start_time=begun)
        created.end(end_time=done)

    @property
    def _type(self) -> str:
        """Of provider, as it is asked: a provider of type `anthropic` may be on Bedrock."""
        assert self._start
        return "bedrock" if self._on_bedrock else self._start.provider

    def upstream(self, request: UpstreamRequest) -> ModelCall:
        self._end_call()
        assert self._start
        attributes = {**self._shared.attributes, **gen_ai.asked(self._start, request.url, type=self._type)}
        span = self._tracer.start_span(
            names.UPSTREAM, self._shared.process, kind=names.CLIENT_KIND, attributes=attributes
        )
        self._call = ModelCall(span, self._shared.process, self._setup.to_providers, self._setup.content)
        return self._call

    def observed(self, fact: Fact) -> None:
        if self._call:
            self._call.observed(fact)

    def finished(self, reasons: Sequence[str]) -> None:
        if self._call:
            self._call.finished(reasons)

    def failed(self, failure: Failed | BridgeError) -> None:
        self._failure = self._failure or failure
        if self._call:
            self._call.failed(failure)

    def answering(self, status: int) -> None:
        """The HTTP server span says it."""

    def sent(self, size: int) -> None:
        """Sizes are for metrics."""

    def ended(self, ended: InterceptionEnded) -> None:
        self._cancelled = ended.status is Status.CANCELLED
        if ended.status is Status.INTERRUPTED:
            self._failure = Failed(ended.error_type, ended.error_message)
        if self._intercept:
            self._intercept.set_attribute(names.STATUS, ended.status.value)

    def _end_call(self) -> None:
        if self._call:
            self._call.finish()
            self._call = None


class _Acquire(Scope):
    """The look-up of tools, outside of `Intercept`."""

    def __init__(self, watch: BridgedWatch) -> None:
        attributes = {names.USER_ID: watch._actor.id, names.API_KEY_ID: watch._actor.api_key_id}
        self._pool = Pool(attributes)
        context = self._pool.within(contexts.get_current())
        super().__init__(watch._tracer.start_span(names.ACQUIRE, context, attributes=attributes), context)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._pool.missed:
            self.span.add_event(names.CACHE_HIT)
        super().__exit__(kind, error, trace)


class _Create:
    """Reading the request. Its span is made when it is known whether there is an interception."""

    def __init__(self, watch: BridgedWatch) -> None:
        self._watch = watch

    def __enter__(self) -> None:
        watch = self._watch
        intercept = watch._tracer.start_span(names.INTERCEPT)
        context = watch._shared.within(set_span_in_context(intercept))
        watch._intercept, watch._shared.intercept = intercept, context
        watch._token = contexts.attach(context)
        self._begun = time_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        watch = self._watch
        watch._created = (self._begun, time_ns())
        if error is not None:
            watch._blame = "failed to create interceptor: "
            span = watch._tracer.start_span(names.CREATE, watch._shared.intercept, start_time=self._begun)
            fail(span, error)
            span.end()


class _Begin:
    """The start record. Its span is the recorder's."""

    def __init__(self, watch: BridgedWatch) -> None:
        self._watch = watch

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._watch._blame = "failed to record interception: "


class _Process:
    """Everything between the start record and the outcome."""

    def __init__(self, watch: BridgedWatch) -> None:
        self._watch = watch

    def __enter__(self) -> None:
        shared = self._watch._shared
        self._span = self._watch._tracer.start_span(names.PROCESS, shared.intercept, attributes=shared.attributes)
        shared.process = set_span_in_context(self._span, shared.intercept)
        self._token = contexts.attach(shared.process)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        watch = self._watch
        contexts.detach(self._token)
        watch._end_call()
        failure = watch._failure or error
        if failure is not None and not watch._cancelled:
            fail(self._span, failure)
        self._span.end()


_PHASES: Mapping[Phase, Callable[[BridgedWatch], AbstractContextManager[None]]] = {
    Phase.FIND_TOOLS: _Acquire,
    Phase.INTERCEPT: _Create,
    Phase.BEGIN: _Begin,
    Phase.PROCESS: _Process,
}
