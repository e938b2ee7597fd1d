"""Answers as clients read them: with an end that they can tell, on a connection that lasts or doesn't."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_adapters.http.strict import RequestHead, read_head
from aibridge_adapters.http.writing import AnswerWriter, InvalidAnswer, switching

Headers = list[tuple[bytes, bytes]]


def asked(method: str = "GET", *lines: str, version: str = "1.1") -> RequestHead:
    """A request."""
    return read_head("\r\n".join([f"{method} / HTTP/{version}", "host: x", *lines, "", ""]).encode())


def written(request: RequestHead, status: int, headers: Headers, *pieces: bytes) -> tuple[bytes, bool]:
    """A whole answer, and whether its connection lasts."""
    writer = AnswerWriter(request)
    data = writer.begin(status, headers) + b"".join(map(writer.data, pieces)) + writer.end()
    return data, writer.keep_alive


def as_a_client_reads(request: RequestHead, data: bytes) -> tuple[int, dict[bytes, bytes], bytes, bool]:
    """Status, headers, body, and whether the connection lasts, by h11; fails for an answer without an end."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=request.method, target="/", headers=[("host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    body = b""
    head = client.next_event()
    assert isinstance(head, h11.Response)
    while not isinstance(event := client.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            client.receive_data(b"")  # the body ends with its connection
        else:
            assert isinstance(event, h11.Data)
            body += event.data
    return head.status_code, dict(head.headers), body, client.their_state is h11.DONE


@pytest.mark.parametrize(
    ("request_", "status", "headers", "body", "framing", "lasts"),
    [
        pytest.param(asked(), 200, [(b"Content-Length", b"4")], b"body", (b"4", None), True, id="a length"),
        pytest.param(asked(), 200, [], b"body", (None, b"chunked"), True, id="no length"),
        pytest.param(asked(), 200, [], b"", (None, b"chunked"), True, id="no length, no body"),
        pytest.param(asked(), 200, [(b"Transfer-Encoding", b"chunked")], b"x", (None, b"chunked"), True, id="chunked"),
        pytest.param(asked("HEAD"), 200, [(b"content-length", b"4")], b"body", (b"4", None), True, id="HEAD"),
        pytest.param(asked("HEAD"), 200, [], b"body", (None, b"chunked"), True, id="HEAD without a length"),
        pytest.param(asked(), 204, [], b"none", (None, None), True, id="204"),
        pytest.param(asked(), 304, [(b"content-length", b"9")], b"", (b"9", None), True, id="304"),
        pytest.param(asked(version="1.0"), 200, [], b"body", (None, None), False, id="HTTP/1.0"),
        pytest.param(asked(version="1.0"), 200, [(b"content-length", b"4")], b"body", (b"4", None), False, id="1.0, 4"),
        pytest.param(asked("GET", "connection: Close"), 200, [], b"", (None, b"chunked"), False, id="a last request"),
        pytest.param(asked(), 200, [(b"Connection", b"x, close")], b"", (None, b"chunked"), False, id="a last answer"),
    ],
)  # fmt: skip
def test_how_an_answer_ends(
    request_: RequestHead,
    status: int,
    headers: Headers,
    body: bytes,
    framing: tuple[bytes | None, bytes | None],
    lasts: bool,
) -> None:
    """By its length, in chunks, or with its connection; one that doesn't last is announced (RFC 9112, section 9.6)."""
    data, keep_alive = written(request_, status, headers, body)
    seen, found, read, reusable = as_a_client_reads(request_, data)
    bodiless = request_.method == "HEAD" or status in (204, 304)
    assert (seen, read) == (status, b"" if bodiless else body)
    assert (found.get(b"content-length"), found.get(b"transfer-encoding")) == framing
    assert (keep_alive, reusable) == (lasts, lasts)
    assert (b"close" in found.get(b"connection", b"")) is not lasts


def test_options_of_a_connection_that_ends() -> None:
    """What else is said of it stays; that it is kept alive doesn't."""
    data, _ = written(asked("GET", "connection: close"), 204, [(b"connection", b"keep-alive, x-a"), (b"x-a", b"1")])
    assert data == b"HTTP/1.1 204 \r\nx-a: 1\r\nConnection: close, x-a\r\n\r\n"


def test_a_length_that_is_said_twice_goes_out_once() -> None:
    """Many clients would refuse the answer."""
    data, _ = written(asked(), 200, [(b"content-length", b"4"), (b"a", b"b"), (b"Content-Length", b"4")], b"body")
    assert data == b"HTTP/1.1 200 \r\na: b\r\nContent-Length: 4\r\n\r\nbody"


def test_what_comes_before_an_answer_is_none() -> None:
    """The client would wait for the answer, and take the body for it."""
    with pytest.raises(InvalidAnswer, match="status"):
        AnswerWriter(asked()).begin(103, [])


def test_headers_go_out_as_they_are() -> None:
    """Their case, their order, repetitions, empty ones, and bytes beyond ASCII."""
    headers = [(b"Set-Cookie", b"a=1"), (b"x-b", b"\xe9\t."), (b"Content-Length", b"0"), (b"set-cookie", b"")]
    data, _ = written(asked(), 200, headers)
    assert data == b"HTTP/1.1 200 \r\nSet-Cookie: a=1\r\nx-b: \xe9\t.\r\nContent-Length: 0\r\nset-cookie: \r\n\r\n"


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_pieces_of_any_kind_are_one_body(pieces: list[bytes]) -> None:
    """Empty ones don't end it."""
    data, _ = written(asked(), 200, [], *pieces)
    assert as_a_client_reads(asked(), data)[2] == b"".join(pieces)


@pytest.mark.parametrize(
    "header",
    [
        (b"a", b"b\r\nset-cookie: c"),
        (b"a", b"b\n"),
        (b"a", b"b\rc"),
        (b"a", b"\0"),
        (b"a b", b"c"),
        (b"a:", b"c"),
        (b":status", b"200"),
        (b"", b"c"),
        (b"a\r\nb", b"c"),
        (b"content-length", b"four"),
        (b"content-length", b"-4"),
        (b"content-length", b""),
    ],
)
def test_headers_that_no_answer_may_have(header: tuple[bytes, bytes]) -> None:
    """A line break would be another header, or another answer; the message doesn't quote them."""
    with pytest.raises(InvalidAnswer) as refused:
        AnswerWriter(asked()).begin(200, [header])
    assert "cookie" not in str(refused.value)
    if header[0] != b"content-length":
        with pytest.raises(InvalidAnswer):
            switching([header])


@pytest.mark.parametrize(
    ("refused", "status"), [([], 200), ([(b"content-length", b"9")], 200), ([], 204)], ids=["chunks", "9", "204"]
)
def test_nothing_stays_of_a_head_that_was_refused(refused: Headers, status: int) -> None:
    """An application may say something else in its place."""
    writer = AnswerWriter(asked())
    with pytest.raises(InvalidAnswer):
        writer.begin(status, [*refused, (b"a", b"b\r\nc")])
    data = writer.begin(502, [(b"content-length", b"4")]) + writer.data(b"body") + writer.end()
    assert data == b"HTTP/1.1 502 \r\ncontent-length: 4\r\n\r\nbody"


def test_a_body_of_another_length_than_announced() -> None:
    """The client would take the rest for an answer, or wait for ever."""
    writer = AnswerWriter(asked())
    writer.begin(200, [(b"content-length", b"4")])
    writer.data(b"123")
    with pytest.raises(InvalidAnswer, match="shorter"):
        writer.end()
    with pytest.raises(InvalidAnswer, match="longer"):
        writer.data(b"45")
