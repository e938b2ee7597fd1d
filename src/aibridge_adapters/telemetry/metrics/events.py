"""Counts what happens beside requests: commits of the audit trail, and what MCP servers do.

Belongs here: from plain values to metrics. Never: other adapters' types; the composition root takes them apart.
"""

from aibridge_adapters.telemetry.metrics.meters import Meters


class CommitMeters:
    """Of the audit trail's writer."""

    def __init__(self, meters: Meters) -> None:
        self._seconds = meters.histogram("recording_commit_seconds")()
        self._committed = meters.counter("recording_committed_writes_total")()
        self._failed = meters.counter("recording_failed_writes_total")()

    def done(self, *, seconds: float, committed: int, failed: int) -> None:
        """A group of writes is over."""
        self._seconds.observe(seconds)
        self._committed.inc(committed)
        self._failed.inc(failed)


class McpMeters:
    """Of MCP servers, by their configured names."""

    def __init__(self, meters: Meters) -> None:
        self._up = meters.gauge("mcp_server_up")
        self._tools = meters.gauge("mcp_server_tools")
        self._connects = meters.counter("mcp_connects_total")
        self._skipped = meters.counter("mcp_skipped_total")
        self._renewals = meters.counter("mcp_token_renewals_total")
        self._calls = meters.histogram("mcp_tool_call_seconds")

    def connected(self, server: str, *, error: str) -> None:
        """A session was opened, or could not be."""
        self._connects(server, "failed" if error else "ok").inc()
        self._up(server).set(not error)
        if error:
            self._tools(server).set(0)

    def offers(self, server: str, tools: int) -> None:
        """It offers so many tools now."""
        self._tools(server).set(tools)

    def skipped(self, server: str) -> None:
        """A user's tools were put together without it."""
        self._skipped(server).inc()

    def renewed(self, server: str, *, error: str) -> None:
        """A user's token for it was renewed, or could not be."""
        self._renewals(server, "failed" if error else "ok").inc()

    def called(self, server: str, *, seconds: float, outcome: str) -> None:
        """A tool was run, or could not be."""
        self._calls(server, outcome).observe(seconds)
