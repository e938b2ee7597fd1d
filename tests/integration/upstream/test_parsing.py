"""What a connection reads off a provider's bytes, however they are cut, and what it writes."""

import asyncio
from itertools import pairwise

import h11
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aibridge_adapters.upstream.connection import Connection
from aibridge_adapters.upstream.heads import request_head
from aibridge_adapters.upstream.patience import Patience

pytestmark = pytest.mark.anyio

ANSWERS = {
    "with a length": b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n"
    b"X-Empty:\r\nX-Pad:  c \t\r\nContent-Length: 9\r\n\r\nall of it",
    "chunked": b"HTTP/1.1 529 Over\xe9loaded\r\nTransfer-Encoding: chunked\r\n"
    b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n"
    b"4\r\nall \r\n3;ext=1\r\nof \r\n02\r\nit\r\n0\r\nTrailer: x\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "no reason": b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n",
    "no body": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
    "the last": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "bare line ends": b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2 \r\nok\r\n0\r\n\r\n",
    "until the end": b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nall of it",
}


class Wire(asyncio.Transport):
    """A transport that leads nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


async def read(pieces: list[bytes]) -> tuple[int, list[tuple[bytes, bytes]], bytes, bool]:
    """Status, headers and body of an answer that comes in these pieces, and whether another may follow."""
    connection = Connection(asyncio.get_running_loop())
    connection.connection_made(Wire())
    await connection.send(b"POST", b"POST / HTTP/1.1\r\n\r\n", b"", Patience())
    for piece in pieces:
        connection.data_received(piece)
    connection.eof_received()
    head = await connection.head(Patience())
    body = b""
    while piece := await connection.body(Patience()):
        body += piece
    return head.status, list(head.headers), body, connection.recycle()


def as_h11_reads_it(data: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes, bool]:
    """The same by another parser."""
    other = h11.Connection(h11.CLIENT)
    other.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
    other.send(h11.EndOfMessage())
    other.receive_data(data)
    other.receive_data(b"")
    body = b""
    while not isinstance(event := other.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
    return head.status_code, list(head.headers), body, other.their_state is h11.DONE


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_in_one_piece_and_byte_by_byte(name: str) -> None:
    """Two parsers read the same off it."""
    data = ANSWERS[name]
    expected = as_h11_reads_it(data)
    assert await read([data]) == expected
    assert await read([data[place : place + 1] for place in range(len(data))]) == expected


@given(data=st.sampled_from(list(ANSWERS.values())), cuts=st.lists(st.integers(0, 200)))
async def test_an_answer_cut_anywhere(data: bytes, cuts: list[int]) -> None:
    """Where the network cuts makes no difference."""
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[begin:end] for begin, end in pairwise(places) if begin < end]
    assert await read(pieces) == as_h11_reads_it(data)


@pytest.mark.parametrize("surplus", [b"HTTP/1.1 408 Timeout\r\n\r\n", b"more", b"\x00"])
@pytest.mark.parametrize("together", [True, False])
async def test_what_follows_an_answer_spoils_the_connection_and_not_the_answer(surplus: bytes, together: bool) -> None:
    """It belongs to no request; whoever sends it can't be trusted with another."""
    answer = ANSWERS["with a length"]
    status, _, body, lasting = await read([answer + surplus] if together else [answer, surplus])
    assert (status, body, lasting) == (200, b"all of it", False)


async def test_two_lengths() -> None:
    """The chunks count, and whoever sends both is not asked again on this connection (RFC 9112, section 6.1)."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    status, _, body, lasting = await read([answer])
    assert (status, body, lasting) == (200, b"hello", False)


async def test_a_connection_is_not_used_again_before_its_request_was_sent() -> None:
    """An answer that came early leaves half a body on the wire."""
    connection = Connection(asyncio.get_running_loop())
    connection.connection_made(Wire())
    connection.pause_writing()
    sending = asyncio.ensure_future(connection.send(b"POST", b"head", bytes(2**20), Patience()))  # noqa: TID251
    await asyncio.sleep(0)
    connection.data_received(ANSWERS["with a length"])
    await sending
    assert not connection.recycle()


@pytest.mark.parametrize(
    ("method", "target", "header"),
    [
        (b"PO ST", b"/", (b"a", b"b")),
        (b"POST", b"/a b", (b"a", b"b")),
        (b"POST", b"/\r\nx: y", (b"a", b"b")),
        (b"POST", b"/", (b"", b"b")),
        (b"POST", b"/", (b"a b", b"c")),
        (b"POST", b"/", (b"a:", b"c")),
        (b"POST", b"/", (b"a", b"sk-secret\r\nx: y")),
        (b"POST", b"/", (b"a", b"sk-secret\n")),
        (b"POST", b"/", (b"a", b"sk-secret\r")),
        (b"POST", b"/", (b"a", b"sk-secret\0")),
        (b"POST", b"/", (b"a", b"sk-secret\x7f")),
    ],
)
def test_a_head_that_http_does_not_allow(method: bytes, target: bytes, header: tuple[bytes, bytes]) -> None:
    """It is refused whole, and not quoted."""
    with pytest.raises(httpx.LocalProtocolError) as refused:
        request_head(method, target, [header])
    assert "secret" not in str(refused.value)


def test_a_head_as_it_was_given() -> None:
    """Case, order, repetitions, empty values, tabs and bytes beyond ASCII stand."""
    headers = [(b"X-A", b"1"), (b"x-b", b""), (b"X-A", b"2\t\xe9")]
    assert (
        request_head(b"M-SEARCH", b"/a|'", headers)
        == b"M-SEARCH /a|' HTTP/1.1\r\nX-A: 1\r\nx-b: \r\nX-A: 2\t\xe9\r\n\r\n"
    )
