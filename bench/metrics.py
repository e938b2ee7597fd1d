"""What metrics cost a request, and how long a scrape holds the event loop: `python bench/metrics.py`.

Belongs here: the observer and the page alone, without sockets. The target is 30 us a request.
"""

import sys
import timeit
from datetime import UTC, datetime
from time import perf_counter

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.telemetry.metrics import Bounds, Meters, MetricsObserver
from aibridge_adapters.telemetry.metrics.exposition import _pieces
from aibridge_core.actors import Actor, CredentialKind
from aibridge_core.observing import UNWATCHED, Observer, Phase
from aibridge_core.providers.registry import provider
from aibridge_core.records import InterceptionEnded, InterceptionStart, PromptUsage, Status, TokenUsage, ToolUsage
from aibridge_core.routing import Router
from aibridge_core.wire import AnswerHead, Arrival, ClientRequest, UpstreamRequest

TARGET = 30.0
REQUESTS = 3000
ROUNDS = 9
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROUTER = Router([provider(name="anthropic", type="anthropic", base_url="https://a.example", keys=["sk"])])
MATCH = ROUTER.resolve("POST", "/anthropic/v1/messages")
REQUEST = ClientRequest(method="POST", path="/anthropic/v1/messages", body=b"x" * 1000)
ARRIVAL = Arrival(method="POST", path="/anthropic/v1/messages")
UPSTREAM = UpstreamRequest(method="POST", url="https://a.example", headers=())
HEAD = AnswerHead(status=200)
ENDED = InterceptionEnded(id="i", ended_at=NOW, status=Status.COMPLETED)
FACTS = (
    PromptUsage(response_id="r", prompt="hi"),
    TokenUsage(response_id="r", input_tokens=3, output_tokens=4, cache_read_input_tokens=5, cache_write_input_tokens=6),
    ToolUsage(response_id="r", tool="Read"),
)


def start(user: str, model: str) -> InterceptionStart:
    """Of a streaming request."""
    return InterceptionStart(
        id="i",
        initiator=Actor(id=user, username=user),
        provider="anthropic",
        provider_name="anthropic",
        model=model,
        client="Claude Code",
        credential_kind=CredentialKind.CENTRALIZED,
        credential_hint="",
        streaming=True,
        started_at=NOW,
    )


def request(observer: Observer, begun: InterceptionStart) -> None:
    """Everything that an observer is told of one streaming request with a tool call."""
    watch = observer.bridged(MATCH, REQUEST, begun.initiator)
    with observer.serving(ARRIVAL), watch:
        for phase in (Phase.FIND_TOOLS, Phase.INTERCEPT):
            with watch.during(phase):
                pass
        watch.started(begun)
        with watch.during(Phase.BEGIN):
            pass
        with watch.during(Phase.PROCESS), (call := watch.upstream(UPSTREAM)):
            call.answered(HEAD)
            watch.answering(200)
            call.flowing()
            for fact in FACTS:
                watch.observed(fact)
            watch.ended(ENDED)
            with watch.during(Phase.END):
                pass
        watch.sent(1000)


def cost(observer: Observer) -> float:
    """Microseconds a request, in the quickest of several rounds: other programs only make it slower."""
    begun = start("u-1", "m-1")
    rounds = timeit.repeat(lambda: request(observer, begun), number=REQUESTS, repeat=ROUNDS)
    return min(rounds) / REQUESTS * 1e6


def scrape(registry: CollectorRegistry) -> tuple[int, float, float]:
    """Bytes of a page, milliseconds for all of it, and for the longest piece without a pause."""
    encode, _ = choose_encoder("")
    size, longest, begun = 0, 0.0, perf_counter()
    last = begun
    for piece in _pieces(registry, encode, ends=False):
        now = perf_counter()
        size, longest, last = size + len(piece), max(longest, now - last), now
    return size, (last - begun) * 1e3, longest * 1e3


def main() -> int:
    """Print the table; the exit status says whether the target is met."""
    registry = CollectorRegistry()
    observer = MetricsObserver(Meters(registry, Bounds(200)), clock=SystemClock(), find=ROUTER.find)
    own = cost(observer) - cost(UNWATCHED)
    print(f"metrics: {own:.1f} us a request (target {TARGET:.0f})")
    for users in (1, 100, 200):
        for user in range(users):
            for model in range(5):
                request(observer, start(f"u-{user}", f"m-{model}"))
        size, total, longest = scrape(registry)
        print(f"scrape with {users} users and 5 models: {size / 1e3:.0f} kB, {total:.1f} ms, longest {longest:.1f} ms")
    return int(own > TARGET)


if __name__ == "__main__":
    sys.exit(main())
