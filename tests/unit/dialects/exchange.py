"""One exchange with a dialect, played from a transcript: what the client gets, and what is recorded of it."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from attrs import frozen
from hypothesis import strategies as st

from aibridge_core.dialects.api import Dialect, Failed, Finished, Observed, Relay, Step
from aibridge_core.records import Fact, ModelThought, TokenUsage, ToolUsage
from aibridge_core.wire import AnswerHead

STREAM = AnswerHead(status=200, headers=((b"content-type", b"text/event-stream; charset=utf-8"),))
JSON = AnswerHead(status=200, headers=((b"content-type", b"application/json"),))


@frozen(kw_only=True)
class Outcome:
    """What came of an exchange."""

    relayed: bytes
    held: bytes
    """The part of `relayed` that waited for the records."""
    facts: Sequence[Fact]
    failures: Sequence[Failed]
    finished: Sequence[str]
    """Why the answer ended."""
    response_id: str

    @property
    def tools(self) -> Sequence[ToolUsage]:
        return [fact for fact in self.facts if isinstance(fact, ToolUsage)]

    @property
    def tokens(self) -> Sequence[TokenUsage]:
        return [fact for fact in self.facts if isinstance(fact, TokenUsage)]

    @property
    def thoughts(self) -> Sequence[tuple[str, str]]:
        return [(fact.metadata["source"], fact.content) for fact in self.facts if isinstance(fact, ModelThought)]

    @property
    def calls(self) -> Sequence[tuple[str, str, str]]:
        """Tool, id and arguments of each call."""
        return [(tool.tool, tool.tool_call_id, tool.arguments) for tool in self.tools]


def play(
    dialect: Dialect, request: bytes, pieces: Sequence[bytes], *, head: AnswerHead = STREAM, broken: bool = False
) -> Outcome:
    """Send `request`, get an answer in `pieces`."""
    interceptor = dialect.intercept(request)
    interceptor.begin_turn(head)
    steps: list[Step] = [step for piece in pieces for step in interceptor.feed(piece)]
    steps += interceptor.end_turn(broken=broken)
    return Outcome(
        relayed=b"".join(step.data for step in steps if isinstance(step, Relay)),
        held=b"".join(step.data for step in steps if isinstance(step, Relay) and step.last),
        facts=[step.fact for step in steps if isinstance(step, Observed)],
        failures=[step for step in steps if isinstance(step, Failed)],
        finished=[reason for step in steps if isinstance(step, Finished) for reason in step.reasons],
        response_id=interceptor.response_id,
    )


def sse(*events: dict[str, Any] | str, named: bool = False, end: str = "\n") -> bytes:
    """Events as a provider streams them; `named`: with the `event:` lines of the Responses API."""
    lines: list[str] = []
    for event in events:
        data = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        name = f"event: {event['type']}{end}" if named and isinstance(event, dict) else ""
        lines.append(f"{name}data: {data}{end}{end}")
    return "".join(lines).encode()


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    """`data` in pieces that begin at these places."""
    return [data[start:end] for start, end in pairwise(sorted({0, *at, len(data)}))]


def cuts(data: bytes) -> st.SearchStrategy[list[bytes]]:
    """Any way to cut `data`."""
    return st.lists(st.integers(0, len(data)), max_size=12).map(lambda at: cut(data, at))


def bytewise(data: bytes) -> list[bytes]:
    """`data`, every byte a piece."""
    return [data[at : at + 1] for at in range(len(data))]
