"""What becomes of the calls of ours in one turn of a model: run, not run and why, or an error for the client.

Belongs here: the decision, the same for every API. Never: how an API writes a call.
"""

from collections.abc import Mapping, Sequence

from attrs import evolve

from aibridge_core.dialects.api import Failed
from aibridge_core.dialects.jsontext import try_read_any
from aibridge_core.errors import UnusableToolCall
from aibridge_core.records import ErrorType, Fact, ToolUsage
from aibridge_core.tools import Tool, ToolCall, ToolResult, usage_of

CUT_OFF = "not run: its arguments are not a whole JSON object"
ENDED_EARLY = "not run: the answer was cut short"
SEVERAL = "not run: the model gave several answers at once"
BROKEN = "not run: the answer broke off"


class TurnCalls:
    """What becomes of the calls of ours in one turn."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        self.to_run: Sequence[ToolCall] = ()
        self.error: UnusableToolCall | None = None
        """What the client is told instead of the rest of the answer."""
        self.settled = False
        self.ends_answer = False
        """Whether the client has calls of its own to answer, so that the turn with calls of ours is the last one."""
        self.for_client = ""
        """Id of the first call that the client has to answer, in a turn that is complete; empty if there is none."""
        self._tools = tools
        self._reason = BROKEN

    def among(self, facts: Sequence[Fact]) -> Sequence[ToolUsage]:
        """Those facts that are calls of ours."""
        return [fact for fact in facts if isinstance(fact, ToolUsage) and fact.tool in self._tools]

    def settle(self, facts: Sequence[Fact], *, ended_early: bool, for_client: Sequence[str], not_now: str = "") -> None:
        """The turn is complete: decide.

        `for_client`: ids of calls of the client's own. `not_now`: a reason to leave whole calls alone.
        """
        self.settled = True
        self.for_client = next(filter(None, for_client), "")
        ours = self.among(facts)
        whole = all(isinstance(try_read_any(call.arguments.encode() or b"{}"), dict) for call in ours)
        self._reason = CUT_OFF if not whole else ENDED_EARLY if ended_early else not_now
        if not self._reason:
            self.to_run = [self._call(fact) for fact in ours]
            self.ends_answer = bool(for_client and ours)
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
