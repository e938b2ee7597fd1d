"""The stream of one response that a client sees for several: its numbers run on without gaps.

Belongs here: sequence numbers and output indexes, hidden items, reasoning that waits for what it leads to. Never: what
a call is, or what an answer comes to (`turns`).

Reasoning that leads to a hidden call is hidden with it as long as it shows no text: a client that sends its history
back whole would otherwise send reasoning without the item that must follow it, and the provider would refuse that.

A response has one id from its first event to its last: the official SDK gives up on a stream where they differ. So
its beginning may wait until a turn says something: with that turn's id, which is the last one's more often than not.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from aibridge_core.dialects.jsontext import try_read
from aibridge_core.dialects.openai_request import NO_VALUE
from aibridge_core.dialects.splice import set_member
from aibridge_core.dialects.tool_interceptor import rewritten
from aibridge_core.sse import SseEvent


class Seen(msgspec.Struct, gc=False):
    """The members of an event that count here."""

    type: Any = None
    sequence_number: Any = None
    output_index: Any = None
    item: Raw = NO_VALUE
    response: Raw = NO_VALUE


class _Item(msgspec.Struct, gc=False):
    type: Any = None


_SEEN = msgspec.json.Decoder(Seen)
_ITEM = msgspec.json.Decoder(_Item)
_NO_ITEM = _Item()
ITEM_EVENTS = ("response.output_item.added", "response.output_item.done")


def look_at(event: SseEvent) -> Seen | None:
    """The event's members; None if it holds no object."""
    return try_read(_SEEN, event.data) if event.data else None


class ClientStream:
    """What the client has seen so far, over all turns."""

    def __init__(self) -> None:
        self.begun = False
        """Whether it knows of the response."""
        self.id = ""
        """By which it knows it."""
        self.next_number = 0
        self.next_index = 0
        self.counts = False
        """Whether an event was left out, so that the provider's numbers no longer are the client's."""


class TurnStream:
    """One turn in it."""

    def __init__(self, client: ClientStream) -> None:
        self._client = client
        self._later = client.begun
        """Whether an earlier turn has begun the response."""
        self._indexes_moved = client.next_index
        self._indexes: dict[int, int] = {}
        self._hidden: set[int] = set()
        self._openings: list[tuple[SseEvent, Seen]] = []
        self._id = ""
        self._waiting: list[tuple[SseEvent, Seen]] = []
        self._waits_for: int | None = None
        """The place of the reasoning item that waits."""

    def open(self, event: SseEvent, seen: Seen, response_id: str, *, at_once: bool) -> bytes:
        """An event that begins a response. If not `at_once`, it waits for the first one that says something."""
        if self._later:
            self.skip(seen)
            return b""
        self._id = response_id
        self._openings.append((event, seen))
        return self._begun() if at_once or self._client.begun else b""

    def hide(self, seen: Seen) -> bytes:
        """An event of ours; all that has its place is hidden, too. Returns what had waited and is the client's."""
        before = self.flush(leads_to_hidden=seen.output_index not in self._hidden)
        if type(seen.output_index) is int and seen.output_index not in self._hidden:
            self._hide_item(seen.output_index)
        self.skip(seen)
        return before

    def show(self, event: SseEvent, seen: Seen) -> bytes:
        """An event that isn't ours; returns what the client gets now."""
        if type(seen.output_index) is int and seen.output_index in self._hidden:
            self.skip(seen)
            return b""
        if self._waits_too(seen):
            self._waiting.append((event, seen))
            return b""
        before = self.flush()
        if _begins_reasoning(seen):
            self._waits_for = seen.output_index
            self._waiting.append((event, seen))
            return before
        return before + self._shown(event, seen)

    def skip(self, seen: Seen) -> None:
        """An event that the client doesn't get."""
        self._client.counts = self._client.counts or type(seen.sequence_number) is int

    def flush(self, *, leads_to_hidden: bool = False) -> bytes:
        """Let waiting reasoning go, or hide it; returns what of it is the client's."""
        waiting, place = self._waiting, self._waits_for
        self._waiting, self._waits_for = [], None
        if place is not None and leads_to_hidden:
            self._hide_item(place)
        return b"".join(self._shown_or_skipped(event, seen) for event, seen in waiting)

    def close(self) -> bytes:
        """The stream is over, and not as it should be: all that waits is the client's."""
        return self._begun() + self.flush()

    def _waits_too(self, seen: Seen) -> bool:
        """Whether an event says no more than the reasoning that waits: its end, or something of no item."""
        if self._waits_for is None:
            return False
        return seen.output_index is None or (seen.output_index == self._waits_for and seen.type in ITEM_EVENTS)

    def _shown_or_skipped(self, event: SseEvent, seen: Seen) -> bytes:
        if seen.output_index in self._hidden:
            self.skip(seen)
            return b""
        return self._shown(event, seen)

    def _hide_item(self, index: int) -> None:
        self._hidden.add(index)
        self._indexes_moved -= 1

    def _shown(self, event: SseEvent, seen: Seen) -> bytes:
        return self._begun() + self._renumbered(event, seen)

    def _begun(self) -> bytes:
        """What begins the response, if the client doesn't have that yet."""
        openings, self._openings = self._openings, []
        if not self._client.begun:
            self._client.begun, self._client.id = True, self._id
        return b"".join(self._renumbered(event, seen) for event, seen in openings)

    def _renumbered(self, event: SseEvent, seen: Seen) -> bytes:
        data = event.data
        if type(seen.sequence_number) is int:
            number = self._client.next_number if self._client.counts else seen.sequence_number
            self._client.next_number = number + 1
            if number != seen.sequence_number:
                data = set_member(data, ["sequence_number"], b"%d" % number)
        if type(seen.output_index) is int:
            index = self._indexes.setdefault(seen.output_index, seen.output_index + self._indexes_moved)
            self._client.next_index = max(self._client.next_index, index + 1)
            if index != seen.output_index:
                data = set_member(data, ["output_index"], b"%d" % index)
        return event.raw if data == event.data else rewritten(event, data).data


def _begins_reasoning(seen: Seen) -> bool:
    kind = (try_read(_ITEM, seen.item) or _NO_ITEM).type
    return seen.type == ITEM_EVENTS[0] and kind == "reasoning" and type(seen.output_index) is int


def raw_items(response: Raw) -> Sequence[bytes]:
    """The output items of a response, as they are written."""
    found = try_read(_RESPONSE, response)
    return [bytes(item) for item in found.output] if found else ()


class _Response(msgspec.Struct, gc=False):
    output: list[Raw] = []


_RESPONSE = msgspec.json.Decoder(_Response)
