"""Ready-made values for tests: interceptions, records, ends.

Belongs here: values with plausible contents and ids that grow. Never: behaviour.
"""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

import attrs
from attrs import Factory, define

from aibridge_core.actors import Actor, CredentialKind, Role
from aibridge_core.records import (
    Fact,
    InterceptionEnded,
    InterceptionStart,
    ModelThought,
    PromptUsage,
    Record,
    Status,
    TokenUsage,
    ToolUsage,
)
from aibridge_core.testing.clock import FakeClock

ANN = Actor(id="0a000000-0000-4000-8000-00000000000a", username="ann", name="Ann Other", api_key_id="key-ann")
BEN = Actor(id="0b000000-0000-4000-8000-00000000000b", username="ben", name="Ben", role=Role.AUDITOR)

FACTS: tuple[Fact, ...] = (
    PromptUsage(response_id="msg_1", prompt="What does this do?", metadata={"source": "test"}),
    TokenUsage(
        response_id="msg_1",
        input_tokens=1200,
        output_tokens=34,
        cache_read_input_tokens=5600,
        cache_write_input_tokens=78,
        extra={"web_search_requests": 2, "output_reasoning": 0},
        model="claude-sonnet-4-5-20250929",
        metadata={"service_tier": "standard", "partial": True},
    ),
    ToolUsage(
        response_id="msg_1",
        tool="Read",
        tool_call_id="toolu_1",
        item_id="fc_1",
        arguments='{"path": "a.py"}',
        injected=True,
        server_url="https://mcp.example.com/mcp",
        invocation_error="no such file",
        metadata={"namespace": "files"},
    ),
    ModelThought(response_id="msg_1", content="The user wants to know ...", metadata={"source": "thinking"}),
)
"""One of each kind, no field left at its default."""


@define
class Samples:
    """Makes values whose ids and times grow, one second a piece, unless told otherwise."""

    clock: FakeClock = Factory(FakeClock)
    _numbers: "count[int]" = Factory(lambda: count(1))

    def new_id(self) -> str:
        """A UUID, larger than all before."""
        number = next(self._numbers)
        return f"{number:08x}-0000-7000-8000-{number:012x}"

    def start(self, **changes: Any) -> InterceptionStart:
        """The start of an interception of Ann's, with every field that `changes` names replaced."""
        plain = InterceptionStart(
            id=self.new_id(),
            initiator=ANN,
            provider="anthropic",
            provider_name="anthropic-eu",
            model="claude-sonnet-4-5",
            client="Claude Code",
            user_agent="claude-cli/2.0.67 (external, cli)",
            credential_kind=CredentialKind.CENTRALIZED,
            credential_hint="sk-a...wxyz",
            streaming=True,
            started_at=self.clock.turn(1),
            metadata={"request_user_agent": "claude-cli/2.0.67 (external, cli)"},
        )
        return attrs.evolve(plain, **changes)

    def ended(self, start: InterceptionStart, status: Status = Status.COMPLETED, **changes: Any) -> InterceptionEnded:
        """The end of that interception."""
        return attrs.evolve(InterceptionEnded(id=start.id, ended_at=self.clock.turn(1), status=status), **changes)

    def record(self, start: InterceptionStart, fact: Fact, **changes: Any) -> Record:
        """A fact about that interception."""
        plain = Record(id=self.new_id(), interception_id=start.id, created_at=self.clock.turn(1), fact=fact)
        return attrs.evolve(plain, **changes)

    def tool_call(self, start: InterceptionStart, tool_call_id: str, **changes: Any) -> Record:
        """A record of a tool call with this id."""
        return self.record(start, ToolUsage(response_id="msg_1", tool="Read", tool_call_id=tool_call_id), **changes)

    def prompt(self, start: InterceptionStart, text: str) -> Record:
        """A record of a prompt."""
        return self.record(start, PromptUsage(response_id="msg_1", prompt=text))


def after(moment: datetime, *, microseconds: int) -> datetime:
    """A moment a little later."""
    return moment + timedelta(microseconds=microseconds)
