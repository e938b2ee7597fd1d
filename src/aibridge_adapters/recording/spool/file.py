"""A spool file: complete lines on the disk, up to a position that is known.

Belongs here: bytes, positions and flushing. Never: event loops, or which process owns a file.

Every write goes to that position, so whatever a failed one left behind is overwritten by the next.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from attrs import define, frozen

from aibridge_adapters.recording.parcels import Parcel
from aibridge_adapters.recording.spool.coding import BrokenLine, Header, Value, decode, encode

STEP = 1024 * 1024
"""Bytes that are read at a time, at least."""


class NotSpooled(Exception):
    """A parcel that is not in the file; the message says why."""


@frozen(kw_only=True)
class Line:
    """A line that was read."""

    value: Value | None
    """None for a broken one."""
    end: int
    """Position after it."""


@define(kw_only=True)
class SpoolFile:
    """An open file. Use from one thread at a time."""

    path: Path
    descriptor: int
    begin: int = 0
    """Position after the header."""
    end: int = 0
    """Position after the last line that is known to be on the disk."""

    def write_header(self, header: Header) -> None:
        """The first line. Raises OSError."""
        self._put(encode(header))
        self.begin = self.end

    def append(self, parcels: Sequence[Parcel], *, limit: int) -> Sequence[NotSpooled | None]:
        """Append all that fit below `limit` bytes with one flush; for each of them why it did not, or None."""
        data = bytearray()
        outcomes: list[NotSpooled | None] = []
        for parcel in parcels:
            try:
                lines = b"".join(map(encode, values_of(parcel)))
            except (TypeError, ValueError) as error:
                outcomes.append(NotSpooled(f"the spool file can't hold this: {type(error).__name__}"))
                continue
            fits = self.end + len(data) + len(lines) <= limit
            outcomes.append(None if fits else NotSpooled("the spool file is full"))
            data += lines if fits else b""
        try:
            self._put(bytes(data))
        except OSError as error:
            failure = NotSpooled(f"the spool file can't be written: {error.strerror}")
            return [outcome or failure for outcome in outcomes]
        return outcomes

    def read(self, position: int) -> Sequence[Line]:
        """Some complete lines from there on, at least one if there is any. Raises OSError.

        The last line of a file whose writer died may be incomplete; it counts as a broken one.
        """
        data = self._read(position)
        *complete, rest = data.split(b"\n")
        lines = [line + b"\n" for line in complete]
        if rest and position + len(data) >= self.end:
            lines.append(rest)
        found: list[Line] = []
        for line in lines:
            position += len(line)
            found.append(Line(value=_decoded(line), end=position))
        return found

    def clear(self) -> None:
        """Nothing in it is needed any more. If that can't be said on the disk, a replay writes it again, once."""
        self.end = self.begin
        with suppress(OSError):
            os.ftruncate(self.descriptor, self.begin)

    def close(self) -> None:
        """Give it up, and the lock on it."""
        os.close(self.descriptor)

    def _put(self, data: bytes) -> None:
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self.descriptor, data[written:], self.end + written)
            if data:
                os.fsync(self.descriptor)
        except OSError:
            self._cut_off()
            raise
        self.end += len(data)

    def _cut_off(self) -> None:
        with suppress(OSError):  # else it will be overwritten, or found broken
            os.ftruncate(self.descriptor, self.end)

    def _read(self, position: int) -> bytes:
        data = bytearray()
        while position + len(data) < self.end and b"\n" not in data:
            most = min(max(STEP, len(data)), self.end - position - len(data))
            piece = os.pread(self.descriptor, most, position + len(data))
            if not piece:
                break
            data += piece
        return bytes(data)


def values_of(parcel: Parcel) -> Sequence[Value]:
    """In the order in which they are written."""
    first = [] if parcel.start is None else [parcel.start]
    last = [] if parcel.ended is None else [parcel.ended]
    return [*first, *parcel.records, *last]


def _decoded(line: bytes) -> Value | None:
    try:
        return decode(line)
    except BrokenLine:
        return None
