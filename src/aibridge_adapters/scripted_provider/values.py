"""What a script is asked and what it answers: frozen values, the same for all three APIs.

Belongs here: meaning. Never: the JSON of one API (messages, chat_completions, responses) or what is answered when
(magic).
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from attrs import Factory, field, frozen


class Api(StrEnum):
    """The API that a request speaks."""

    MESSAGES = "messages"
    CHAT_COMPLETIONS = "chat_completions"
    RESPONSES = "responses"


@frozen(kw_only=True)
class OfferedTool:
    """A tool that the client would run if the model called it."""

    name: str
    namespace: str = ""
    """Responses API: the namespace that the tool is offered in."""
    schema: Mapping[str, Any] | None = Factory(dict)
    """JSON schema of its arguments; None for a custom tool, which takes plain text."""


@frozen(kw_only=True)
class Usage:
    """Tokens of one answer. The four kinds exclude one another; each API adds them up in its own way."""

    input: int
    """Neither read from nor written to the cache."""
    output: int
    """Includes `reasoning`."""
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0


@frozen(kw_only=True)
class Turn:
    """One request, as a script sees it."""

    api: Api
    model: str
    streaming: bool = False
    prompt: str = ""
    """The last thing the user said."""
    tools: Sequence[OfferedTool] = ()
    """Empty too if the client forbids calls."""
    must_call: bool = False
    """Whether the client insists on a tool call; `tools` holds those that it would accept."""
    parallel_calls: bool = True
    """Whether more than one call at a time is welcome."""
    tool_results: Sequence[str] = ()
    """Texts of the tool results that the request ends with; empty if it ends with a prompt."""
    rounds: int = 0
    """How often tools were called and answered since the prompt."""
    wants_thoughts: bool = False
    """Whether the client asks for reasoning that it can read."""
    output_schema: Mapping[str, Any] | None = None
    """JSON schema that the answer's text must fit."""
    input_usage: Usage = Usage(input=1, output=0)
    """What the request costs, counted by rule (see `conversation`)."""
    attempt: int = 1
    """1 when this prompt, with these tool results, is seen first; 2 when the client tries again."""
    body: Mapping[str, Any] = field(factory=dict, repr=False)
    """The whole request."""


@frozen
class Text:
    """Something said. `commentary`: said on the way, not the final answer (the phase of the Responses API)."""

    text: str
    commentary: bool = False


@frozen
class Thought:
    """Reasoning that the client may see."""

    text: str


@frozen
class ToolCall:
    """A call of a client's tool. `arguments`: a JSON object, or the plain text for a custom tool."""

    name: str
    arguments: Mapping[str, Any] | str = Factory(dict)
    namespace: str = ""


Part = Text | Thought | ToolCall


class Stop(StrEnum):
    """Why the model stopped."""

    NATURAL = "natural"
    """Done, or waiting for a tool's result."""
    LENGTH = "length"
    """Out of tokens: the last part is cut off in the middle."""
    REFUSAL = "refusal"


class Fault(StrEnum):
    """What goes wrong halfway through an answer."""

    NONE = "none"
    ERROR = "error"
    """A stream goes on with an error event; an answer that isn't a stream is a status 500 instead."""
    CUT = "cut"
    """The connection breaks off without a word."""


@frozen(kw_only=True)
class Answer:
    """An answer of the model."""

    parts: Sequence[Part] = ()
    stop: Stop = Stop.NATURAL
    usage: Usage | None = None
    """None counts it by rule."""
    fault: Fault = Fault.NONE
    wait: float = 0.0
    """Silence before the first byte, in seconds."""
    pace: float = 0.0
    """Silence before each event of a stream, in seconds."""

    @classmethod
    def saying(cls, text: str) -> "Answer":
        """The plainest answer."""
        return cls(parts=(Text(text),))


@frozen(kw_only=True)
class HttpFailure:
    """An error status instead of an answer, in the shape of the API that was asked."""

    status: int
    message: str = "the script says so"
    retry_after: int | None = None
    """Seconds, for the header of this name."""


Script = Callable[[Turn], Answer | HttpFailure]
"""What is answered when. Any function of this form will do; `magic_words` is the default."""


class ScriptExhausted(Exception):
    """A script of fixed answers was asked once more than it has answers."""


def in_order(*answers: Answer | HttpFailure) -> Script:
    """A script that gives these answers, one for each request. Raises ScriptExhausted when they are used up."""
    remaining = iter(answers)

    def answer(_: Turn) -> Answer | HttpFailure:
        for following in remaining:
            return following
        raise ScriptExhausted(f"the script has {len(answers)} answers and was asked once more")

    return answer
