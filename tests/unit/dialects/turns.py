"""A tool loop with an OpenAI dialect, played turn by turn from transcripts."""

import json
from collections.abc import Sequence
from typing import Any

from attrs import evolve

from aibridge_core.dialects.api import CallTools, Dialect, Failed, Interceptor, Observed, Relay, Step
from aibridge_core.hidden_turns import NOTHING_HIDDEN, NothingHidden, OwnTurns
from aibridge_core.records import TokenUsage, ToolUsage
from aibridge_core.tools import Tool, Toolbox, ToolCall, ToolResult
from aibridge_core.wire import AnswerHead
from unit.dialects.exchange import STREAM

LIST = Tool(server="hub", server_url="http://mcp", name="list", description="Lists.", input_schema={"required": ["a"]})
MAKE = Tool(server="hub", server_url="http://mcp", name="make", input_schema={})
BOX = Toolbox(tools=[LIST, MAKE])


class Exchange:
    """A client's request, and the provider's answers to it and to what follows from it."""

    def __init__(
        self,
        dialect: Dialect,
        request: bytes,
        *,
        size: int = 10**6,
        hidden: OwnTurns | NothingHidden = NOTHING_HIDDEN,
    ) -> None:
        self.box = evolve(BOX, hidden=hidden)
        self.interceptor: Interceptor = dialect.intercept(request, self.box)
        self.sent = [self.interceptor.request.body]
        self.steps: list[Step] = []
        self.calls: Sequence[ToolCall] = ()
        """What the last turn asks for."""
        self.ends = False
        """Whether it is the last one all the same."""
        self._size = size

    def turn(self, answer: bytes, head: AnswerHead = STREAM, *, broken: bool = False) -> "Exchange":
        """The provider answers; its bytes come in pieces of the given size."""
        pieces = [answer[at : at + self._size] for at in range(0, len(answer), self._size)]
        return self.turn_in(pieces, head, broken=broken)

    def turn_in(self, pieces: Sequence[bytes], head: AnswerHead = STREAM, *, broken: bool = False) -> "Exchange":
        """The provider answers in these pieces."""
        self.interceptor.begin_turn(head)
        steps = [step for piece in pieces for step in self.interceptor.feed(piece)]
        steps += self.interceptor.end_turn(broken=broken)
        last = steps[-1] if steps else None
        self.calls, self.ends = (last.calls, last.ends_answer) if isinstance(last, CallTools) else ((), False)
        self.steps += steps
        return self

    def conclude(self, text: str = "42") -> "Exchange":
        """Our tools answer, and the rest is the client's to do."""
        assert self.ends
        content = ({"type": "text", "text": text},)
        self.steps += self.interceptor.conclude([ToolResult(call=call, content=content) for call in self.calls])
        return self

    def answer(self, *content: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Our tools answer; returns the request that follows."""
        content = content or ({"type": "text", "text": "42"},)
        results = [ToolResult(call=call, content=content, **more) for call in self.calls]
        self.sent.append(self.interceptor.resume(results))
        following: dict[str, Any] = json.loads(self.sent[-1])
        return following

    @property
    def shown(self) -> bytes:
        """What the client has so far."""
        return b"".join(step.data for step in self.steps if isinstance(step, Relay))

    @property
    def tools(self) -> Sequence[ToolUsage]:
        return [step.fact for step in self.steps if isinstance(step, Observed) and isinstance(step.fact, ToolUsage)]

    @property
    def tokens(self) -> Sequence[tuple[int, int]]:
        """Input and output of each record."""
        facts = [step.fact for step in self.steps if isinstance(step, Observed)]
        return [(fact.input_tokens, fact.output_tokens) for fact in facts if isinstance(fact, TokenUsage)]

    @property
    def failures(self) -> Sequence[Failed]:
        return [step for step in self.steps if isinstance(step, Failed)]


def data_of(stream: bytes) -> list[Any]:
    """The data of each event; None for what is no JSON."""
    found = [line.removeprefix(b"data: ") for line in stream.splitlines() if line.startswith(b"data: ")]
    return [json.loads(data) if data.startswith(b"{") else None for data in found]
