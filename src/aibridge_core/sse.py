"""Finds the events in a stream of server-sent events, fast and for any cut of the bytes.

Source: HTML Living Standard, section 9.2 "Server-sent events": lines end with LF, CRLF or CR; a blank line ends an
event; a leading byte order mark is ignored. Belongs here: framing. Never: what an event means.
"""

import re
import sys
from collections.abc import Sequence

import msgspec

MAX_EVENT = 32 * 1024 * 1024
"""Longest event that is looked at, in bytes; a longer one comes in pieces without name and data."""

_CR = 0x0D
_EVENT_END = re.compile(rb"(?>\r\n|\n|\r){2}")
_LONGEST_END = len(b"\r\n\r\n")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_USUAL_EVENT = re.compile(rb"((?:event: (.*)\n)?data: (.*)\n\n)")
"""The two forms that AI APIs use, in a stream without CR."""
_BOM = b"\xef\xbb\xbf"


class SseEvent(msgspec.Struct, frozen=True, gc=False):
    """One event: its `event:` name (empty if none), its data, and its source bytes with the blank line.

    A msgspec Struct because one is made of every event that passes: it costs an eighth of an attrs value.
    """

    name: bytes
    data: bytes
    raw: bytes


class SseScanner:
    """Cuts a byte stream into events. Concatenating every `raw` and `rest` gives the stream back.

    An event comes as soon as a reader can know that it is over. So the LF of a CRLF that was cut in two leads the
    next event's source, where it is one more blank line and means nothing.
    """

    def __init__(self, *, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._rest = bytearray()
        self._searched = 0
        """So many bytes of `_rest` are known to hold no blank line."""
        self._begun = False
        self._has_cr = False
        self._overlong = False
        self._fast = False
        """Begun, and neither of the other two."""

    @property
    def rest(self) -> bytes:
        """The bytes of an event that hasn't ended yet."""
        return bytes(self._rest)

    @property
    def at_boundary(self) -> bool:
        """Whether the stream stands between two events."""
        return not self._rest.strip(b"\r\n")  # of an overlong event some byte that ends no line is always kept

    def feed(self, data: bytes) -> Sequence[SseEvent]:
        """The events that these bytes complete."""
        if self._fast and _CR not in data:
            events = self._usual(data)
        else:
            self._has_cr = self._has_cr or _CR in data
            self._rest += data
            events = self._general() if self._begun else self._first()
        if len(self._rest) > self._max_event:
            events.append(self._piece())
        return events

    def close(self) -> Sequence[SseEvent]:
        """The stream is over: the event that its end cut short, if there is one."""
        raw = self.rest
        self._rest.clear()
        self._searched = 0
        return (self._event(raw, raw),) if raw.strip(b"\r\n") else ()

    def _first(self) -> list[SseEvent]:
        """The first event goes the general way; what came with it needn't."""
        events = self._general(at_most=1)
        if not self._fast:
            return [*events, *self._general()]
        following = bytes(self._rest)
        self._rest.clear()
        self._searched = 0
        return [*events, *self._usual(following)]

    def _usual(self, data: bytes) -> list[SseEvent]:
        """A fast way for what nearly every stream holds; whatever else is found goes the general way."""
        if self._rest or data[-2:] != b"\n\n":
            data = self._up_to_last_end(data)
        events: list[SseEvent] = []
        size = 0
        for raw, name, text in _USUAL_EVENT.findall(data):
            events.append(SseEvent(name, text, raw))
            size += len(raw)
        if size == len(data):
            return events
        self._rest[:0] = data
        self._searched = 0
        return self._general()

    def _up_to_last_end(self, data: bytes) -> bytes:
        self._rest += data
        end = self._rest.rfind(b"\n\n", max(0, self._searched - 1))
        complete = b"" if end < 0 else bytes(self._rest[: end + 2])
        del self._rest[: len(complete)]
        self._searched = len(self._rest)
        return complete

    def _general(self, *, at_most: int = sys.maxsize) -> list[SseEvent]:
        events: list[SseEvent] = []
        start = 0
        # A blank line may have begun in the last bytes that were searched already.
        position = max(0, self._searched + 1 - _LONGEST_END)
        while len(events) < at_most and (found := _EVENT_END.search(self._rest, position)):
            raw = bytes(self._rest[start : found.end()])
            events.append(self._event(raw, raw[: found.start() - start]))
            self._begun = True
            self._overlong = False
            start = position = found.end()
        del self._rest[:start]
        # Behind the last event that was wanted nothing was searched yet.
        self._searched = len(self._rest) if len(events) < at_most else 0
        self._fast = self._begun and not self._has_cr and not self._overlong
        return events

    def _event(self, raw: bytes, block: bytes) -> SseEvent:
        if self._overlong:
            return SseEvent(b"", b"", raw)
        return _parse(raw, block if self._begun else block.removeprefix(_BOM))

    def _piece(self) -> SseEvent:
        """Part of an event that is too long to wait for; what may begin its blank line stays."""
        self._overlong = True
        self._fast = False
        raw = bytes(self._rest[: 1 - _LONGEST_END])
        del self._rest[: len(raw)]
        self._searched = len(self._rest)
        return SseEvent(b"", b"", raw)


def _parse(raw: bytes, block: bytes) -> SseEvent:
    """`block`: the event's lines without its blank line."""
    name, data = b"", []
    for line in _LINE_END.split(block):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return SseEvent(name, b"\n".join(data), raw)
