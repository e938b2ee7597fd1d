"""Which of a server's tools are offered to models.

Belongs here: the filters and what a tool needs to be usable. Never: names that models see (`aibridge_core.tools`).

    allow   deny    offered
    none    none    every tool
    given   none    tools in whose name `allow` is found
    none    given   tools in whose name `deny` is not found
    given   given   both; a tool that matches both is denied, and is named as a conflict
"""

from collections.abc import Iterable, Sequence
from typing import Any

from attrs import frozen
from mcp import types

from aibridge_adapters.config import McpServerSettings
from aibridge_core.tools import Tool


@frozen(kw_only=True)
class Offer:
    """A server's tools, sorted into those that are offered and those that aren't."""

    tools: tuple[Tool, ...] = ()
    dropped: tuple[str, ...] = ()
    """Names of tools that the filters drop."""
    conflicts: tuple[str, ...] = ()
    """Those of them that are both allowed and denied."""


def offer(server: McpServerSettings, listed: Iterable[types.Tool]) -> Offer:
    """Sort a server's list. Of tools with the same name the first counts."""
    by_name: dict[str, types.Tool] = {}
    for tool in listed:
        by_name.setdefault(tool.name, tool)
    allowed = {name for name in by_name if server.tool_allow is None or server.tool_allow.search(name)}
    denied = {name for name in by_name if server.tool_deny is not None and server.tool_deny.search(name)}
    return Offer(
        tools=tuple(_tool(server, tool) for name, tool in by_name.items() if name in allowed - denied),
        dropped=_sorted(by_name.keys() - (allowed - denied)),
        conflicts=_sorted(allowed & denied) if server.tool_allow is not None else (),
    )


def _tool(server: McpServerSettings, tool: types.Tool) -> Tool:
    return Tool(
        server=server.name,
        server_url=server.url,
        name=tool.name,
        description=tool.description or tool.title or "",
        input_schema=_object_schema(tool.input_schema),
    )


def _object_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Arguments are always an object (MCP specification, "Tools"), and providers insist that the schema says so."""
    return schema if "type" in schema else {"type": "object", **schema}


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    found: Sequence[str] = sorted(names)
    return tuple(found)
