"""AWS's event stream is read for any cut of its bytes, and no damage passes for a message."""

import itertools

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.eventstream import CorruptEventStream, EventStreamDecoder, Message, encode

HEADERS = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
MESSAGES = [
    Message(headers=HEADERS, payload=b'{"bytes":"e30="}'),
    Message(headers={}, payload=b""),
    Message(headers={"é": "ü" * 300}, payload=bytes(range(256)) * 40),
]
STREAM = b"".join(map(encode, MESSAGES))


def read(*pieces: bytes) -> list[Message]:
    decoder = EventStreamDecoder()
    found = [message for piece in pieces for message in decoder.feed(piece)]
    assert decoder.at_boundary
    return found


def test_whole_and_byte_by_byte() -> None:
    """What was written is read again, however it comes."""
    assert read(STREAM) == MESSAGES
    assert read(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == MESSAGES


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_any_cuts(cuts: list[int]) -> None:
    """Cuts anywhere change nothing."""
    at = [0, *sorted(cuts), len(STREAM)]
    assert read(*(STREAM[start:end] for start, end in itertools.pairwise(at))) == MESSAGES


@given(st.integers(0, len(STREAM) - 1), st.integers(1, 255))
def test_no_changed_byte_passes(at: int, change: int) -> None:
    """Messages before the damage come; then there is an error, or a wait for bytes that never come."""
    damaged = STREAM[:at] + bytes([STREAM[at] ^ change]) + STREAM[at + 1 :]
    decoder, found = EventStreamDecoder(), []
    with pytest.raises(CorruptEventStream):
        for message in decoder.feed(damaged):
            found.append(message)  # noqa: PERF402 - it raises at the end
    assert found == MESSAGES[: len(found)]


def test_botocore_reads_what_we_write() -> None:
    """AWS's own decoder takes our messages."""
    buffer = EventStreamBuffer()
    buffer.add_data(STREAM)
    theirs = [(dict(event.headers), event.payload) for event in buffer]
    assert theirs == [(dict(message.headers), message.payload) for message in MESSAGES]


def test_other_kinds_of_header_values_are_stepped_over() -> None:
    """Truth values, integers, bytes, times and UUIDs may stand between texts (Smithy, "Event stream encoding")."""
    from struct import pack
    from zlib import crc32

    values = (
        b"\x01a\x00" + b"\x01b\x02\x07" + b"\x01c\x04" + b"\x00" * 4 + b"\x01d\x06\x00\x02xy" + b"\x01e\x09" + b"u" * 16
    )
    headers = values + b"\x04name\x07\x00\x05value"
    lengths = pack(">II", 16 + len(headers), len(headers))
    body = lengths + pack(">I", crc32(lengths)) + headers
    assert read(body + pack(">I", crc32(body))) == [Message(headers={"name": "value"}, payload=b"")]


def test_an_impossible_length_is_refused_at_once() -> None:
    """Nobody waits for four gigabytes, even if the checksum agrees."""
    from struct import pack
    from zlib import crc32

    lengths = pack(">II", 0xFFFFFFFF, 0)
    with pytest.raises(CorruptEventStream, match="can't be"):
        list(EventStreamDecoder().feed(lengths + pack(">I", crc32(lengths))))
