"""The metrics of requests, ready to be counted into.

Belongs here: which value of a record goes into which label. Never: times, or when something happens (`watches`).
"""

from aibridge_adapters.telemetry.metrics.bounds import OTHER
from aibridge_adapters.telemetry.metrics.meters import Meters
from aibridge_core.actors import Actor
from aibridge_core.records import Fact, InterceptionEnded, InterceptionStart, PromptUsage, TokenUsage, ToolUsage


class Traffic:
    """All of them."""

    def __init__(self, meters: Meters, *, shows_users: bool) -> None:
        self._shows_users = shows_users
        self._usernames: dict[str, str] = {}
        self._users = meters.gauge("user_info")
        self._shown_user = meters.bound("initiator_id")
        self.interceptions = meters.counter("interceptions_total")
        self.failures = meters.counter("interception_failures_total")
        self.inflight = meters.gauge("interceptions_inflight")
        self.duration = meters.histogram("interceptions_duration_seconds")
        self.first_byte = meters.histogram("time_to_first_byte_seconds")
        self.open_streams = meters.gauge("open_streams")
        self.passthrough_failures = meters.counter("passthrough_failures_total")
        self.prompts = meters.counter("prompts_total")
        self.tokens = meters.counter("tokens_total")
        self.injected = meters.counter("injected_tool_invocations_total")
        self.selected = meters.counter("non_injected_tool_selections_total")
        self.request_bytes = meters.counter("request_bytes_total")
        self.response_bytes = meters.counter("response_bytes_total")
        self.overhead = meters.histogram("gateway_overhead_seconds")
        self.phase = meters.histogram("gateway_phase_seconds")
        self.upstream_requests = meters.counter("upstream_requests_total")
        self.upstream_duration = meters.histogram("upstream_duration_seconds")
        self.upstream_first_byte = meters.histogram("upstream_time_to_first_byte_seconds")

    def user(self, actor: Actor) -> str:
        """The label of a user; empty, and thereby absent, if users are not shown."""
        if not self._shows_users:
            return ""
        if self._usernames.get(actor.id) != actor.username:
            self._introduce(actor)
        return actor.id

    def fact(self, start: InterceptionStart, user: str, fact: Fact) -> None:
        """Count a fact."""
        if isinstance(fact, TokenUsage):
            self._count_tokens(start, user, fact)
        elif isinstance(fact, ToolUsage):
            provider, model = start.provider_name, start.model
            if fact.injected:
                self.injected(provider, model, fact.server_url, fact.tool).inc()
            else:
                self.selected(provider, model, fact.tool).inc()
        elif isinstance(fact, PromptUsage) and fact.prompt:
            self.prompts(start.provider_name, start.model, user, start.client).inc()

    def ended(self, start: InterceptionStart, user: str, route: str, method: str, ended: InterceptionEnded) -> None:
        """Count an outcome."""
        provider, model = start.provider_name, start.model
        self.interceptions(provider, model, ended.status.value, route, method, user, start.client).inc()
        if ended.error_type:
            self.failures(provider, model, ended.error_type).inc()

    def _count_tokens(self, start: InterceptionStart, user: str, usage: TokenUsage) -> None:
        for kind, count in (
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cache_read_input_tokens", usage.cache_read_input_tokens),
            ("cache_write_input_tokens", usage.cache_write_input_tokens),
            *usage.extra.items(),
        ):
            if count:
                self.tokens(start.provider_name, start.model, kind, user, start.client).inc(count)

    def _introduce(self, actor: Actor) -> None:
        """Say a user's name; the old one is no longer true, and two would make every join fail."""
        if actor.id in self._usernames:
            self._users.forget(actor.id, self._usernames[actor.id])
        if self._shown_user(actor.id) != OTHER:
            self._usernames[actor.id] = actor.username
            self._users(actor.id, actor.username).set(1)
