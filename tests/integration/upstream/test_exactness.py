"""What goes over the wire is what was given, and what comes back is what was sent."""

import gzip

import pytest

from aibridge_adapters.upstream.httpx_upstream import HttpxUpstream
from integration.upstream.conftest import Ask, streamed
from integration.upstream.peers import OK, Peer, always, listening

pytestmark = pytest.mark.anyio


async def test_a_request_goes_out_as_it_was_given(ask: Ask) -> None:
    """Names, order and repetitions stand; only Host and Content-Length are added."""
    async with listening(always(OK)) as server:
        headers = ((b"X-Api-Key", b"sk-1"), (b"anthropic-beta", b"a"), (b"Accept", b"x/y"), (b"anthropic-beta", b"b"))
        await ask(f"{server.url}/v1/messages", headers=headers, body=b'{"a" :1}')
    assert server.requests == [
        b"POST /v1/messages HTTP/1.1\r\n"
        b"Host: 127.0.0.1:%d\r\n"
        b"X-Api-Key: sk-1\r\nanthropic-beta: a\r\nAccept: x/y\r\nanthropic-beta: b\r\n"
        b'Content-Length: 8\r\n\r\n{"a" :1}' % server.port
    ]


@pytest.mark.parametrize(
    "target", ["/v1/messages?beta=true", "/a%2Fb/../c//d?x=%7e&y='|'", "/v1/messages?", "/m:count?a=b?c"]
)
async def test_the_target_is_not_normalised(ask: Ask, target: str) -> None:
    """A path and query reach the provider in the client's own spelling."""
    async with listening(always(OK)) as server:
        await ask(server.url + target)
    assert server.requests[0].startswith(f"POST {target} HTTP/1.1\r\n".encode())


async def test_an_origin_alone_is_asked_for_its_root(ask: Ask) -> None:
    """A URL without a path means `/`; a fragment never leaves."""
    async with listening(always(OK)) as server:
        await ask(f"{server.url}?a=1#part", method="GET", body=b"")
    assert server.requests[0].startswith(b"GET /?a=1 HTTP/1.1\r\n")


@pytest.mark.parametrize(("method", "sent"), [("GET", False), ("DELETE", False), ("POST", True), ("PUT", True)])
async def test_an_empty_body_has_a_length_where_one_is_expected(ask: Ask, method: str, sent: bool) -> None:
    """RFC 9110, section 8.6: POST and PUT say that their body is empty, GET does not."""
    async with listening(always(OK)) as server:
        await ask(server.url, method=method, body=b"")
    assert (b"content-length: 0\r\n" in server.requests[0].lower()) is sent


async def test_framing_of_another_connection_is_not_taken_over(ask: Ask) -> None:
    """Host and lengths describe this connection, whatever the caller still had in its headers."""
    stale = ((b"host", b"other.test"), (b"content-length", b"999"), (b"transfer-encoding", b"chunked"))
    async with listening(always(OK)) as server:
        await ask(server.url, headers=stale, body=b"abc")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == b"abc"
    assert b"other.test" not in head
    assert b"chunked" not in head


async def test_an_answer_comes_back_as_it_was_sent(ask: Ask) -> None:
    """Status, every header in order, and the coded body; only the case of names is lost."""
    coded = gzip.compress(b'{"type":"error"}')
    sent = b"HTTP/1.1 529 Overloaded\r\nRequest-Id: req_1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
    sent += b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(coded) + coded
    async with listening(always(sent)) as server:
        answer = await ask(server.url)
        await ask(server.url)
    assert answer.status == 529
    assert answer.headers == (
        (b"request-id", b"req_1"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"content-encoding", b"gzip"),
        (b"content-length", b"%d" % len(coded)),
    )
    assert answer.body == coded
    assert b"cookie" not in server.requests[1].lower()


async def test_a_redirect_is_the_callers_business(ask: Ask) -> None:
    """It is handed back, not followed: the credential goes nowhere else."""
    async with listening(
        always(b"HTTP/1.1 307 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")
    ) as server:
        answer = await ask(server.url)
    assert answer.status == 307
    assert (b"location", b"http://127.0.0.1:1/") in answer.headers


async def test_interim_answers_are_passed_over(ask: Ask) -> None:
    """100 and 103 come before the answer."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    async with listening(always(interim + OK)) as server:
        answer = await ask(server.url)
    assert (answer.status, answer.body) == (200, b"ok")


@pytest.mark.parametrize(
    ("method", "sent"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n"),
    ],
)
async def test_answers_without_a_body_end_with_their_head(ask: Ask, method: str, sent: bytes) -> None:
    """And the connection serves the next request."""
    async with listening(always(sent)) as server:
        for _ in range(2):
            assert (await ask(server.url, method=method, body=b"")).body == b""
    assert server.connections == 1


async def test_large_bodies_pass_both_ways(ask: Ask) -> None:
    """More than any buffer on the way holds."""
    body = bytes(range(256)) * 20_000

    async def echo(peer: Peer) -> None:
        request = await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
        await peer.say(request.partition(b"\r\n\r\n")[2])

    async with listening(echo) as server:
        assert (await ask(server.url, body=body)).body == body


async def test_an_answer_that_ends_with_its_connection(ask: Ask) -> None:
    """HTTP/1.0 servers and some stubs send no length at all."""

    async def old(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.0 200 OK\r\n\r\nall of it")

    async with listening(old) as server:
        assert (await ask(server.url)).body == b"all of it"


async def test_chunks_that_came_together_are_handed_over_together(upstream: HttpxUpstream) -> None:
    """One read, one piece: what follows is spared a step for each event."""
    events = [b"data: %d\n\n" % number for number in range(50)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events) + b"0\r\n\r\n"
    sent = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + body
    async with listening(always(sent)) as server, upstream.open(streamed(server.url)) as answer:
        pieces = [piece async for piece in answer.chunks()]
    assert b"".join(pieces) == b"".join(events)
    assert len(pieces) < 5
