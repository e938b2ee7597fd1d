"""The interface of a dialect: how the relay talks to any AI API.

Belongs here: what every dialect shares by contract. Never: a rule of one API. See `dialects/interceptor.py` for
the machinery that the dialects share by implementation.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec
from attrs import field, frozen

from aibridge_core.errors import BridgeError
from aibridge_core.records import Fact
from aibridge_core.tools import NO_TOOLS, Toolbox, ToolCall, ToolResult
from aibridge_core.wire import AnswerHead


@frozen(kw_only=True)
class RequestView:
    """What the gateway needs to know of a request."""

    body: bytes = field(repr=False)
    """What goes upstream: the client's bytes, apart from surgical edits. Taken out once it is on its way."""
    model: str
    streaming: bool
    prompt: str | None = None
    """The last user prompt; None if the last message isn't one."""
    correlating_tool_call_id: str | None = None
    """Id of the tool call whose result the request ends with."""
    session_hint: str | None = None
    """What the body says of the client's session: `metadata.user_id` (Messages) or `prompt_cache_key` (OpenAI)."""

    def having(self, body: bytes) -> "RequestView":
        """The view with another body; the same one if it is that already. `attrs.evolve` takes twice as long."""
        if body is self.body:
            return self
        return RequestView(
            body=body,
            model=self.model,
            streaming=self.streaming,
            prompt=self.prompt,
            correlating_tool_call_id=self.correlating_tool_call_id,
            session_hint=self.session_hint,
        )


class Relay(msgspec.Struct, frozen=True, gc=False):
    """Bytes for the client. `last`: they complete the answer, so they go out when its records are durable.

    A msgspec Struct because one is made of every piece that passes: it costs an eighth of an attrs value.
    """

    data: bytes
    last: bool = False


@frozen
class Observed:
    """A fact for the audit trail."""

    fact: Fact


@frozen
class Failed:
    """The provider reported an error, in its status or inside the answer."""

    error_type: str
    message: str


@frozen
class Finished:
    """Why the answer ended, in the API's own words, one for each of its choices. For observers; it isn't stored."""

    reasons: Sequence[str]


@frozen
class CallTools:
    """The model asks for tools of ours. The relay runs them and goes on with what `resume` gives.

    `ends_answer`: the client has calls of its own to answer, so there is no further turn; `conclude` gives the rest.
    """

    calls: Sequence[ToolCall]
    ends_answer: bool = False


@frozen
class Refused:
    """Nothing of the answer is the client's: it gets this error instead. Only of an answer that isn't a stream."""

    error: BridgeError


Step = Relay | Observed | Failed | Finished | CallTools | Refused


class Interceptor(Protocol):
    """One interception as its dialect sees it; sans-I/O, like a protocol's connection object."""

    request: RequestView
    edits_answers: bool
    """Whether `feed` may change the answer's bytes, so that it must be asked for without a content coding."""

    @property
    def streams(self) -> bool:
        """Whether the answer that has begun is a stream of events."""
        ...

    @property
    def response_id(self) -> str:
        """The provider's id of the answer; empty until it is seen."""
        ...

    def begin_turn(self, head: AnswerHead) -> None:
        """An upstream answer begins."""
        ...

    def feed(self, data: bytes) -> Sequence[Step]:
        """A piece of its body, decoded, cut anywhere."""
        ...

    def end_turn(self, *, broken: bool = False) -> Sequence[Step]:
        """Its body is over. `broken`: it broke off, or nobody waits for the rest; what was seen comes as partial.

        May hold one `CallTools`, the last step then: the answer goes on with another turn. Or one `Refused`, likewise.
        """
        ...

    def resume(self, results: Sequence[ToolResult]) -> bytes:
        """The body of the next turn's request: the last one's, the model's calls, and their results."""
        ...

    def conclude(self, results: Sequence[ToolResult]) -> Sequence[Step]:
        """The rest of an answer that ends with a turn with calls of ours, once these have run."""
        ...

    def keep_alive(self) -> bytes:
        """What may be sent to a waiting client right now; empty if nothing may."""
        ...

    def fail(self, error: BridgeError) -> bytes:
        """This API's error: a JSON body before an answer has begun, an event inside a stream.

        Empty where nothing can be said any more: in the middle of an event, or inside a body that isn't a stream.
        """
        ...


class Dialect(Protocol):
    """One AI API."""

    name: str

    def intercept(self, body: bytes, toolbox: Toolbox = NO_TOOLS, *, path: str = "") -> Interceptor:
        """Read a request, and splice the tools in that its model is offered. Raises MalformedRequest, TooManyTools.

        `path`: below the provider's name; in some APIs it says more than where to go.
        """
        ...

    def refuse(self, error: BridgeError) -> bytes:
        """This API's JSON error body."""
        ...
