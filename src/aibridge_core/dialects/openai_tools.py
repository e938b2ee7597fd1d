"""Tools of ours as both OpenAI APIs take them: how they are offered, what becomes of calls, what results look like.

Belongs here: what the two APIs have in common. Never: where one of them keeps its tools, calls or results.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from attrs import evolve

from aibridge_core.dialects.api import Failed
from aibridge_core.dialects.jsontext import try_read_any
from aibridge_core.dialects.openai_request import elements
from aibridge_core.dialects.splice import append_items, find_member, set_member
from aibridge_core.errors import MalformedRequest, TooManyTools, UnusableToolCall
from aibridge_core.records import ErrorType, Fact, ToolUsage
from aibridge_core.tools import Tool, ToolCall, ToolResult, usage_of

MAX_TOOLS = 128
"""Most tools that OpenAI takes in one request."""

CUT_OFF = "not run: its arguments are not a whole JSON object"
ENDED_EARLY = "not run: the answer was cut short"
MIXED = "not run: the model called tools of the client in the same answer"
SEVERAL = "not run: the model gave several answers at once"
BROKEN = "not run: the answer broke off"


def offer(body: bytes, definitions: Sequence[Mapping[str, Any]]) -> bytes:
    """The request with these tools behind the client's, and calls kept to one at a time.

    An answer that mixes our tools with the client's could not be answered as a whole. Raises MalformedRequest if
    something in the place of `tools` isn't a list, TooManyTools.
    """
    member = find_member(body, "tools")
    given = body[member.start : member.end] if member else b"null"
    if given != b"null" and not given.startswith(b"["):
        raise MalformedRequest("The request body has the wrong shape: `tools` is not a list.")
    _check_count(len(elements(msgspec.Raw(given))), len(definitions))
    offered = [msgspec.json.encode(definition) for definition in definitions]
    return set_member(append_items(body, "tools", offered), ["parallel_tool_calls"], b"false")


def _check_count(theirs: int, ours: int) -> None:
    if theirs + ours > MAX_TOOLS:
        raise TooManyTools(
            f"The request would hold {theirs + ours} tools, {ours} of them injected by the gateway; the provider takes "
            f"{MAX_TOOLS}. The gateway's operator can offer fewer with AIBRIDGE_MCP_<N>_TOOL_ALLOW_REGEX and "
            "AIBRIDGE_MCP_<N>_TOOL_DENY_REGEX."
        )


def schema(tool: Tool) -> Mapping[str, Any]:
    """A tool's parameters; `properties` are there even if it has none."""
    return {"type": "object", "properties": {}, **tool.input_schema}


def result_text(result: ToolResult, *, binary: Callable[[Mapping[str, Any]], str]) -> str:
    """A result as JSON text. `binary`: what stands for the data of an image, a sound or a file."""
    value: dict[str, Any] = {"content": [_readable(block, binary) for block in result.content]}
    if result.structured is not None:
        value["structuredContent"] = result.structured
    if result.is_error:
        value["isError"] = True
    return msgspec.json.encode(value).decode()


def not_shown(block: Mapping[str, Any]) -> str:
    """A note for data that an API takes in no form."""
    return f"({block.get('mimeType') or 'binary data'}, not shown)"


def _readable(block: Mapping[str, Any], binary: Callable[[Mapping[str, Any]], str]) -> Mapping[str, Any]:
    match block:
        case {"data": str()}:
            return {**block, "data": binary(block)}
        case {"type": "resource", "resource": {"blob": str()} as resource}:
            return {**block, "resource": {**resource, "blob": binary(resource)}}
        case _:
            return block


class TurnCalls:
    """What becomes of the calls of ours in one turn."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self.to_run: Sequence[ToolCall] = ()
        self.error: UnusableToolCall | None = None
        """What the client is told instead of the rest of the answer."""
        self.settled = False
        self._tools = tools
        self._reason = BROKEN

    def among(self, facts: Sequence[Fact]) -> Sequence[ToolUsage]:
        """Those facts that are calls of ours."""
        return [fact for fact in facts if isinstance(fact, ToolUsage) and fact.tool in self._tools]

    def settle(self, facts: Sequence[Fact], *, ended_early: bool, not_now: str = "") -> None:
        """The turn is complete: decide. `not_now`: a reason to leave whole calls alone."""
        self.settled = True
        ours = self.among(facts)
        whole = all(isinstance(try_read_any(call.arguments.encode() or b"{}"), dict) for call in ours)
        self._reason = CUT_OFF if not whole else ENDED_EARLY if ended_early else not_now
        if not self._reason:
            self.to_run = [self._call(fact) for fact in ours]
        elif not (whole or ended_early):
            names = ", ".join(self._tools[call.tool].name for call in ours)
            self.error = UnusableToolCall(f"the model called {names} with arguments that are not a JSON object")

    @property
    def failure(self) -> Failed | None:
        """The same for the audit trail."""
        return Failed(ErrorType(self.error.error_type), self.error.message) if self.error else None

    def recorded(self, facts: Sequence[Fact]) -> Sequence[Fact]:
        """The facts without calls that will be run: those are recorded with their results."""
        named = [self._refused(fact) if isinstance(fact, ToolUsage) else fact for fact in facts]
        return [fact for fact in named if fact is not None]

    def _refused(self, fact: ToolUsage) -> ToolUsage | None:
        if fact.tool not in self._tools:
            return fact
        if self.to_run:
            return None
        return evolve(usage_of(ToolResult(call=self._call(fact), error=self._reason)), metadata=fact.metadata)

    def _call(self, fact: ToolUsage) -> ToolCall:
        return ToolCall(
            tool=self._tools[fact.tool],
            call_id=fact.tool_call_id,
            arguments=fact.arguments,
            response_id=fact.response_id,
            item_id=fact.item_id,
        )
