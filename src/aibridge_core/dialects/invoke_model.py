"""The Messages API in Amazon Bedrock's own envelope, for clients in Bedrock mode: `/model/{model}/invoke`.

Belongs here: what the envelope changes: model and streaming stand in the path, events in a binary stream, errors are
AWS's. Never: what a message means; that is `dialects.messages`. Without tools of ours all bytes pass as they came.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import unquote

import msgspec
from attrs import evolve

from aibridge_core.bedrock.events import chunk_of, event_of, exception_of
from aibridge_core.dialects.api import Failed, Interceptor, Relay, Step
from aibridge_core.dialects.messages import MessagesDialect
from aibridge_core.dialects.splice import insert_member, remove_members
from aibridge_core.errors import BridgeError, MalformedRequest, UpstreamBroken
from aibridge_core.eventstream import CONTENT_TYPE, CorruptEventStream, EventStreamDecoder, Message, encode
from aibridge_core.records import ErrorType
from aibridge_core.sse import SseScanner
from aibridge_core.tools import NO_TOOLS, Toolbox, ToolResult
from aibridge_core.wire import AnswerHead, header

STREAMING: Final = "invoke-with-response-stream"
_EXCEPTIONS: Final[Mapping[int, str]] = {
    401: "accessDeniedException",
    403: "accessDeniedException",
    404: "resourceNotFoundException",
    429: "throttlingException",
    503: "serviceUnavailableException",
    504: "modelTimeoutException",
    529: "serviceUnavailableException",
}
"""The API's own names, as they stand in its streams; in JSON they begin with a capital."""
_IN_PATH: Final = ("model", "stream")


class InvokeModelDialect:
    """Implements `aibridge_core.dialects.api.Dialect`."""

    name = "invoke_model"

    def __init__(self) -> None:
        self._messages = MessagesDialect()

    def intercept(self, body: bytes, toolbox: Toolbox = NO_TOOLS, *, path: str = "") -> "InvokeModelInterceptor":
        """Read a request, as one of the Messages API with its model. Raises MalformedRequest, TooManyTools."""
        model, _, action = path.removeprefix("/model/").rpartition("/")
        try:
            message = insert_member(body, "stream", b"true" if action == STREAMING else b"false")
            message = insert_member(message, "model", msgspec.json.encode(unquote(model)))
        except ValueError:
            raise MalformedRequest("The request body is not a JSON object.") from None
        inner = self._messages.intercept(message, toolbox)
        # A member of the same name in the body would be read last, and Bedrock goes by the path.
        inner.request = evolve(inner.request, model=unquote(model), streaming=action == STREAMING)
        return InvokeModelInterceptor(inner, self.refuse, body, message)

    def refuse(self, error: BridgeError) -> bytes:
        """AWS's JSON error body."""
        name = _exception(error)
        return msgspec.json.encode({"__type": name[:1].upper() + name[1:], "message": _text(error)})


class InvokeModelInterceptor:
    """Implements `aibridge_core.dialects.api.Interceptor` around one of the Messages API."""

    def __init__(self, inner: Interceptor, refuse: Callable[[BridgeError], bytes], body: bytes, message: bytes) -> None:
        """`message`: the client's `body` with what its path says."""
        edited = inner.request.body
        self.request = evolve(inner.request, body=body if edited == message else remove_members(edited, _IN_PATH))
        self.edits_answers = inner.edits_answers
        inner.request = evolve(inner.request, body=b"")
        self._inner = inner
        self._refuse = refuse
        self._begun = False
        self._stream: _Untouched | _Edited | None = None

    @property
    def streams(self) -> bool:
        """Whether the answer that has begun is a stream of events."""
        return self._stream is not None

    @property
    def response_id(self) -> str:
        """The provider's id of the answer; empty until it is seen."""
        return self._inner.response_id

    def begin_turn(self, head: AnswerHead) -> None:
        """An upstream answer begins; only its form differs from what the Messages API knows."""
        self._begun = True
        kind = (header(head.headers, b"content-type") or "").lower()
        self._stream = None
        if head.status < 400 and kind.startswith(CONTENT_TYPE):
            head = evolve(head, headers=((b"content-type", b"text/event-stream"),))
            self._stream = _Edited(self._inner) if self.edits_answers else _Untouched(self._inner)
        self._inner.begin_turn(head)

    def feed(self, data: bytes) -> Sequence[Step]:
        """A piece of the body, cut anywhere. Raises UpstreamBroken for a corrupt stream that is edited."""
        return self._stream.feed(data) if self._stream else self._inner.feed(data)

    def end_turn(self, *, broken: bool = False) -> Sequence[Step]:
        """The body is over; `broken` if it broke off."""
        return self._stream.end(broken=broken) if self._stream else self._inner.end_turn(broken=broken)

    def resume(self, results: Sequence[ToolResult]) -> bytes:
        """The body of the next turn's request."""
        return remove_members(self._inner.resume(results), _IN_PATH)

    def conclude(self, results: Sequence[ToolResult]) -> Sequence[Step]:
        """The rest of an answer that ends with calls of ours."""
        steps = self._inner.conclude(results)
        return self._stream.written(steps) if isinstance(self._stream, _Edited) else steps

    def keep_alive(self) -> bytes:
        """Nothing: the clients of this API know no sign of life."""
        return b""

    def fail(self, error: BridgeError) -> bytes:
        """AWS's error, in the form that fits where the answer stands."""
        if not self._begun:
            return self._refuse(error)
        if self._stream is None or not self._stream.at_boundary:
            return b""
        return encode(exception_of(_exception(error), _text(error)))


class _Untouched:
    """The client gets the stream as it came; what it says is read on the side."""

    def __init__(self, inner: Interceptor) -> None:
        self._inner = inner
        self._decoder = EventStreamDecoder()
        self._over = False

    @property
    def at_boundary(self) -> bool:
        return not self._over and self._decoder.at_boundary

    def feed(self, data: bytes) -> Sequence[Step]:
        if self._over:
            return (Relay(data),)
        try:
            steps = self._inner.feed(b"".join(_events(self._decoder.feed(data))))
        except CorruptEventStream as error:
            self._over = True
            failed = Failed(ErrorType.UNKNOWN, f"the provider's event stream is corrupt: {error}")
            return (*self._inner.end_turn(broken=True), failed, Relay(data))
        last = any(isinstance(step, Relay) and step.last for step in steps)
        self._over = last
        return (*_without_bytes(steps), Relay(data, last=last))

    def end(self, *, broken: bool) -> Sequence[Step]:
        return () if self._over else _without_bytes(self._inner.end_turn(broken=broken))


class _Edited:
    """The client gets events that the interceptor chose, in messages of our own."""

    def __init__(self, inner: Interceptor) -> None:
        self._inner = inner
        self._decoder = EventStreamDecoder()
        self._scanner = SseScanner()
        self.at_boundary = True

    def feed(self, data: bytes) -> Sequence[Step]:
        try:
            return self.written(self._inner.feed(b"".join(_events(self._decoder.feed(data)))))
        except CorruptEventStream as error:
            raise UpstreamBroken(f"the provider's event stream is corrupt: {error}") from error

    def end(self, *, broken: bool) -> Sequence[Step]:
        return self.written(self._inner.end_turn(broken=broken))

    def written(self, steps: Sequence[Step]) -> Sequence[Step]:
        """The same steps with bytes as this API has them."""
        return [Relay(self._messages(step.data), step.last) if isinstance(step, Relay) else step for step in steps]

    def _messages(self, events: bytes) -> bytes:
        return b"".join(encode(chunk_of(event.data)) for event in self._scanner.feed(events) if event.data)


def _events(messages: Iterator[Message]) -> Iterator[bytes]:
    return (event.raw for message in messages if (event := event_of(message)))


def _without_bytes(steps: Sequence[Step]) -> Sequence[Step]:
    return [step for step in steps if not isinstance(step, Relay)]


def _exception(error: BridgeError) -> str:
    default = "validationException" if error.status < 500 else "internalServerException"
    return _EXCEPTIONS.get(error.status, default)


def _text(error: BridgeError) -> str:
    return error.message.encode("utf-8", "replace").decode()
