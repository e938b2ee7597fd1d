"""Requests come off a connection as h11 reads them too, however their bytes are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_adapters.http.reading import MAX_CHUNK_LINE, RequestReader
from aibridge_adapters.http.strict import MAX_HEAD, Refused
from support.http1 import as_h11_reads, read


def post(*lines: bytes, body: bytes = b"", first: bytes = b"POST / HTTP/1.1") -> bytes:
    """A request with a host."""
    return b"\r\n".join([first, b"Host: gateway.test", *lines, b"", b""]) + body


CHUNKED = b"transfer-encoding: chunked"
LENGTH = b"Content-Length: 4"
REQUESTS = {
    "no body": post(first=b"GET /a%2Fb?c=d HTTP/1.1"),
    "a length": post(LENGTH, body=b"body"),
    "a length of nothing": post(b"content-length: 0"),
    "chunks": post(CHUNKED, body=b"3\r\nabc\r\n0a\r\n0123456789\r\n0\r\n\r\n"),
    "extensions": post(CHUNKED, body=b'1;a="b"\r\nx\r\n1 \r\ny\r\n000;z\r\n\r\n'),
    "trailers": post(CHUNKED, body=b"1\r\nx\r\n0\r\na: b\r\nC: d\r\n\r\n"),
    "values": post(b"X-Empty:", b"x-empty:  ", b"X-Pad: \t a  b\t ", b"X-Byte: \xe9\xff"),
    "HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
    "an unusual method": post(first=b"M-SEARCH * HTTP/1.1"),
    "a method that nobody knows": post(first=b"BREW /pot HTTP/1.1"),
    "a method for proxies": post(first=b"CONNECT other.test:443 HTTP/1.1"),
    "a whole address": post(first=b"GET http://gateway.test/a HTTP/1.1"),
    "an unusual target": post(first=b'GET a#b"c<d>e\\f^g`h{i|j}k HTTP/1.1'),
    "an upgrade with a body": post(b"connection: upgrade", b"upgrade: h2c", LENGTH, body=b"body"),
}
"""Of every kind; what is refused is in tests/integration/security/test_smuggling.py."""

TOKEN = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=8).map(str.encode)
VALUE = st.text([chr(byte) for byte in [9, *range(32, 127), *range(128, 256)]], max_size=12).map(
    lambda text: text.encode("latin-1")
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One that every server understands."""
    lines = draw(st.lists(st.tuples(TOKEN, VALUE), max_size=5))
    head = b"%s /%s HTTP/1.1\r\nhost: x\r\n" % (draw(TOKEN), draw(TOKEN))
    head += b"".join(b"x-%s:%s\r\n" % line for line in lines)
    pieces = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=4))
    if draw(st.booleans()):
        return head + b"content-length: %d\r\n\r\n%s" % (len(b"".join(pieces)), b"".join(pieces))
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return head + b"transfer-encoding: chunked\r\n\r\n%s0\r\n\r\n" % chunks


def byte_by_byte(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_whole_and_byte_by_byte(name: str) -> None:
    """With another behind it."""
    data = REQUESTS[name] + REQUESTS["a length"]
    expected = as_h11_reads(data)
    assert len(expected[0]) == 2
    assert all(request.complete for request in expected[0])
    assert read([data]) == expected
    assert read(byte_by_byte(data)) == expected


@given(data=st.lists(requests(), max_size=3).map(b"".join), cuts=st.lists(st.integers(0, 600), max_size=8))
def test_requests_cut_anywhere(data: bytes, cuts: list[int]) -> None:
    """What h11 reads off generated ones, this server does."""
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    assert read([data[begin:end] for begin, end in pairwise(places)]) == as_h11_reads(data)


@pytest.mark.parametrize("name", ["a length", "chunks", "trailers"])
def test_a_request_that_breaks_off_is_refused(name: str) -> None:
    """Wherever it does."""
    data = REQUESTS[name]
    for place in range(1, len(data)):
        found, refused = read([data[:place]])
        assert refused is not None, place
        assert not any(request.complete for request in found), place


def test_what_one_read_brought_is_one_piece() -> None:
    """A body in many small chunks is no more work for the application than any other."""
    reader = RequestReader()
    reader.receive(post(CHUNKED, body=b"1\r\nx\r\n" * 1000))
    assert reader.head()
    assert reader.piece() == b"x" * 1000
    assert reader.piece() is None
    reader.receive(b"2\r\nyz\r\n0\r\n\r\n")
    assert (reader.piece(), reader.complete) == (b"yz", True)


def test_the_next_request_waits_for_the_answer() -> None:
    """It is not even looked at."""
    reader = RequestReader()
    reader.receive(REQUESTS["a length"] + b"\0 no request")
    assert reader.head()
    assert reader.piece() == b"body"
    assert reader.complete
    assert reader.has_more
    reader.begin_next()
    with pytest.raises(Refused):
        reader.head()


@pytest.mark.parametrize("piece", [1, 1000, 65_536])
def test_a_head_without_an_end_is_refused_before_it_takes_much_memory(piece: int) -> None:
    """At the limit, and not when the client is done."""
    reader = RequestReader()
    reader.receive(b"GET / HTTP/1.1\r\nhost: x\r\na: ")
    come = 0
    with pytest.raises(Refused, match="too large") as refused:
        while come <= 2 * MAX_HEAD:
            reader.receive(bytes([ord("x")]) * piece)
            come += piece
            assert reader.head() is None
    assert refused.value.status == 431
    assert come <= MAX_HEAD + piece


@pytest.mark.parametrize(("length", "taken"), [(MAX_CHUNK_LINE, True), (MAX_CHUNK_LINE + 1, False)])
def test_the_longest_line_before_a_chunk(length: int, taken: bool) -> None:
    """Its end included, cut or not."""
    line = b"1;" + b"x" * (length - 4) + b"\r\n"
    data = post(CHUNKED, body=line + b"x\r\n0\r\n\r\n")
    for pieces in ([data], byte_by_byte(data)):
        found, refused = read(pieces)
        assert found[0].complete is taken
        assert (refused is None) is taken


@pytest.mark.parametrize(
    ("lines", "status", "reason"),
    [
        (b"content-length: 1\r\ncontent-length: 1\r\n", 400, "more than one Content-Length"),
        (b"content-length: 1\r\nTransfer-Encoding: chunked\r\n", 400, "contradict each other"),
        (b"transfer-encoding: chunked\r\nContent-Length: 1\r\n", 400, "contradict each other"),
        (b"transfer-encoding: gzip\r\n", 501, "only Transfer-Encoding: chunked"),
        (b"transfer-encoding: gzip, chunked\r\n", 501, "only Transfer-Encoding: chunked"),
        (b"transfer-encoding: \x0bchunked\r\n", 400, "not valid HTTP/1.1"),
        (b"a: b\r\n c\r\n", 400, "folded"),
        (b"a: \0\r\n", 400, "NUL"),
        (b"a: b\nc: d\r\n", 400, "CR LF"),
        (b"a : b\r\n", 400, "not valid HTTP/1.1"),
        (b"a: \x01\r\n", 400, "not valid HTTP/1.1"),
        (b"content-length: 4, 4\r\n", 400, "not valid HTTP/1.1"),
        (CHUNKED + b"\r\n\r\n1;\r;\r\nx\r\n0\r\n", 400, "not valid HTTP/1.1"),
        (b"a: b\r\n" * 200, 431, "more than 200 header lines"),
    ],
)
def test_a_refusal_says_why(lines: bytes, status: int, reason: str) -> None:
    """In words that the parser doesn't have."""
    _, refused = read([b"POST / HTTP/1.1\r\nhost: x\r\n" + lines + b"\r\n"])
    assert refused is not None
    assert (refused.status, reason in str(refused)) == (status, True), refused
