"""What metrics say about the gateway itself: its records, its people, its MCP servers, its process.

Belongs here: one row per metric. Never: requests (`traffic_table`).
"""

from aibridge_adapters.telemetry.metrics.catalogue import counter, gauge, histogram

COMMIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
TOOL_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

GATEWAY = (
    gauge("build_info", "Always 1: what runs.", "version", "python"),
    gauge("provider_info", "Always 1: the configured providers.", "provider_name", "provider_type", "status"),
    gauge("providers_last_reload_timestamp_seconds", "When the providers were last read, at the start or by a reload."),
    gauge("providers_last_reload_success_timestamp_seconds", "When that last succeeded; earlier after a bad reload."),
    histogram("event_loop_lag_seconds", "How late the event loop comes to what is due.", buckets=LAG_SECONDS),
    counter("label_values_folded_total", "Times that a value of a label had to be shown as `other`.", "label"),
    gauge("recording_queue_writes", "Writes to the audit trail that wait or are being made."),
    gauge("recording_queue_bytes", "About how much memory these writes take."),
    histogram(
        "recording_commit_seconds", "Time of one transaction of the audit trail's writer.", buckets=COMMIT_SECONDS
    ),
    counter("recording_committed_writes_total", "Writes that were committed."),
    counter("recording_failed_writes_total", "Writes that a transaction could not take."),
    counter("recording_refused_total", "Requests refused because nothing would take their start."),
    counter("recording_broken_off_total", "Answers whose end was held back because nothing would take their records."),
    counter("recording_buffered_total", "Starts, records and ends that were kept in memory."),
    counter("recording_spooled_total", "Starts, records and ends that were appended to the spool file."),
    counter("recording_replayed_total", "Starts, records and ends that were written to the database afterwards."),
    counter("recording_retried_total", "Attempts to write an interception afterwards that failed and are made again."),
    counter("recording_set_aside_total", "Starts, records and ends that the database would not take yet took others."),
    counter("recording_dropped_total", "Starts, records and ends that are lost."),
    counter("recording_torn_total", "Lines of spool files that could not be read."),
    counter("auth_cache_hits_total", "Tokens that were remembered."),
    counter("auth_cache_misses_total", "Tokens that the store had to be asked for, or whose refusal was remembered."),
    gauge("auth_cache_entries", "Tokens that are remembered now."),
    gauge("mcp_server_up", "Whether the last attempt to connect to this MCP server succeeded.", "server"),
    gauge("mcp_server_tools", "Tools that this MCP server offers now.", "server"),
    counter("mcp_connects_total", "Attempts to connect to this MCP server: ok or failed.", "server", "outcome"),
    counter(
        "mcp_skipped_total",
        "Times that a user's tools were put together without this MCP server: down, too slow, or without a token.",
        "server",
    ),
    counter(
        "mcp_token_renewals_total", "Renewals of users' tokens for MCP servers: ok or failed.", "server", "outcome"
    ),
    histogram(
        "mcp_tool_call_seconds",
        "Time of one call of an injected tool. Outcome: ok, error (the tool says so) or failed (it did not run).",
        *("server", "outcome"),
        buckets=TOOL_SECONDS,
    ),
    counter("log_lines_total", "Log lines: written, or dropped because a sink didn't take them.", "sink", "outcome"),
    counter(
        "trace_spans_total",
        "Spans: sent, failed (a collector didn't take them) or dropped (no room while it is slow).",
        "outcome",
    ),
    counter("purge_runs_total", "Runs of the purge of what was kept long enough, by outcome.", "outcome"),
    counter("purge_deleted_total", "Interceptions that were deleted."),
    counter("purge_erased_total", "Interceptions whose content was erased."),
    counter("purge_seconds_total", "Time that purges took."),
    gauge("purge_last_done_timestamp_seconds", "When a purge last left nothing that was due; absent before."),
)
