"""What metrics say about shared limits, circuit breakers and key pools; shown where there are some.

Belongs here: one row per metric. Never: requests (`traffic_table`).
"""

from aibridge_adapters.telemetry.metrics.catalogue import counter, gauge, histogram

_CIRCUIT = ("provider", "endpoint", "model")

GUARDS = (
    gauge(
        "limits_shared_up", "Shared limits: 1 while the database counts for all replicas, 0 while the fallback holds."
    ),
    gauge("limits_shared_replicas", "Shared limits: gateway processes that live, as the database last said."),
    counter(
        "limits_shared_requests_total",
        "Shared limits: requests decided about by the database, without asking since their rate was known to be used "
        "up (known), or by the fallback.",
        "by",
    ),
    counter("limits_shared_questions_total", "Shared limits: exchanges with the database; one is for many requests."),
    counter("limits_shared_question_seconds_total", "Shared limits: how long these exchanges took together."),
    gauge("circuit_breaker_state", "0: closed, 0.5: half open, 1: open. Shown once it has changed.", *_CIRCUIT),
    counter("circuit_breaker_trips_total", "How often a breaker opened.", *_CIRCUIT),
    counter("circuit_breaker_rejects_total", "Requests that a breaker refused.", *_CIRCUIT),
    gauge("key_pool_state", "Keys of a pool in each state: valid, rate_limited, unauthorized.", "provider", "state"),
    counter(
        "key_pool_state_transitions_total",
        "How often a key was put aside, because a provider answered 429 (rate_limited) or 401 (unauthorized).",
        *("provider", "reason"),
    ),
    counter(
        "key_pool_exhaustions_total",
        "Requests for which no key was left: rate_limited, or auth_failed if waiting wouldn't help.",
        *("provider", "outcome"),
    ),
    histogram(
        "key_pool_failover_attempts",
        "Keys tried for one upstream call.",
        "provider",
        buckets=(1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 25.0),
    ),
)
