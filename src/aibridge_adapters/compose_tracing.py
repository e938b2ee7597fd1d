"""How traces are wired: a part of the composition root.

Belongs here: which part of the gateway tells the traces what. Never: spans.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from attrs import field, frozen

from aibridge_adapters.config import Settings
from aibridge_adapters.mcp.events import (
    Call,
    Called,
    Connect,
    Connected,
    Event,
    List,
    Listed,
    Listener,
    WarmedUp,
    WarmUp,
    Watcher,
    Work,
    unwatched,
)
from aibridge_adapters.telemetry.logs import TRACE_IDS
from aibridge_adapters.telemetry.tracing import Tracing, open_tracing
from aibridge_core.observing import Observer
from aibridge_core.ports import Recorder

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from aibridge_adapters.telemetry.tracing.tools import ToolSpans


def _as_it_is(recorder: Recorder) -> Recorder:
    return recorder


@frozen(kw_only=True)
class Traces:
    """What the parts of a gateway get; of nothing, if nobody wants traces."""

    observers: Sequence[Observer] = ()
    recorder: Callable[[Recorder], Recorder] = field(default=_as_it_is)
    listeners: Sequence[Listener] = ()
    watcher: Watcher = unwatched
    counts: Callable[[], Mapping[str, int]] = dict
    """What became of spans by now, by outcome."""


@asynccontextmanager
async def traces(settings: Settings, provider: "TracerProvider | None") -> AsyncIterator[Traces]:
    """Raises TracingNotInstalled, TracingNotOpened."""
    contents = settings.record_content == "full"
    async with open_tracing(settings.tracing, provider=provider, contents=contents) as tracing:
        if tracing is None:
            yield Traces()
            return
        with _ids_in_logs():
            yield _wired(tracing)


@contextmanager
def _ids_in_logs() -> Iterator[None]:
    """Log lines name the span in which they are written."""
    from aibridge_adapters.telemetry.tracing.current import current_ids  # noqa: PLC0415 - only with the extra

    before, TRACE_IDS.read = TRACE_IDS.read, current_ids
    try:
        yield
    finally:
        TRACE_IDS.read = before


def _wired(tracing: Tracing) -> Traces:
    tools = _ToolServers(tracing.tools)
    return Traces(
        observers=[tracing.observer],
        recorder=tracing.recorder,
        listeners=[tools.listen],
        watcher=tools.watch,
        counts=tracing.counts,
    )


@frozen
class _ToolServers:
    """Translates what the MCP adapter tells."""

    _spans: "ToolSpans"

    def watch(self, work: Work) -> AbstractContextManager[None]:
        match work:
            case WarmUp():
                return self._spans.warm_up()
            case Connect(server=server, url=url):
                return self._spans.connect(server, url)
            case List(server=server, url=url):
                return self._spans.fetch(server, url)
            case Call(call=call):
                return self._spans.call(call)

    def listen(self, event: Event) -> None:
        match event:
            case WarmedUp(missing=missing):
                self._spans.warmed_up(missing)
            case Connected(error=error):
                self._spans.connected(error)
            case Listed(offered=offered):
                self._spans.fetched(offered)
            case Called(error=error, is_error=is_error):
                self._spans.called(error, is_error=is_error)
            case _:
                pass
