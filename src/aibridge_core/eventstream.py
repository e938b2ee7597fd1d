"""AWS's binary event stream (`application/vnd.amazon.eventstream`): bytes into messages, and messages into bytes.

Source: "Event stream encoding", smithy.io/2.0/aws/amazon-eventstream.html. A message is: total length, headers' length
(each 4 bytes, big-endian), the CRC-32 of these eight bytes, headers, payload, and the CRC-32 of all before it.
Belongs here: framing, for any cut of the bytes. Never: what a message means.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Final
from zlib import crc32

from attrs import frozen

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"

MAX_MESSAGE: Final = 24 * 1024 * 1024
"""Longest message in bytes: 16 MiB of payload in Base64, and room for headers."""

_PRELUDE: Final = struct.Struct(">III")
_CRC: Final = struct.Struct(">I")
_LENGTH: Final = struct.Struct(">H")
_STRING: Final = 7
_FIXED: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Header value types of one size, in bytes: truth values, integers, a time, a UUID."""
_COUNTED: Final = (6, _STRING)
"""Those that begin with their length: bytes and text."""


class CorruptEventStream(ValueError):
    """A checksum or a length is wrong; nothing behind it can be trusted."""


@frozen(kw_only=True)
class Message:
    """One message. `headers` has those that are texts; AWS's own all are."""

    headers: Mapping[str, str]
    payload: bytes


class EventStreamDecoder:
    """Cuts a byte stream into messages."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def at_boundary(self) -> bool:
        """Whether the stream stands between two messages."""
        return not self._rest

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that these bytes complete; to be read to the end.

        Raises CorruptEventStream behind the last message that is whole; the decoder is of no use then.
        """
        self._rest += data
        while len(self._rest) >= _PRELUDE.size:
            total, headers = self._lengths()
            if len(self._rest) < total:
                return
            message = _message(bytes(self._rest[:total]), headers)
            del self._rest[:total]
            yield message

    def _lengths(self) -> tuple[int, int]:
        total, headers, check = _PRELUDE.unpack_from(self._rest)
        if crc32(self._rest[: _PRELUDE.size - _CRC.size]) != check:
            raise CorruptEventStream("the checksum of a message's lengths is wrong")
        if not _PRELUDE.size + headers + _CRC.size <= total <= MAX_MESSAGE:
            raise CorruptEventStream(f"a message of {total} bytes with {headers} bytes of headers can't be")
        return total, headers


def encode(message: Message) -> bytes:
    """A message as bytes."""
    headers = b"".join(_encoded(name, value) for name, value in message.headers.items())
    total = _PRELUDE.size + len(headers) + len(message.payload) + _CRC.size
    lengths = _PRELUDE.pack(total, len(headers), 0)[: -_CRC.size]
    body = lengths + _CRC.pack(crc32(lengths)) + headers + message.payload
    return body + _CRC.pack(crc32(body))


def _encoded(name: str, value: str) -> bytes:
    text, label = value.encode(), name.encode()
    return bytes([len(label)]) + label + bytes([_STRING]) + _LENGTH.pack(len(text)) + text


def _message(source: bytes, headers: int) -> Message:
    (check,) = _CRC.unpack_from(source, len(source) - _CRC.size)
    if crc32(source[: -_CRC.size]) != check:
        raise CorruptEventStream("the checksum of a message is wrong")
    start = _PRELUDE.size + headers
    try:
        return Message(headers=_headers(source[_PRELUDE.size : start]), payload=source[start : -_CRC.size])
    except (IndexError, KeyError, struct.error, UnicodeDecodeError):
        raise CorruptEventStream("the headers of a message can't be read") from None


def _headers(source: bytes) -> dict[str, str]:
    found = {}
    position = 0
    while position < len(source):
        name_end = position + 1 + source[position]
        name, kind = source[position + 1 : name_end], source[name_end]
        position = name_end + 1
        if kind in _COUNTED:
            (size,) = _LENGTH.unpack_from(source, position)
            position += _LENGTH.size
        else:
            size = _FIXED[kind]
        value, position = source[position : position + size], position + size
        if kind == _STRING:
            found[name.decode()] = value.decode()
    if position != len(source):
        raise IndexError("the last value is too short")
    return found
