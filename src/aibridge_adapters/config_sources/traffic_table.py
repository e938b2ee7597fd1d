"""The settings of traffic: limits, tries, circuit breakers. They are rows of `table.SETTINGS`.

Belongs here: one row per setting, in the order in which they are shown. Never: any other setting.
"""

from aibridge_adapters.config_sources import kinds
from aibridge_adapters.config_sources.setting import Setting

TRAFFIC = (
    Setting(
        key="limits.max_rps",
        name="max_rps",
        aliases=("RATE_LIMIT",),
        kind=kinds.LIMIT,
        meaning="Requests that this process lets in within any second; more are answered with 429. 0: no limit.",
    ),
    Setting(
        key="limits.max_concurrent",
        name="max_concurrent",
        aliases=("MAX_CONCURRENCY",),
        kind=kinds.LIMIT,
        meaning="Requests that this process works on at once; more are answered with 503. 0: no limit.",
    ),
    Setting(
        key="limits.max_rps_per_user",
        name="max_rps_per_user",
        kind=kinds.LIMIT,
        meaning="Requests of one person that this process lets in within any second. 0: no limit.",
    ),
    Setting(
        key="limits.max_concurrent_per_user",
        name="max_concurrent_per_user",
        kind=kinds.LIMIT,
        meaning="Requests of one person that this process works on at once; more are answered with 429. 0: no limit.",
    ),
    Setting(
        key="limits.shared",
        name="limits_shared",
        kind=kinds.SWITCH,
        meaning="Whether these limits are those of all gateway processes on one PostgreSQL database together. The same "
        "for all of them.",
    ),
    Setting(
        key="limits.shared_timeout",
        name="limits_shared_timeout",
        kind=kinds.DEADLINE,
        unit="seconds",
        meaning="With shared limits: longest time that a request waits for the database to count it.",
    ),
    Setting(
        key="limits.shared_fallback",
        name="limits_shared_fallback",
        kind=kinds.choice("local", "refuse"),
        meaning="With shared limits, while the database doesn't count in time. `local`: each process keeps the limits "
        "divided by the number of processes. `refuse`: requests are answered with 503.",
    ),
    Setting(
        key="actor_headers.send",
        name="send_actor_headers",
        kind=kinds.SWITCH,
        meaning="Whether providers are told who asks, by headers on bridged routes. Clients can't say it themselves.",
    ),
    Setting(
        key="actor_headers.id",
        name="actor_header_id",
        kind=kinds.HEADER_NAME,
        meaning="Name of the header with the user's id. Empty: it is not sent.",
    ),
    Setting(
        key="actor_headers.username",
        name="actor_header_username",
        kind=kinds.HEADER_NAME,
        meaning="Name of the header with the username. Empty: it is not sent.",
    ),
    Setting(
        key="upstream_retries",
        kind=kinds.RETRIES,
        meaning="How often a request is tried again if the provider could not be reached, before the answer begins.",
    ),
    Setting(
        key="circuit_breaker.enabled",
        name="circuit_breaker_enabled",
        kind=kinds.SWITCH,
        meaning="Whether a provider that keeps failing is left alone for a while: one breaker for each provider, "
        "route and model. 429, 503, 504, Anthropic's 529 and broken connections count as failures.",
    ),
    Setting(
        key="circuit_breaker.failure_threshold",
        name="circuit_breaker_failure_threshold",
        kind=kinds.COUNT,
        meaning="Failures in a row that open a breaker; requests are then answered with 503 at once.",
    ),
    Setting(
        key="circuit_breaker.interval",
        name="circuit_breaker_interval",
        kind=kinds.DURATION,
        unit="seconds",
        meaning="After so long, the failures of a closed breaker are forgotten. 0: only by a success.",
    ),
    Setting(
        key="circuit_breaker.timeout",
        name="circuit_breaker_timeout",
        kind=kinds.DURATION,
        unit="seconds",
        meaning="How long an open breaker refuses; then some requests may try.",
    ),
    Setting(
        key="circuit_breaker.max_requests",
        name="circuit_breaker_max_requests",
        kind=kinds.COUNT,
        meaning="How many may try at once then, and how many must succeed in a row to close the breaker.",
    ),
)
