"""Reads an answer of the Messages API, streamed or not, for its facts.

Belongs here: which events and fields carry them. Never: bytes for the client; they pass as they came. Only events
that carry facts are decoded, and one that isn't as it should be is passed over: it is the client's to judge.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from aibridge_core.dialects.api import Failed
from aibridge_core.dialects.failures import error_object, failure_of_error
from aibridge_core.dialects.interceptor import LAST, PASS, Verdict
from aibridge_core.dialects.jsontext import text_or, try_read
from aibridge_core.dialects.messages.blocks import Block, Content, Delta, block_of
from aibridge_core.dialects.messages.usage import UsageCounter
from aibridge_core.records import MAX_ERROR_MESSAGE, ErrorType, Fact
from aibridge_core.sse import SseEvent

_ERRORS: Mapping[str, ErrorType] = {
    "api_error": ErrorType.SERVER_ERROR,
    "authentication_error": ErrorType.UNAUTHORIZED,
    "billing_error": ErrorType.BAD_REQUEST,  # sent with 402: as that status is recorded
    "invalid_request_error": ErrorType.BAD_REQUEST,
    "not_found_error": ErrorType.BAD_REQUEST,
    "not_supported": ErrorType.BAD_REQUEST,
    "overloaded_error": ErrorType.OVERLOADED,
    "permission_error": ErrorType.UNAUTHORIZED,
    "rate_limit_error": ErrorType.RATE_LIMITED,
    "request_too_large": ErrorType.BAD_REQUEST,
    "timeout_error": ErrorType.TIMEOUT,
}


class _Message(msgspec.Struct):
    id: Any = None
    model: Any = None
    stop_reason: Any = None
    usage: Any = None
    content: msgspec.Raw = msgspec.Raw(b"null")


class _MessageStart(msgspec.Struct):
    message: _Message


class _BlockStart(msgspec.Struct):
    index: int
    content_block: Content


class _BlockDelta(msgspec.Struct):
    index: int
    delta: Delta


class _BlockStop(msgspec.Struct):
    index: int


class _MessageDelta(msgspec.Struct):
    delta: Any = None
    usage: Any = None


class _Named(msgspec.Struct):
    type: str


_MESSAGE = msgspec.json.Decoder(_Message)
_MESSAGE_START = msgspec.json.Decoder(_MessageStart)
_BLOCK_START = msgspec.json.Decoder(_BlockStart)
_BLOCK_DELTA = msgspec.json.Decoder(_BlockDelta)
_BLOCK_STOP = msgspec.json.Decoder(_BlockStop)
_MESSAGE_DELTA = msgspec.json.Decoder(_MessageDelta)
_NAMED = msgspec.json.Decoder(_Named)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_CONTENT = msgspec.json.Decoder(Content)


class MessagesReader:
    """Implements `aibridge_core.dialects.interceptor.AnswerReader`."""

    def __init__(self) -> None:
        self.response_id = ""
        self.failure: Failed | None = None
        self.complete = False
        self.finish_reasons: Sequence[str] = ()
        self._model = ""
        self._usage = UsageCounter()
        self._counted = False
        """Whether the final count was seen."""
        self._blocks: list[Block] = []
        self._open: dict[int, Block] = {}

    def event(self, event: SseEvent) -> Verdict:
        """An event of a streamed answer."""
        name = event.name
        if name == b"content_block_delta" and not self._open:
            return PASS  # nearly all events: text, or another block that carries no fact
        handle = _HANDLERS.get(name or _name_of(event.data))
        return handle(self, event.data) if handle else PASS

    def body(self, data: bytes) -> None:
        """A whole answer that isn't a stream."""
        message = try_read(_MESSAGE, data)
        contents = try_read(_LIST, message.content) if message else None
        if message is None or contents is None:
            self._fail(data, "the answer is not a message of the Messages API")
            return
        self._describe(message)
        self._stopped(message.stop_reason)
        self._blocks += (block for raw in contents if (block := _block(try_read(_CONTENT, raw))))
        self._counted = self.complete = True

    def facts(self, *, partial: bool) -> Sequence[Fact]:
        """The usage, and then calls and thoughts in their order."""
        partial = not self._counted and (partial or not self.complete)
        usage = self._usage.fact(response_id=self.response_id, model=self._model, partial=partial)
        facts = [usage, *(block.fact(self.response_id) for block in self._blocks)]
        return [fact for fact in facts if fact is not None]

    def _describe(self, message: _Message) -> None:
        self.response_id = text_or(message.id, self.response_id)
        self._model = text_or(message.model, self._model)
        self._usage.replace(message.usage)

    def _stopped(self, reason: Any) -> bool:
        """Whether that is a reason to stop; `message_start` has none yet."""
        if not isinstance(reason, str):
            return False
        self.finish_reasons = (reason,)
        return True

    def _fail(self, data: bytes, otherwise: str) -> None:
        error = error_object(data)
        self.failure = failure_of_error(error, _ERRORS) if error else Failed(ErrorType.UNKNOWN, otherwise)

    def _message_start(self, data: bytes) -> Verdict:
        if start := try_read(_MESSAGE_START, data):
            self._describe(start.message)
        return PASS

    def _block_start(self, data: bytes) -> Verdict:
        start = try_read(_BLOCK_START, data)
        if start and (block := block_of(start.content_block, closed=False)):
            self._blocks.append(block)
            self._open[start.index] = block
        return PASS

    def _block_delta(self, data: bytes) -> Verdict:
        event = try_read(_BLOCK_DELTA, data)
        if event and (block := self._open.get(event.index)):
            block.add(event.delta)
        return PASS

    def _block_stop(self, data: bytes) -> Verdict:
        event = try_read(_BLOCK_STOP, data)
        if event and (block := self._open.pop(event.index, None)):
            block.closed = True
        return PASS

    def _message_delta(self, data: bytes) -> Verdict:
        if event := try_read(_MESSAGE_DELTA, data):
            counted = self._usage.replace(event.usage)
            stopped = self._stopped(event.delta.get("stop_reason") if isinstance(event.delta, Mapping) else None)
            self._counted = self._counted or (counted and stopped)
        return PASS

    def _message_stop(self, _: bytes) -> Verdict:
        self.complete = True
        for block in self._open.values():
            block.closed = True  # the end of the message ends whatever is in it
        return LAST

    def _error(self, data: bytes) -> Verdict:
        """Clients take an error for the end of the answer, so it is one."""
        self._fail(data, data.decode("utf-8", "replace")[:MAX_ERROR_MESSAGE] or "an error without a message")
        return LAST


_HANDLERS: Mapping[bytes, Callable[[MessagesReader, bytes], Verdict]] = {
    b"message_start": MessagesReader._message_start,
    b"content_block_start": MessagesReader._block_start,
    b"content_block_delta": MessagesReader._block_delta,
    b"content_block_stop": MessagesReader._block_stop,
    b"message_delta": MessagesReader._message_delta,
    b"message_stop": MessagesReader._message_stop,
    b"error": MessagesReader._error,
}


def _name_of(data: bytes) -> bytes:
    """Some compatible providers leave the `event:` line out; the data has the name, too."""
    named = try_read(_NAMED, data) if data else None
    return named.type.encode() if named else b""


def _block(content: Content | None) -> Block | None:
    return block_of(content, closed=True) if content else None
