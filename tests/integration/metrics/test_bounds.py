"""Whatever clients and providers say, metrics stay within bounds and can be scraped."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from aibridge_adapters.telemetry.metrics import Bounds, Meters, MetricsObserver
from aibridge_adapters.telemetry.metrics.bounds import MAX_LENGTH, MAX_SERIES
from aibridge_core.actors import Actor, CredentialKind
from aibridge_core.observing import Phase
from aibridge_core.providers.registry import provider
from aibridge_core.records import InterceptionEnded, InterceptionStart, Status, TokenUsage, ToolUsage
from aibridge_core.routing import Router
from aibridge_core.testing.clock import FakeClock
from aibridge_core.wire import AnswerHead, ClientRequest, UpstreamRequest

ROUTER = Router([provider(name="anthropic", type="anthropic", base_url="https://a.example", keys=["sk"])])
NOW = datetime(2026, 1, 1, tzinfo=UTC)
UPSTREAM = UpstreamRequest(method="POST", url="https://a.example", headers=())


class World:
    """An observer, and a request that tells it everything."""

    def __init__(self, most: int, *, shows_users: bool = True) -> None:
        self.registry = CollectorRegistry()
        self.bounds = Bounds(most)
        self.clock = FakeClock()
        meters = Meters(self.registry, self.bounds)
        self.observer = MetricsObserver(meters, clock=self.clock, find=ROUTER.find, shows_users=shows_users)

    def ask(self, *, model: str = "m", user: str = "u", username: str = "", client: str = "c", tool: str = "t") -> None:
        match = ROUTER.resolve("POST", "/anthropic/v1/messages")
        actor = Actor(id=user, username=username or user)
        watch = self.observer.bridged(match, ClientRequest(method="POST", path="/x", body=b"12345"), actor)
        start = InterceptionStart(
            id="i",
            initiator=actor,
            provider="anthropic",
            provider_name="anthropic",
            model=model,
            client=client,
            credential_kind=CredentialKind.CENTRALIZED,
            credential_hint="",
            streaming=True,
            started_at=NOW,
        )
        with watch:
            watch.started(start)
            with watch.during(Phase.BEGIN):
                self.clock.turn(0.25)
            with (call := watch.upstream(UPSTREAM)):
                self.clock.turn(7)
                call.answered(AnswerHead(status=200))
                watch.answering(200)
                self.clock.turn(1)
                call.flowing()
                with watch.during(Phase.END):
                    self.clock.turn(0.5)
            with watch.during(Phase.CALL_TOOLS):
                self.clock.turn(30)
            watch.observed(TokenUsage(response_id="r", input_tokens=1, output_tokens=1, extra={tool: 1}))
            watch.observed(ToolUsage(response_id="r", tool=tool, injected=True, server_url="http://s"))
            watch.observed(ToolUsage(response_id="r", tool=tool))
            watch.ended(InterceptionEnded(id="i", ended_at=NOW, status=Status.COMPLETED))
            watch.sent(9)

    def values(self, name: str, /, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"aibridge_{name}", labels)

    def seen(self, label: str) -> Mapping[str, set[str]]:
        """The values of a label, by metric."""
        found: dict[str, set[str]] = {}
        for family in self.registry.collect():
            for sample in family.samples:
                if label in sample.labels:
                    found.setdefault(family.name, set()).add(sample.labels[label])
        return found


@pytest.mark.parametrize(
    ("label", "argument"),
    [("model", "model"), ("initiator_id", "user"), ("client", "client"), ("name", "tool"), ("type", "tool")],
)
def test_more_values_than_allowed_are_other(label: str, argument: str) -> None:
    """The first ones are told apart, in all metrics alike; sums stay right."""
    world = World(most=4)
    for number in range(50):
        world.ask(**{argument: f"value-{number}"})
    for values in world.seen(label).values():
        assert len(values) <= 5
    total = sum(
        sample.value
        for family in world.registry.collect()
        if family.name == "aibridge_interceptions"
        for sample in family.samples
        if sample.name == "aibridge_interceptions_total"
    )
    assert total == 50
    assert world.bounds.folded[label] > 0


ODD = {"surrogate": "\ud800", "line": "a\nb", "null": "\x00", "long": "x" * (MAX_LENGTH + 1)}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_text_that_fits_on_no_page_is_other(odd: str) -> None:
    """JSON can hold what UTF-8 can't, and one such model name must not end all scrapes."""
    world = World(most=100)
    world.ask(model=odd, client=odd, tool=odd, user=odd)
    page = generate_latest(world.registry).decode()
    assert 'model="other"' in page
    assert odd not in page


def test_combinations_are_bounded_too() -> None:
    """A hundred models times a hundred tools would be ten thousand; the rest is counted as other."""
    world = World(most=MAX_SERIES)
    for model in range(101):
        for tool in range(100):
            world.observer._traffic.selected("anthropic", f"m-{model}", f"t-{tool}").inc()
    (family,) = [each for each in world.registry.collect() if each.name == "aibridge_non_injected_tool_selections"]
    counted = [sample for sample in family.samples if sample.name.endswith("_total")]
    assert len(counted) == MAX_SERIES + 1
    assert world.values("non_injected_tool_selections_total", provider="anthropic", model="other", name="other") == 100


def test_users_can_be_left_out() -> None:
    """Then no metric knows who it was."""
    world = World(most=10, shows_users=False)
    world.ask(user="0b1", username="ann")
    page = generate_latest(world.registry).decode()
    assert "0b1" not in page
    assert "ann" not in page


def test_a_renamed_user_has_one_name() -> None:
    """Joins with two names for an id would fail."""
    world = World(most=10)
    world.ask(user="u-1", username="ann")
    world.ask(user="u-1", username="anna")
    assert world.values("user_info", initiator_id="u-1", username="anna") == 1
    assert world.values("user_info", initiator_id="u-1", username="ann") is None


def test_whose_time_it_was() -> None:
    """A start that took a quarter of a second and an end that took half are ours; the rest was others'."""
    world = World(most=10)
    world.ask()
    where = {"provider": "anthropic", "model": "m"}
    assert world.values("gateway_overhead_seconds_sum", provider="anthropic", route="/v1/messages") == 0.75
    assert world.values("gateway_phase_seconds_sum", phase="begin") == 0.25
    assert world.values("gateway_phase_seconds_sum", phase="end") == 0.5
    assert world.values("upstream_duration_seconds_sum", **where) == 8.5
    assert world.values("upstream_time_to_first_byte_seconds_sum", **where) == 8
    assert world.values("time_to_first_byte_seconds_sum", **where) == 8.25
    assert world.values("interceptions_duration_seconds_sum", **where) == 38.75
    assert world.values("request_bytes_total", provider="anthropic", route="/v1/messages") == 5
    assert world.values("response_bytes_total", provider="anthropic", route="/v1/messages") == 9
    assert world.values("interceptions_inflight", route="/v1/messages", **where) == 0
    assert world.values("open_streams", provider="anthropic") == 0
