"""Tools that the gateway adds to requests and runs itself: what they are, what a model asks of them, what they answer.

Belongs here: values, and the names that models see. Never: how a tool is run, or the form that one API gives it.
"""

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from attrs import field, frozen

from aibridge_core.actors import Actor
from aibridge_core.hidden_turns import NOTHING_HIDDEN, NothingHidden, OwnTurns
from aibridge_core.records import ToolUsage

PREFIX = "bmcp"
"""Short, since providers allow 64 characters for a tool's name."""
MAX_NAME = 64
"""Longest tool name that all providers take, in characters."""

_UNUSABLE = re.compile(r"[^A-Za-z0-9_-]")
_DIGEST = 8


def injected_name(server: str, tool: str) -> str:
    """The name a model sees: `bmcp_<server>_<tool>`, always the same for the same tool.

    Characters that providers refuse become `_`; a name changed or cut so ends in a digest that keeps it apart from
    others.
    """
    full = f"{PREFIX}_{server}_{tool}"
    name = _UNUSABLE.sub("_", full)
    if name == full and len(name) <= MAX_NAME:
        return name
    digest = sha256(full.encode()).hexdigest()[:_DIGEST]
    return f"{name[: MAX_NAME - _DIGEST - 1]}_{digest}"


@frozen(kw_only=True)
class Tool:
    """A tool of an MCP server."""

    server: str
    """Configured name of the server."""
    server_url: str
    name: str
    """As the server calls it; this name is recorded."""
    description: str = ""
    input_schema: Mapping[str, Any]
    """JSON Schema of an object."""
    id: str = field()
    """As models see it."""

    @id.default
    def _injected(self) -> str:
        return injected_name(self.server, self.name)


@frozen(kw_only=True)
class Toolbox:
    """The tools for one request."""

    tools: Sequence[Tool] = ()
    """Sorted by `id`, so that equal requests stay equal (prompt caches)."""
    never_for: re.Pattern[str] | None = None
    """Models, by name, that get none; for dialects whose clients use small models for chores (Messages)."""
    hidden: OwnTurns | NothingHidden = NOTHING_HIDDEN
    """What earlier answers hid from this user's clients."""

    def hiding(self, hidden: OwnTurns | NothingHidden) -> "Toolbox":
        """The same tools for somebody from whom this was hidden."""
        return Toolbox(tools=self.tools, never_for=self.never_for, hidden=hidden)

    def for_model(self, model: str) -> Sequence[Tool]:
        """What a request for this model is offered."""
        return () if self.never_for and self.never_for.search(model) else self.tools


NO_TOOLS = Toolbox()


@frozen(kw_only=True)
class ToolCall:
    """A model asks for a tool of ours, with arguments that are a JSON object."""

    tool: Tool
    call_id: str
    """The provider's id of the call."""
    arguments: str
    """Source text; empty means an object without members."""
    response_id: str = ""
    item_id: str = ""


@frozen(kw_only=True)
class ToolResult:
    """What came of a call. Exactly one for each, in order."""

    call: ToolCall
    content: Sequence[Mapping[str, Any]] = ()
    """MCP content blocks, as JSON objects with a `type` (MCP specification, "Tools")."""
    structured: Any = None
    """The result's `structuredContent`, if there is one."""
    is_error: bool = False
    """The tool itself says that it failed."""
    error: str = ""
    """Why the call could not be made or finished; empty if it was."""
    duration: float = 0.0
    """In seconds."""
    size: int = 0
    """Of the content as JSON text, in bytes."""


class NoToolServers:
    """Implements `aibridge_core.ports.ToolServers` where there are none."""

    async def toolbox(self, actor: Actor) -> Toolbox:
        """Empty."""
        return NO_TOOLS

    async def call(self, actor: Actor, calls: Sequence[ToolCall]) -> Sequence[ToolResult]:
        """Nobody can call what nobody was offered."""
        return [ToolResult(call=call, error="there is no tool server") for call in calls]


def usage_of(result: ToolResult) -> ToolUsage:
    """The fact for the audit trail."""
    call = result.call
    metadata: dict[str, Any] = {"duration_ms": round(result.duration * 1000), "result_bytes": result.size}
    if result.is_error:
        metadata["is_error"] = True
    return ToolUsage(
        response_id=call.response_id,
        tool=call.tool.name,
        tool_call_id=call.call_id,
        item_id=call.item_id,
        arguments=call.arguments,
        injected=True,
        server_url=call.tool.server_url,
        invocation_error=result.error,
        metadata=metadata,
    )
