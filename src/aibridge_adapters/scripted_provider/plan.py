"""Magic words: how a user prompt tells a scripted provider what to do.

Belongs here: the table of words, and what they add up to. Never: what a scripted model says (magic).
"""

import re
from collections.abc import Callable, Sequence
from re import Match

from attrs import evolve, frozen

from aibridge_adapters.scripted_provider.values import Fault, Stop

SLOW_PACE = 0.25
"""Seconds before each event of a slow answer."""


@frozen(kw_only=True)
class Plan:
    """What the magic words add up to."""

    status: int = 0
    """Error status instead of an answer; 0 for none."""
    once: bool = False
    """Errors strike the first attempt only."""
    fault: Fault = Fault.NONE
    stop: Stop = Stop.NATURAL
    wait: float = 0.0
    pace: float = 0.0
    think: bool = False
    calls: int = 1
    """Tool calls at a time."""
    steps: int = 1
    """Rounds of tool calls before the final text."""
    tool: str = ""
    """The tool to call; empty leaves the choice to the script."""
    text: str = ""
    """What to say; empty leaves it to the script."""


@frozen
class MagicWord:
    """Words that change the plan, and what they are good for."""

    words: str
    """As a reader is told them."""
    pattern: str
    change: Callable[[Plan, Match[str]], Plan]
    meaning: str


MAGIC_WORDS: Sequence[MagicWord] = (
    MagicWord(
        "error STATUS",
        r"error ([45]\d\d)",
        lambda plan, found: evolve(plan, status=int(found[1])),
        "answers with this HTTP status, in the API's error shape; 429, 503 and 529 ask to retry after a second",
    ),
    MagicWord(
        "error mid-stream",
        r"error mid-?stream",
        lambda plan, _: evolve(plan, fault=Fault.ERROR),
        "the stream goes half its way and ends with the API's error event",
    ),
    MagicWord(
        "cut",
        r"cut(?: mid-?stream)?",
        lambda plan, _: evolve(plan, fault=Fault.CUT),
        "the answer goes half its way, then the connection breaks off",
    ),
    MagicWord(
        "once",
        r"once",
        lambda plan, _: evolve(plan, once=True),
        "with one of the three above: only the first attempt fails, so a client's retry can be seen",
    ),
    MagicWord(
        "slow",
        r"slow(?:ly)?",
        lambda plan, _: evolve(plan, pace=SLOW_PACE),
        "a quarter of a second before each event of a stream",
    ),
    MagicWord(
        "wait SECONDS",
        r"wait (\d{1,3})",
        lambda plan, found: evolve(plan, wait=float(found[1])),
        "silence before the answer begins",
    ),
    MagicWord(
        "think",
        r"think",
        lambda plan, _: evolve(plan, think=True),
        "reasons first, even if the request doesn't ask for it",
    ),
    MagicWord(
        "no tools",
        r"no tools?",
        lambda plan, _: evolve(plan, calls=0),
        "answers with text at once",
    ),
    MagicWord(
        "NUMBER tools",
        r"(\d|two|three) tools",
        lambda plan, found: evolve(plan, calls={"two": 2, "three": 3}.get(found[1]) or int(found[1])),
        "calls as many tools at a time",
    ),
    MagicWord(
        "NUMBER steps",
        r"(\d{1,2}) steps",
        lambda plan, found: evolve(plan, steps=int(found[1])),
        "as many rounds of tool calls before the final text",
    ),
    MagicWord(
        "call NAME",
        r"call ([\w-]+)",
        lambda plan, found: evolve(plan, tool=found[1]),
        "calls the offered tool of this name",
    ),
    MagicWord(
        "run out of tokens",
        r"run out of tokens",
        lambda plan, _: evolve(plan, stop=Stop.LENGTH),
        "the answer, or the arguments of its tool call, end in the middle for lack of tokens",
    ),
    MagicWord(
        "refuse",
        r"refuse",
        lambda plan, _: evolve(plan, stop=Stop.REFUSAL, calls=0),
        "stops as a model does that declines",
    ),
    MagicWord(
        'say "TEXT"',
        r'say ["“]([^"”]+)["”]',
        lambda plan, found: evolve(plan, text=found[1], calls=0),
        "answers with just this text",
    ),
)
"""Upper case or lower case, anywhere in the prompt, whole words only; a later row wins where two disagree."""


def planned(prompt: str) -> Plan:
    """What the magic words in a prompt add up to."""
    plan = Plan()
    for word in MAGIC_WORDS:
        if found := re.search(rf"(?<!\w)(?:{word.pattern})(?!\w)", prompt, re.IGNORECASE):
            plan = word.change(plan, found)
    return plan
