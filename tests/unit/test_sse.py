"""A stream of server-sent events comes apart into the same events, however its bytes are cut."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_core.sse import SseEvent, SseScanner
from support.answers import byte_by_byte, cuts

USUAL = b"event: a\ndata: 1\n\nevent: b\ndata: 2\n\ndata: 3\n\n"


def events_of(*pieces: bytes) -> list[tuple[bytes, bytes]]:
    """Names and data of the events that mean something."""
    scanner = SseScanner()
    events = [event for piece in pieces for event in scanner.feed(piece)]
    return [(event.name, event.data) for event in events if event.name or event.data]


def by_the_standard(stream: bytes) -> list[tuple[bytes, bytes]]:
    """The standard's own algorithm (section 9.2.6), line by line over the whole stream."""
    events, name, data = [], b"", []
    for line in re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf"))[:-1]:
        if not line:
            if name or b"\n".join(data):
                events.append((name, b"\n".join(data)))
            name, data = b"", []
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"event":
            name = value
        if field == b"data":
            data.append(value)
    return events


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param(USUAL, [(b"a", b"1"), (b"b", b"2"), (b"", b"3")], id="usual"),
        pytest.param(b"data:1\n\ndata: 2\n\ndata:  3\n\n", [(b"", b"1"), (b"", b"2"), (b"", b" 3")], id="one space"),
        pytest.param(b"data: 1\r\n\r\ndata: 2\r\n\r\n", [(b"", b"1"), (b"", b"2")], id="CRLF"),
        pytest.param(b"data: 1\r\rdata: 2\r\r", [(b"", b"1"), (b"", b"2")], id="CR"),
        pytest.param(b"data: 1\n\r\ndata: 2\r\n\rdata: 3\r\n\n", [(b"", b"1"), (b"", b"2"), (b"", b"3")], id="mixed"),
        pytest.param(b"data: 1\ndata\ndata: 2\n\n", [(b"", b"1\n\n2")], id="several lines of data"),
        pytest.param(b"data: 2\nevent: late\n\n", [(b"late", b"2")], id="name after data"),
        pytest.param(b": ping\n\ndata: 1\n: in between\n\n", [(b"", b"1")], id="comments"),
        pytest.param(b"\xef\xbb\xbfdata: 1\n\n", [(b"", b"1")], id="byte order mark"),
        pytest.param(b"data: 1\n\n\xef\xbb\xbfdata: 2\n\n", [(b"", b"1")], id="a later byte order mark is text"),
        pytest.param(b"\n\n\ndata: 1\n\n\n\n\ndata: 2\n\n", [(b"", b"1"), (b"", b"2")], id="more blank lines"),
        pytest.param(b"id: 7\nretry: 5\nevent: a\ndata: 1\n\n", [(b"a", b"1")], id="other fields"),
        pytest.param(b"data: {\xff}\n\n", [(b"", b"{\xff}")], id="not UTF-8"),
        pytest.param(b"data: 1\n", [], id="not over yet"),
    ],
)
def test_events_are_read_as_the_standard_says(stream: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    """Whole, byte by byte, and after an event of the usual form, the events are those of the standard."""
    assert by_the_standard(stream) == expected
    assert events_of(stream) == expected
    assert events_of(*byte_by_byte(stream)) == expected
    if not stream.startswith(b"\xef"):
        assert events_of(b"data: 0\n\n", stream) == [(b"", b"0"), *expected]


STREAMS = st.lists(
    st.sampled_from(
        [b"data: x", b"data:y", b"event: a", b"data", b": c", b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"z"]
    ),
    max_size=30,
).map(b"".join)


@given(st.data(), st.tuples(st.sampled_from([b"", USUAL]), STREAMS).map(b"".join))
def test_any_stream_in_any_cut(data: st.DataObject, stream: bytes) -> None:
    """Whatever lines a stream holds, and wherever it is cut, the standard's events come out."""
    assert events_of(*data.draw(cuts(stream))) == by_the_standard(stream)


@given(st.data(), STREAMS | st.binary(max_size=60), st.sampled_from([4, 10, 1000]))
def test_no_byte_is_lost(data: st.DataObject, stream: bytes, max_event: int) -> None:
    """The sources of all events, and the rest, are the stream, also where events are too long to be looked at."""
    scanner = SseScanner(max_event=max_event)
    events = [event for piece in data.draw(cuts(stream)) for event in scanner.feed(piece)]
    rest = scanner.rest
    assert b"".join(event.raw for event in events) + rest == stream
    assert [event.raw for event in scanner.close()] == ([rest] if rest.strip(b"\r\n") else [])


def test_an_event_comes_with_its_source() -> None:
    """Name and data are read, and the source is kept with its blank line."""
    assert SseScanner().feed(b"event: a\ndata: 1\n\n") == [SseEvent(b"a", b"1", b"event: a\ndata: 1\n\n")]


def test_an_event_is_over_at_its_last_cr() -> None:
    """A reader need not wait for an LF after CR CR, so neither does the scanner; the LF means nothing when it comes."""
    scanner = SseScanner()
    assert [event.data for event in scanner.feed(b"data: 1\r\n\r")] == [b"1"]
    assert scanner.at_boundary
    assert [event.data for event in scanner.feed(b"\ndata: 2\r\n\r\n")] == [b"2"]


def test_the_stream_stands_between_events_only_there() -> None:
    """Something of our own may be put in before an event or after it, never within."""
    scanner = SseScanner()
    assert scanner.at_boundary
    states = []
    for piece in (b"da", b"ta: 1\n", b"\n", b"\n", b"d", b"ata: 2\n\n"):
        scanner.feed(piece)
        states.append(scanner.at_boundary)
    assert states == [False, False, True, True, False, True]


def test_an_event_cut_off_by_the_end_is_still_read() -> None:
    """Clients read a last event without its blank line, so it is reported at the end, once."""
    scanner = SseScanner()
    scanner.feed(b"\xef\xbb\xbfevent: a\ndata: 1")
    assert [(event.name, event.data) for event in scanner.close()] == [(b"a", b"1")]
    assert list(scanner.close()) == []


def test_an_overlong_event_comes_in_pieces_without_data() -> None:
    """Memory stays bounded: of an event over the limit nothing is read, and the next one is read again."""
    scanner = SseScanner(max_event=16)
    stream = b"data: 1\n\ndata: " + b"x" * 100 + b"\n\ndata: 2\n\n"
    longest, events = 0, []
    for piece in byte_by_byte(stream):
        events += scanner.feed(piece)
        longest = max(longest, len(scanner.rest))
    assert longest <= 16
    assert [event.data for event in events if event.data] == [b"1", b"2"]
    assert b"".join(event.raw for event in events) == stream


def test_within_an_overlong_event_there_is_no_boundary() -> None:
    """Even if nothing is kept of it, an event over the limit isn't over."""
    scanner = SseScanner(max_event=8)
    scanner.feed(b"data: 1\n\n")
    scanner.feed(b"data: xxxxxxxxxxxxxx\n")
    assert not scanner.at_boundary
    assert [event.data for event in scanner.feed(b"\ndata: 2\n\n")] == [b"", b"2"]
