"""Spans of what happens between the gateway and MCP servers.

Belongs here: one context for each kind of work, and what its span is told of the outcome. Never: MCP; whoever runs the
servers calls these, inside the contexts.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from attrs import frozen
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, Tracer, get_current_span

from aibridge_adapters.telemetry.tracing import names
from aibridge_adapters.telemetry.tracing.states import Pool, Scope, Shared, recording, set_error
from aibridge_adapters.telemetry.tracing.urls import shown
from aibridge_core.tools import ToolCall

LONGEST_INPUT = 100
"""Characters of a call's arguments that are shown."""

_NOTHING = nullcontext()


@frozen(kw_only=True)
class ToolSpans:
    """Contexts and outcomes."""

    tracer: Tracer
    inputs: bool = True
    """The beginning of each call's arguments is shown."""

    def warm_up(self) -> AbstractContextManager[None]:
        """A request waits for servers that had not been asked yet."""
        pool = Pool.current()
        if pool is None or not recording():
            return _NOTHING
        pool.missed = True
        get_current_span().add_event(names.CACHE_MISS)
        return Scope(self.tracer.start_span(names.INIT_SERVERS))

    def warmed_up(self, missing: Sequence[str]) -> None:
        """Those that are missing had not answered in time, or are down."""
        if missing and Pool.current():
            set_error(get_current_span(), "mcp_server_unavailable", f"MCP servers without tools: {', '.join(missing)}")

    def connect(self, server: str, url: str) -> AbstractContextManager[None]:
        """A session is opened."""
        return Scope(self._span_of_server(names.INIT_SERVER, server, url))

    def connected(self, error: str) -> None:
        """`error` is empty if it was."""
        if error:
            set_error(get_current_span(), "mcp_server_unavailable", error)

    def fetch(self, server: str, url: str) -> AbstractContextManager[None]:
        """A list of tools is fetched."""
        return Scope(self._span_of_server(names.FETCH_TOOLS, server, url))

    def fetched(self, offered: int) -> None:
        """So many tools are offered after filtering."""
        get_current_span().set_attribute(names.MCP_TOOL_COUNT, offered)

    def call(self, call: ToolCall) -> AbstractContextManager[None]:
        """A tool is run."""
        shared = Shared.current()
        if shared is None:
            return _NOTHING
        attributes = {**shared.attributes, **self._attributes_of(call)}
        return Scope(self.tracer.start_span(names.TOOL_CALL, shared.process, attributes=attributes), shared.process)

    def called(self, error: str, *, is_error: bool) -> None:
        """`error`: it could not be run. `is_error`: the tool says that it failed."""
        if Shared.current() is None:
            return
        if error:
            set_error(get_current_span(), "mcp_call_failed", error)
        elif is_error:
            set_error(get_current_span(), names.TOOL_ERROR, "the tool reports an error")

    def _attributes_of(self, call: ToolCall) -> Mapping[str, Any]:
        attributes = {
            names.OPERATION: names.EXECUTE_TOOL,
            names.TOOL_NAME: call.tool.id,
            names.TOOL_CALL_ID: call.call_id,
            names.MCP_TOOL_NAME: call.tool.name,
            names.MCP_SERVER_NAME: call.tool.server,
            names.MCP_SERVER_URL: shown(call.tool.server_url),
        }
        return {**attributes, names.MCP_INPUT: call.arguments[:LONGEST_INPUT]} if self.inputs else attributes

    def _span_of_server(self, name: str, server: str, url: str) -> Span:
        """Below the work that it is part of, while that goes on; later a trace of its own, linked to the first one."""
        attributes: dict[str, Any] = {
            names.MCP_PROXY_NAME: server,
            names.MCP_SERVER_NAME: server,
            names.MCP_SERVER_URL: shown(url),
        }
        current = get_current_span()
        if current.is_recording():
            pool = Pool.current()
            return self.tracer.start_span(name, attributes={**attributes, **(pool.attributes if pool else {})})
        earlier = current.get_span_context()
        return self.tracer.start_span(
            name, Context(), attributes=attributes, links=[Link(earlier)] if earlier.is_valid else None
        )
