"""Drives an interceptor over a whole answer and tells what came of it; shared by the tests of all dialects."""

import re
from collections.abc import Iterable, Sequence

from attrs import frozen
from hypothesis import strategies as st

from aibridge_core.dialects.api import Failed, Interceptor, Observed, Relay, Step
from aibridge_core.records import Fact
from aibridge_core.wire import AnswerHead

STREAM = AnswerHead(status=200, headers=((b"content-type", b"text/event-stream; charset=utf-8"),))
JSON = AnswerHead(status=200, headers=((b"content-type", b"application/json"),))

LINE_ENDS = {"LF": (b"\n",), "CRLF": (b"\r\n",), "CR": (b"\r",), "mixed": (b"\n", b"\r", b"\r\n")}
"""For streams that are written with LF: what to put in its place, in turn (never CR before LF: that is one end)."""


@frozen(kw_only=True)
class Outcome:
    """What the relay was told to do."""

    at_once: bytes
    """What went to the client before the records had to be durable."""
    held: bytes
    """What went out afterwards."""
    facts: Sequence[Fact]
    failures: Sequence[Failed]

    @property
    def relayed(self) -> bytes:
        return self.at_once + self.held


def answer(
    interceptor: Interceptor, pieces: Iterable[bytes], *, head: AnswerHead = STREAM, broken: bool = False
) -> Outcome:
    """Let the interceptor see an answer from its head to its end."""
    interceptor.begin_turn(head)
    steps = [step for piece in pieces for step in interceptor.feed(piece)]
    return outcome([*steps, *interceptor.end_turn(broken=broken)])


def outcome(steps: Sequence[Step]) -> Outcome:
    """Sum up; whatever is learned has to come before the last piece goes out."""
    last = next((n for n, step in enumerate(steps) if isinstance(step, Relay) and step.last), len(steps))
    assert all(isinstance(step, Relay) for step in steps[last:]), "something was learned too late"
    return Outcome(
        at_once=_bytes_of(steps[:last]),
        held=_bytes_of(steps[last:]),
        facts=[step.fact for step in steps if isinstance(step, Observed)],
        failures=[step for step in steps if isinstance(step, Failed)],
    )


def _bytes_of(steps: Sequence[Step]) -> bytes:
    return b"".join(step.data for step in steps if isinstance(step, Relay))


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[n : n + 1] for n in range(len(data))]


def with_line_ends(data: bytes, kind: str) -> bytes:
    """A stream that was written with LF, with the line ends of `LINE_ENDS[kind]`."""
    ends = LINE_ENDS[kind]
    lines = data.split(b"\n")
    return b"".join(line + ends[n % len(ends)] for n, line in enumerate(lines[:-1])) + lines[-1]


@st.composite
def cuts(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes in pieces; cuts fall often beside line ends, where framing is decided."""
    anywhere = st.integers(0, len(data))
    beside_line_ends = st.sampled_from([found.end() for found in re.finditer(rb"[\r\n]", data)] or [0])
    positions = sorted(draw(st.lists(anywhere | beside_line_ends, max_size=12)))
    return [data[start:end] for start, end in zip([0, *positions], [*positions, len(data)], strict=True)]
