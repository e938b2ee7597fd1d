"""A small audit trail with one of everything, written through the Recorder port as the gateway does."""

from datetime import UTC, datetime, timedelta

from attrs import evolve, frozen

from aibridge_core.actors import Actor, CredentialKind
from aibridge_core.ports import Recorder
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
from integration.rest.people import ANN, AUDITOR, BOB

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def identifier(number: int) -> str:
    """A UUID that a reader of a failing test recognises."""
    return f"0000{number:04x}-0000-7000-8000-000000000000"


def record_id(interception: int, number: int) -> str:
    """A UUID of a record."""
    return f"0000{interception:04x}-0000-7000-8000-{number:012x}"


@frozen(kw_only=True)
class Story:
    """An interception, from its start to its end."""

    start: InterceptionStart
    facts: tuple[Fact, ...] = ()
    end: InterceptionEnded | None = None

    async def tell(self, recorder: Recorder) -> None:
        """Record it all."""
        await recorder.begin(self.start)
        number = int(self.start.id[4:8], 16)
        await recorder.record(
            [
                Record(
                    id=record_id(number, index),
                    interception_id=self.start.id,
                    created_at=self.start.started_at + timedelta(seconds=index),
                    fact=fact,
                )
                for index, fact in enumerate(self.facts, 1)
            ]
        )
        if self.end:
            await recorder.end(self.end)


def start(number: int, initiator: Actor, *, model: str = "claude-x", minutes: float = 0) -> InterceptionStart:
    """A plain start, `minutes` after noon."""
    return InterceptionStart(
        id=identifier(number),
        initiator=initiator,
        provider="anthropic",
        provider_name="anthropic",
        model=model,
        client="Claude Code",
        credential_kind=CredentialKind.CENTRALIZED,
        credential_hint="sk-a...wxyz",
        streaming=True,
        started_at=NOON + timedelta(minutes=minutes),
    )


def end(number: int, *, minutes: float, status: Status = Status.COMPLETED, **more: str) -> InterceptionEnded:
    """An end 1.25 s after the start that has the same `minutes`."""
    return InterceptionEnded(
        id=identifier(number),
        ended_at=NOON + timedelta(minutes=minutes, milliseconds=1250),
        status=status,
        **more,
    )


RICH = Story(
    start=evolve(
        start(1, ANN),
        client_session_id="session-1",
        user_agent="claude-cli/1.0 (zażółć)",
        metadata={"anthropic_beta": "x"},
    ),
    facts=(
        PromptUsage(response_id="msg_1", prompt='Grüße, "мир" 🌍\u0000', metadata={"k": 1}),
        ModelThought(response_id="msg_1", content="hm", metadata={"source": "thinking"}),
        ToolUsage(
            response_id="msg_1",
            tool="Read",
            tool_call_id="toolu_1",
            item_id="item_1",
            arguments='{"p": 1}',
            injected=True,
            server_url="http://mcp.test/mcp",
            invocation_error="timed out",
            metadata={"caller": "agent"},
        ),
        TokenUsage(
            response_id="msg_1",
            input_tokens=10,
            output_tokens=4,
            cache_read_input_tokens=300,
            cache_write_input_tokens=20,
            extra={"web_search_requests": 2},
            model="claude-x-20260101",
            metadata={"service_tier": "standard"},
        ),
    ),
    end=end(1, minutes=0),
)

FOLLOW_UP = Story(
    start=evolve(start(2, ANN, minutes=1), correlating_tool_call_id="toolu_1", client_session_id="session-1"),
    facts=(PromptUsage(response_id="msg_2", prompt="go on"),),
    end=end(2, minutes=1),
)

FAILED = Story(
    start=evolve(
        start(3, BOB, model="gpt-x", minutes=2),
        provider="openai",
        provider_name="openai-eu",
        client="Codex",
        credential_kind=CredentialKind.BYOK,
        credential_hint="sk-this-is-not-masked-at-all",
        streaming=False,
    ),
    end=end(3, minutes=2, status=Status.FAILED, error_type="rate_limited", error_message="slow down"),
)

RUNNING = Story(start=evolve(start(4, BOB, model="gpt-y", minutes=3), client="Unknown", credential_hint=""))

CANCELLED = Story(
    start=evolve(start(5, AUDITOR, model="Ünïcode model", minutes=4), client="Kilo Code"),
    end=end(5, minutes=4, status=Status.CANCELLED),
)

STORIES = (RICH, FOLLOW_UP, FAILED, RUNNING, CANCELLED)


async def tell_all(recorder: Recorder) -> None:
    """Record the five of them, oldest first."""
    for story in STORIES:
        await story.tell(recorder)
