"""What metrics say about requests, and about providers as requests find them.

Belongs here: one row per metric. Never: the gateway's own state (`gateway_table`).
"""

from aibridge_adapters.telemetry.metrics.catalogue import counter, gauge, histogram

EXCHANGE_SECONDS = (0.5, 2.0, 5.0, 15.0, 30.0, 60.0, 120.0)
FIRST_BYTE_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)
OWN_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

TRAFFIC = (
    counter(
        "interceptions_total",
        "Interceptions that have ended, by their outcome: completed, failed, cancelled or interrupted.",
        *("provider", "model", "status", "route", "method", "initiator_id", "client"),
    ),
    counter(
        "interception_failures_total",
        "Interceptions that failed, by the recorded reason.",
        *("provider", "model", "error_type"),
    ),
    gauge("interceptions_inflight", "Interceptions under way.", "provider", "model", "route"),
    histogram(
        "interceptions_duration_seconds",
        "Time of an interception, from the complete request to the end of the answer.",
        *("provider", "model"),
        buckets=EXCHANGE_SECONDS,
    ),
    histogram(
        "time_to_first_byte_seconds",
        "Time from the complete request of a client to the first piece of the provider's first answer.",
        *("provider", "model"),
        buckets=FIRST_BYTE_SECONDS,
    ),
    gauge("open_streams", "Streaming answers under way to clients.", "provider"),
    counter("passthrough_total", "Requests on passthrough routes.", "provider", "route", "method"),
    counter(
        "passthrough_failures_total",
        "Requests on passthrough routes that got no complete answer from the provider.",
        *("provider", "route", "error_type"),
    ),
    counter("prompts_total", "Prompts of users.", "provider", "model", "initiator_id", "client"),
    counter(
        "tokens_total",
        "Tokens as providers count them. `input` is without cached ones; the types beyond the four of the record are "
        "parts of these or other units: never sum over all.",
        *("provider", "model", "type", "initiator_id", "client"),
    ),
    counter(
        "injected_tool_invocations_total",
        "Calls of injected tools that models made; `server` is the URL.",
        *("provider", "model", "server", "name"),
    ),
    counter(
        "non_injected_tool_selections_total",
        "Calls of the clients' own tools that models made.",
        *("provider", "model", "name"),
    ),
    counter(
        "refused_requests_total",
        "Requests that the gateway answered with an error of its own, by HTTP status and kind of error.",
        *("provider", "route", "status", "error_type"),
    ),
    counter("request_bytes_total", "Bytes of request bodies that clients sent.", "provider", "route"),
    counter(
        "response_bytes_total",
        "Bytes of answers that clients were sent, without keep-alives and refusals.",
        *("provider", "route"),
    ),
    histogram(
        "gateway_overhead_seconds",
        "The gateway's own time of a request: all of it but the calls of providers and of injected tools.",
        *("provider", "route"),
        buckets=OWN_SECONDS,
    ),
    histogram(
        "gateway_phase_seconds",
        "Parts of that: finding tools, reading the request (intercept), recording the start (begin) and the end (end).",
        "phase",
        buckets=OWN_SECONDS,
    ),
    counter(
        "upstream_requests_total",
        "Calls of providers, by the status of their answer, or by the kind of error where there was none.",
        *("provider", "code"),
    ),
    histogram(
        "upstream_duration_seconds",
        "Time of one call of a provider, from its sending to the end of the answer; a slow reader prolongs it.",
        *("provider", "model"),
        buckets=EXCHANGE_SECONDS,
    ),
    histogram(
        "upstream_time_to_first_byte_seconds",
        "Time from the sending of one call of a provider to the first piece of its answer's body.",
        *("provider", "model"),
        buckets=FIRST_BYTE_SECONDS,
    ),
    gauge(
        "user_info", "Always 1: the name of the user whose id is the label `initiator_id`.", "initiator_id", "username"
    ),
)
