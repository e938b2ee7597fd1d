"""Reads the facts off a Responses answer, streamed or not.

Belongs here: which events matter, and when an answer is whole. Never: what an item means (`items.py`). Most events
are pieces of text, and are passed by their name alone. Source: OpenAI's API reference, "Streaming events".
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from aibridge_core.dialects.api import Failed
from aibridge_core.dialects.interceptor import LAST, PASS, Verdict
from aibridge_core.dialects.jsontext import starts, text_or, try_read
from aibridge_core.dialects.openai_errors import reported, unlike_the_api
from aibridge_core.dialects.openai_request import NO_VALUE, elements
from aibridge_core.dialects.openai_usage import token_usage
from aibridge_core.dialects.responses.items import carries_facts, item_facts, read_item
from aibridge_core.dialects.responses.unfinished import DELTAS, Delta, UnfinishedItem
from aibridge_core.dialects.responses.usage import LAYOUT
from aibridge_core.records import Fact
from aibridge_core.sse import SseEvent


class _Event(msgspec.Struct, gc=False):
    response: Raw = NO_VALUE
    item: Raw = NO_VALUE
    output_index: Any = None


class _Response(msgspec.Struct, gc=False):
    id: Any = None
    model: Any = None
    status: Any = None
    service_tier: Any = None
    error: Any = None
    incomplete_details: Any = None
    output: Raw = NO_VALUE
    usage: Any = None


class _Error(msgspec.Struct, gc=False):
    """The fields of an `error` event stand at its top, or under `error`."""

    error: Any = None
    code: Any = None
    message: Any = None


class _Named(msgspec.Struct, gc=False):
    type: Any = None
    error: Any = None


_OWN_NAMES = (b"response.", b"error")

_EVENT = msgspec.json.Decoder(_Event)
_RESPONSE = msgspec.json.Decoder(_Response)
_ERROR = msgspec.json.Decoder(_Error)
_NAMED = msgspec.json.Decoder(_Named)
_DELTA = msgspec.json.Decoder(Delta)


class ResponsesReader:
    """Implements `aibridge_core.dialects.interceptor.AnswerReader`."""

    def __init__(self) -> None:
        self.response_id = ""
        self.failure: Failed | None = None
        self.complete = False
        self.finish_reasons: Sequence[str] = ()
        self._model = ""
        self._service_tier: Any = None
        self._usage: Any = None
        self._items: list[Sequence[Fact]] = []
        self._unfinished: dict[Any, UnfinishedItem] = {}

    def event(self, event: SseEvent) -> Verdict:
        """An event. Clients go by the `type` in its data; its name is the same, if it has one."""
        name = event.name if event.name.startswith(_OWN_NAMES) else _name_in(event.data)
        handle = _HANDLERS.get(name)
        return handle(self, event.data) if handle else self._delta(name, event.data)

    def body(self, data: bytes) -> None:
        """A whole answer."""
        response = try_read(_RESPONSE, data)
        if response is None:
            self.failure = unlike_the_api("it is not a JSON object")
            return
        self._ended(response)
        if response.error or response.status in ("failed", "cancelled"):
            self.failure = reported(response.error or {"message": f"the response is {response.status}"})
        elif not starts(response.output, b"["):
            self.failure = unlike_the_api("it has no output")

    def facts(self, *, partial: bool) -> Sequence[Fact]:
        """Everything read so far: items in order, then the usage, which comes only when an answer ends."""
        found = [fact for facts in self._items for fact in facts]
        for item in self._unfinished.values():
            found += item.facts(self.response_id)
        found += token_usage(
            self._usage,
            LAYOUT,
            response_id=self.response_id,
            model=self._model,
            service_tier=self._service_tier,
            partial=False,
        )
        return found

    def _begun(self, data: bytes) -> Verdict:
        if response := _response_of(data):
            self._head(response)
        return PASS

    def _item_added(self, data: bytes) -> Verdict:
        event = try_read(_EVENT, data)
        item = read_item(event.item) if event else None
        if event and item and carries_facts(item):
            self._unfinished[_key(event.output_index)] = UnfinishedItem(item)
        return PASS

    def _delta(self, name: bytes, data: bytes) -> Verdict:
        """A piece of an item; it matters only while an item with facts is unfinished."""
        if self._unfinished and (source := DELTAS.get(name)) is not None:
            piece = try_read(_DELTA, data)
            unfinished = self._unfinished.get(_key(piece.output_index)) if piece else None
            if piece and unfinished:
                unfinished.add(source, piece)
        return PASS

    def _item_done(self, data: bytes) -> Verdict:
        event = try_read(_EVENT, data)
        item = read_item(event.item) if event else None
        if event and item:
            self._unfinished.pop(_key(event.output_index), None)
            self._items.append(item_facts(item, self.response_id))
        return PASS

    def _completed(self, data: bytes) -> Verdict:
        self.complete = True
        if response := _response_of(data):
            self._ended(response)
        return LAST

    def _failed(self, data: bytes) -> Verdict:
        response = _response_of(data) or _Response()
        self._ended(response)
        self.failure = reported(response.error or {"message": "the response failed"})
        return LAST

    def _error(self, data: bytes) -> Verdict:
        """Clients stop reading here."""
        event = try_read(_ERROR, data) or _Error()
        self.failure = reported(event.error or {"code": event.code, "message": event.message})
        return LAST

    def _head(self, response: _Response) -> None:
        self.response_id = self.response_id or text_or(response.id)
        self._model = text_or(response.model) or self._model

    def _ended(self, response: _Response) -> None:
        """The final response repeats every item. Some providers leave its output empty: then the events count."""
        self._head(response)
        self._service_tier = response.service_tier
        self._usage = response.usage
        self.finish_reasons = _reasons(response)
        items = [read_item(raw) for raw in elements(response.output)]
        if items and len(items) >= len(self._items):
            self._items = [item_facts(item, self.response_id) for item in items if item]
            self._unfinished.clear()


_HANDLERS: Mapping[bytes, Callable[[ResponsesReader, bytes], Verdict]] = {
    b"response.created": ResponsesReader._begun,
    b"response.queued": ResponsesReader._begun,
    b"response.in_progress": ResponsesReader._begun,
    b"response.output_item.added": ResponsesReader._item_added,
    b"response.output_item.done": ResponsesReader._item_done,
    b"response.completed": ResponsesReader._completed,
    b"response.incomplete": ResponsesReader._completed,
    b"response.failed": ResponsesReader._failed,
    b"error": ResponsesReader._error,
}


def _name_in(data: bytes) -> bytes:
    """The `type` in an event's data. Data that is nothing but an error is what the SDKs raise at, too."""
    named = (try_read(_NAMED, data) if data else None) or _Named()
    name = text_or(named.type, "error" if named.error else "")
    return name.encode()


def _response_of(data: bytes) -> _Response | None:
    event = try_read(_EVENT, data)
    return try_read(_RESPONSE, event.response) if event else None


def _reasons(response: _Response) -> Sequence[str]:
    """Why it is incomplete, else the status that it ended with: the API has no other words for it."""
    details = response.incomplete_details
    reason = text_or(details.get("reason") if isinstance(details, Mapping) else None) or text_or(response.status)
    return (reason,) if reason else ()


def _key(output_index: Any) -> Any:
    """Items are told apart by their place: some providers give an item another id in each event."""
    return output_index if type(output_index) is int else None
