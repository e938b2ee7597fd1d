"""What a request's head must look like: llhttp's rules, without what two servers in a row could still read differently.

Belongs here: the first line, the header lines and the framing they announce. Never: buffering, a body, or an answer.

Where a proxy in front and this server see different ends of a request, what one takes for a body is a request to the
other, with somebody else's credentials (RFC 9112, section 11.2). So whatever can be read in two ways is refused, even
where the RFC lets a server choose one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NoReturn

from attrs import frozen
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

MAX_HEAD: Final = 256 * 1024
"""Most bytes of a request's head."""
MAX_LINES: Final = 200
"""Most header lines of a request. Clients send thirty, proxies add ten."""

Headers = list[tuple[bytes, bytes]]
Said = Mapping[bytes, Sequence[bytes]]

_FIRST = re.compile(rb"([-!#$%&'*+.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/([0-9]\.[0-9])\r\n")
_FRAMING = re.compile(rb"\n(content-length|transfer-encoding)[ \t]*:([^\r\n]*)", re.IGNORECASE)
_FOLDED = re.compile(rb"\n[ \t]")
_CONTROL = re.compile(rb"[^\t\x20-\x7e\x80-\xff]")
_MATTER = frozenset((b"host", b"connection", b"content-length", b"expect", b"transfer-encoding", b"upgrade"))
"""Headers that say something about the connection."""
_NO_LENGTH: Final = (b"0",)


class Refused(Exception):
    """A request that isn't taken; the message says why and quotes nothing of it."""

    def __init__(self, reason: str = "the request is not valid HTTP/1.1", status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


@frozen(kw_only=True)
class RequestHead:
    """A request up to its body."""

    method: str
    target: bytes
    version: str
    headers: Headers
    """With names in lower case, and values as they were sent."""
    length: int | None
    """Of the body, in bytes; None: it comes in chunks."""
    keep_alive: bool
    """Whether the client wants to use its connection again."""
    waits_for_100: bool
    """Whether the client waits to be invited, or refused (RFC 9110, section 10.1.1)."""
    opens_websocket: bool
    """Whether what follows is meant to be a WebSocket (RFC 6455, section 4.2.1)."""


def read_head(block: bytes) -> RequestHead:
    """A head, with its empty line. Raises Refused."""
    _check_lines(block)
    first = _FIRST.match(block)
    if first is None:
        _refuse(block)
    method, target, version = first.groups()
    if version not in (b"1.0", b"1.1"):
        raise Refused("this is a server of HTTP/1.1; HTTP/2 comes by TLS", 505)
    current = version == b"1.1"
    headers = _fields(block, first.end())
    said = _said(headers)
    hosts = said.get(b"host", ())
    if len(hosts) > 1 or (current and not hosts):  # RFC 9112, section 3.2
        raise Refused
    _check_framing(said, chunks=current)
    options = _words(said, b"connection")
    upgrades = b"upgrade" in options and _words(said, b"upgrade") == [b"websocket"]
    return RequestHead(
        method=method.decode("ascii").upper(),
        target=target,
        version=version.decode("ascii"),
        headers=headers,
        length=None if b"transfer-encoding" in said else int(said.get(b"content-length", _NO_LENGTH)[0]),
        keep_alive=current and b"close" not in options,
        waits_for_100=current and b"100-continue" in _words(said, b"expect"),
        opens_websocket=upgrades and method.upper() == b"GET",
    )


def check_trailers(block: bytes) -> None:
    """The header lines behind the last chunk, with their empty line. Raises Refused."""
    _check_lines(block)
    _fields(block, 0)


def too_large() -> Refused:
    """The refusal of a head for its size."""
    return Refused("the request's headers are too large", 431)


def _check_lines(block: bytes) -> None:
    """What llhttp doesn't count, and bare line ends, which older ones of it let pass."""
    if len(block) > MAX_HEAD:
        raise too_large()
    lines = block.count(b"\n")
    if lines > MAX_LINES + 2:  # beside them the first line and the empty one
        raise Refused(f"there are more than {MAX_LINES} header lines", 431)
    if block.count(b"\r\n") != lines or block.count(b"\r") != lines:
        raise Refused("lines must end with CR LF")  # RFC 9112, section 2.2


def _fields(block: bytes, start: int) -> Headers:
    """The header lines from `start` on. Raises Refused.

    llhttp gets a first line of ours: of the real one it would take only methods it knows, and versions of its own.
    """
    fields = _Fields()
    try:
        HttpRequestParser(fields).feed_data(b"POST / HTTP/1.1\r\n" + block[start:])
    except HttpParserUpgrade:
        pass  # a protocol that follows; every line is read
    except HttpParserError:
        _refuse(block)
    return fields.headers


class _Fields:
    """Takes header lines from llhttp."""

    def __init__(self) -> None:
        self.headers: Headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line; llhttp leaves what is blank behind the value."""
        self.headers.append((name.lower(), value.rstrip(b" \t")))


def _said(headers: Iterable[tuple[bytes, bytes]]) -> Said:
    """What they say about the connection."""
    said: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in _MATTER:
            said.setdefault(name, []).append(value)
    return said


def _words(said: Said, name: bytes) -> Sequence[bytes]:
    """The members of a list, in lower case."""
    if name not in said:
        return ()
    return [word.strip() for word in b",".join(said[name]).lower().split(b",")]


def _check_framing(said: Said, *, chunks: bool = True) -> None:
    lengths, codings = said.get(b"content-length", ()), _words(said, b"transfer-encoding")
    if len(lengths) > 1:
        raise Refused("there is more than one Content-Length")
    if lengths and codings:
        raise Refused("Content-Length and Transfer-Encoding contradict each other")  # RFC 9112, section 6.1
    if codings and not chunks:
        raise Refused("HTTP/1.0 has no Transfer-Encoding")  # the same
    if codings and codings != [b"chunked"]:
        raise Refused("only Transfer-Encoding: chunked is known", 501)


def _refuse(block: bytes) -> NoReturn:
    """Say why a head isn't taken in words for its sender; llhttp's speak of the states of its parser."""
    if b"\0" in block:
        raise Refused("there is a NUL in the head")
    if _FOLDED.search(block):
        raise Refused("header lines must not be folded")  # RFC 9112, section 5.2
    framing = [(name.lower(), value.strip(b" \t")) for name, value in _FRAMING.findall(block)]
    if not any(_CONTROL.search(value) for _, value in framing):
        _check_framing(_said(framing))
    raise Refused
