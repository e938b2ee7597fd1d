"""Requests that two servers could read differently: one refusal, a closed connection, nothing upstream."""

from pathlib import Path

import pytest

from integration.security.raw import exchange, status
from support.process import served
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import ADMIN_TOKEN

pytestmark = pytest.mark.anyio

BODY = b'{"model":"m","max_tokens":1,"messages":[]}'
HIDDEN = b"POST /anthropic/v1/messages HTTP/1.1\r\nhost: x\r\nx-hidden: 1\r\ncontent-length: 0\r\n\r\n"
"""A second request, which must never be taken for one."""


def post(*lines: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    """A request with a good token and these further header lines."""
    first = b"POST /anthropic/v1/messages HTTP/%s" % version
    token = b"x-api-key: " + ADMIN_TOKEN.encode()
    return b"\r\n".join([first, b"host: gateway.test", token, *lines, b"", b""]) + body


LENGTH = b"content-length: %d" % len(BODY)
CHUNKED = b"transfer-encoding: chunked"
WHOLE = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)

REFUSED = {
    "both lengths": (400, post(LENGTH, CHUNKED, body=WHOLE)),
    "both lengths, the other way round": (400, post(CHUNKED, b"Content-Length: 4", body=WHOLE)),
    "two lengths that differ": (400, post(LENGTH, b"content-length: 0", body=BODY)),
    "two lengths that agree": (400, post(LENGTH, LENGTH, body=BODY)),
    "a list of lengths": (400, post(b"content-length: 42, 43", body=BODY)),
    "a length with a sign": (400, post(b"content-length: +42", body=BODY)),
    "a negative length": (400, post(b"content-length: -1", body=BODY)),
    "a length in hexadecimal": (400, post(b"content-length: 0x2a", body=BODY)),
    "a length with a gap": (400, post(b"content-length: 4 2", body=BODY)),
    "a length of 30 digits": (400, post(b"content-length: " + b"9" * 30, body=BODY)),
    "an empty length": (400, post(b"content-length: ", body=BODY)),
    "a space before the colon": (400, post(b"content-length : 42", body=BODY)),
    "a tab before the colon": (400, post(b"transfer-encoding\t: chunked", body=WHOLE)),
    "an unknown transfer coding": (501, post(b"transfer-encoding: xchunked", body=WHOLE)),
    "a transfer coding in front": (501, post(b"transfer-encoding: gzip, chunked", body=WHOLE)),
    "chunked twice": (501, post(b"transfer-encoding: chunked, chunked", body=WHOLE)),
    "two transfer codings": (501, post(CHUNKED, b"transfer-encoding: identity", body=WHOLE)),
    "a vertical tab in the coding": (400, post(b"transfer-encoding: \x0bchunked", body=WHOLE)),
    "chunked in HTTP/1.0": (400, post(CHUNKED, body=WHOLE, version=b"1.0")),
    "a folded header": (400, post(b"x-a: 1\r\n folded: 2", LENGTH, body=BODY)),
    "a folded length": (400, post(b"content-length:\r\n 42", body=BODY)),
    "a folded coding": (400, post(b"transfer-encoding:\r\n\tchunked", body=WHOLE)),
    "a first line that is folded": (400, post(LENGTH, body=BODY).replace(b"\r\nhost", b"\r\n host")),
    "NUL in a value": (400, post(b"x-a: 1\x002", LENGTH, body=BODY)),
    "NUL in a name": (400, post(b"x\x00a: 1", LENGTH, body=BODY)),
    "NUL in the target": (400, post(LENGTH, body=BODY).replace(b"/v1/messages", b"/v1/\x00messages")),
    "a bare line feed": (400, post(b"x-a: 1\nx-b: 2", LENGTH, body=BODY)),
    "only bare line feeds": (400, post(LENGTH).replace(b"\r\n", b"\n") + BODY),
    "an end by bare line feeds": (400, post(LENGTH).removesuffix(b"\r\n\r\n") + b"\n\n" + BODY),
    "a bare carriage return": (400, post(b"x-a: 1\rcontent-length: 0", LENGTH, body=BODY)),
    "a header line without a colon": (400, post(b"nothing", LENGTH, body=BODY)),
    "a header without a name": (400, post(b": 1", LENGTH, body=BODY)),
    "two hosts": (400, post(b"host: elsewhere.test", LENGTH, body=BODY)),
    "no host": (400, post(LENGTH, body=BODY).replace(b"host: gateway.test\r\n", b"")),
    "a control character in a name": (400, post(b"x-\x01: 1", LENGTH, body=BODY)),
    "a version with a tail": (400, post(LENGTH, body=BODY, version=b"1.1 x")),
    "a chunk size that is none": (400, post(CHUNKED, body=b"zz\r\n" + BODY)),
    "a chunk size with a sign": (400, post(CHUNKED, body=b"-1\r\n" + BODY)),
    "a chunk size with a prefix": (400, post(CHUNKED, body=b"0x2a\r\n" + BODY)),
    "a chunk size of 40 digits": (400, post(CHUNKED, body=b"f" * 40 + b"\r\n" + BODY)),
    "a chunk longer than it says": (400, post(CHUNKED, body=b"5\r\n" + BODY + b"\r\n0\r\n\r\n")),
    "a chunk extension of 4 KiB": (400, post(CHUNKED, body=b"2a;x=" + b"y" * 4096 + b"\r\n" + BODY)),
    "a bare line feed in a trailer": (400, post(CHUNKED, body=WHOLE.removesuffix(b"\r\n") + b"x: 1\n\n")),
    "a folded trailer": (400, post(CHUNKED, body=WHOLE.removesuffix(b"\r\n") + b"x: 1\r\n y\r\n\r\n")),
    "10,000 header lines": (431, post(*[b"a: b"] * 10_000, LENGTH, body=BODY)),
    "a header of 300 KiB": (431, post(b"x-a: " + b"y" * 300_000, LENGTH, body=BODY)),
    "a target of 300 KiB": (431, post(LENGTH, body=BODY).replace(b"/v1/", b"/v1/" + b"y" * 300_000)),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)),
    "a preface of HTTP/2": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/0.9": (400, b"GET /healthz\r\n\r\n"),
}  # fmt: skip
"""What is sent, and how it is refused."""

ACCEPTED = {
    "a length": post(LENGTH, b"connection: close", body=BODY),
    "chunks": post(CHUNKED, b"connection: close", body=WHOLE),
    "a short chunk extension": post(CHUNKED, b"connection: close", body=WHOLE.replace(b"\r\n", b";x=y\r\n", 1)),
    "a trailer": post(CHUNKED, b"connection: close", body=WHOLE.removesuffix(b"\r\n") + b"x-t: 1\r\n\r\n"),
    "a hundred header lines": post(*[b"x-a: b"] * 100, b"connection: close", LENGTH, body=BODY),
    "a header of 60 KiB": post(b"x-a: " + b"y" * 60_000, b"connection: close", LENGTH, body=BODY),
}
"""Unusual, but of one meaning."""


async def ok(request: Received, answer: Answering) -> None:
    await answer.whole(b"{}", 200, ("content-type", "application/json"))


async def test_what_could_be_read_in_two_ways_is_refused(tmp_path: Path) -> None:
    """With a status, a reason in words and a closed connection; a request hidden behind it is not answered."""
    async with raw_upstream(ok) as upstream, served(tmp_path, upstream.url) as gateway:
        for name, (expected, request) in REFUSED.items():
            answer = await exchange(gateway.url, request + HIDDEN)
            assert status(answer) == expected, (name, answer)
            assert answer.count(b"HTTP/1.1 ") == 1, (name, answer)
            assert b"connection: close" in answer.lower(), (name, answer)
            assert b'"message": "Refused: ' in answer, (name, answer)
            assert ADMIN_TOKEN.encode() not in answer, name
            assert upstream.requests == [], name


async def test_what_is_unusual_but_of_one_meaning_is_served(tmp_path: Path) -> None:
    """And goes upstream with a length of its own."""
    async with raw_upstream(ok) as upstream, served(tmp_path, upstream.url) as gateway:
        for name, request in ACCEPTED.items():
            upstream.requests.clear()
            answer = await exchange(gateway.url, request)
            assert status(answer) == 200, (name, answer)
            (sent,) = upstream.requests
            assert (sent.body, sent.header("content-length")) == (BODY, str(len(BODY))), name
            assert sent.header("transfer-encoding") is None


async def test_a_body_that_looks_like_a_request_is_a_body(tmp_path: Path) -> None:
    """It goes upstream as one, and the next request on the connection is the next."""
    inside = HIDDEN + BODY
    first = post(b"content-length: %d" % len(inside), body=inside)
    async with raw_upstream(ok) as upstream, served(tmp_path, upstream.url) as gateway:
        answer = await exchange(gateway.url, first + post(LENGTH, b"connection: close", body=BODY))
        assert [status(answer), answer.count(b"HTTP/1.1 ")] == [400, 2]  # the first isn't JSON
        assert [request.body for request in upstream.requests] == [BODY]
        assert all(request.header("x-hidden") is None for request in upstream.requests)
