"""Finds the events in a stream of server-sent events, fast and for any cut of the bytes.

Source: HTML Living Standard, section 9.2 "Server-sent events": lines end with LF, CRLF or CR; a blank line ends an
event; a leading byte order mark is ignored. Belongs here: framing. Never: what an event means.
"""

import re
from collections.abc import Iterator, Sequence

from attrs import frozen

MAX_EVENT = 32 * 1024 * 1024
"""Longest event that is looked at, in bytes; a longer one comes in pieces without name and data."""

_EVENT_END = re.compile(rb"(?>\r\n|\n|\r){2}")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


@frozen
class SseEvent:
    """One event: its `event:` name (empty if none), its data, and its source bytes with the blank line."""

    name: bytes
    data: bytes
    raw: bytes


class SseScanner:
    """Cuts a byte stream into events. Concatenating every `raw` and `rest` gives the stream back."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._searched = 0
        self._begun = False
        self._overlong = False

    @property
    def rest(self) -> bytes:
        """The bytes of an event that hasn't ended yet."""
        return bytes(self._rest)

    @property
    def at_boundary(self) -> bool:
        """Whether the stream stands between two events."""
        return not self._rest and not self._overlong

    def feed(self, data: bytes) -> Sequence[SseEvent]:
        """The events that these bytes complete."""
        if not self._rest and data.endswith(b"\n\n") and b"\r" not in data and self._begun and not self._overlong:
            return [_parse(block + b"\n\n", block) for block in data[:-2].split(b"\n\n")]
        return list(self._slow(data))

    def close(self) -> Sequence[SseEvent]:
        """The stream is over: the event that its end completes, if there is one."""
        raw = self.rest
        self._rest.clear()
        self._searched = 0
        if not raw:
            return ()
        return (SseEvent(b"", b"", raw) if self._overlong else _parse(raw, raw.rstrip(b"\r\n")),)

    def _slow(self, data: bytes) -> Iterator[SseEvent]:
        self._rest += data
        start = 0
        # A blank line may have begun in the last three bytes that were searched already.
        position = max(0, self._searched - 3)
        while found := _EVENT_END.search(self._rest, position):
            if found.end() == len(self._rest) and found.group().endswith(b"\r"):
                break  # its LF may still come
            raw = bytes(self._rest[start : found.end()])
            yield SseEvent(b"", b"", raw) if self._overlong else _parse(raw, self._lines(raw, found.start() - start))
            self._overlong = False
            self._begun = True
            start = position = found.end()
        del self._rest[:start]
        self._searched = len(self._rest)
        if len(self._rest) > MAX_EVENT:
            yield SseEvent(b"", b"", bytes(self._rest[:-3]))
            self._overlong = True
            del self._rest[:-3]
            self._searched = 3

    def _lines(self, raw: bytes, end: int) -> bytes:
        return raw[:end] if self._begun else raw[:end].removeprefix(_BOM)


def _parse(raw: bytes, block: bytes) -> SseEvent:
    """`block`: the event's lines without its blank line. The two usual forms need no splitting."""
    if block.startswith(b"data: ") and b"\n" not in block and b"\r" not in block:
        return SseEvent(b"", block[6:], raw)
    if block.startswith(b"event: "):
        end = block.find(b"\n")
        if end > 0 and block.startswith(b"data: ", end + 1) and block.find(b"\n", end + 7) < 0 and b"\r" not in block:
            return SseEvent(block[7:end], block[end + 7 :], raw)
    return _parse_lines(raw, block)


def _parse_lines(raw: bytes, block: bytes) -> SseEvent:
    name, data = b"", []
    for line in _LINE_END.split(block):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return SseEvent(name, b"\n".join(data), raw)
