"""Answers as HTTP/1.1 bytes.

Belongs here: how an answer's end is told, and whether its connection lasts. Never: what an answer says, or sockets.
"""

import json
import re
from collections.abc import Sequence
from typing import Final

from aibridge_adapters.http.strict import Refused, RequestHead

SWITCHING: Final = 101
BODILESS: Final = (204, 304)
"""Answers without a body, whatever their headers say (RFC 9112, section 6.3)."""

_LENGTH: Final = b"content-length"
_CODING: Final = b"transfer-encoding"
_OPTIONS: Final = b"connection"
_SOUND = re.compile(rb"[^\r]*\r\n(?:[-!#$%&'*+.^_`|~0-9A-Za-z]+: [^\0\r\n\x0b\x0c]*\r\n)*\r\n")

INVITATION: Final = b"HTTP/1.1 100 \r\n\r\n"
"""To a client that waits before it sends its body."""


class InvalidAnswer(Exception):
    """The application says what can't be sent; the message says why."""


class AnswerWriter:
    """Sans-I/O: gives the bytes of the answer to one request."""

    def __init__(self, request: RequestHead) -> None:
        self.keep_alive = request.keep_alive
        """Whether the connection takes another request after this answer."""
        self._knows_chunks = request.version == "1.1"
        self._head_only = self._silent = request.method == "HEAD"
        self._chunked = False
        self._left: int | None = None

    def begin(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """The head, with what tells the end of the body. Raises InvalidAnswer."""
        if status < 200:
            raise InvalidAnswer("the status is none of an answer, but of what comes before one")
        names = [name.lower() for name, _ in headers]
        dropped, added = self._framing(status, names, headers)
        if not self.keep_alive or _OPTIONS in names:
            added += self._closing(names, headers)
            dropped += (_OPTIONS,)
        lines = [b"%s: %s\r\n" % header for header, name in zip(headers, names, strict=True) if name not in dropped]
        return _head(status, lines + added)

    def data(self, piece: bytes) -> bytes:
        """A piece of the body. Raises InvalidAnswer."""
        if self._silent or not piece:
            return b""
        if self._chunked:
            return b"%x\r\n%s\r\n" % (len(piece), piece)
        if self._left is not None:
            self._left -= len(piece)
            if self._left < 0:
                raise InvalidAnswer("the body is longer than its Content-Length")
        return piece

    def end(self) -> bytes:
        """The end of the body. Raises InvalidAnswer."""
        if self._silent:
            return b""
        if self._left:
            raise InvalidAnswer("the body is shorter than its Content-Length")
        return b"0\r\n\r\n" if self._chunked else b""

    def _framing(
        self, status: int, names: Sequence[bytes], headers: Sequence[tuple[bytes, bytes]]
    ) -> tuple[tuple[bytes, ...], list[bytes]]:
        """Names that are dropped, and lines that are added. An answer to HEAD has the head that GET would get."""
        self._silent = self._head_only or status in BODILESS
        self._chunked, self._left = False, None  # what was said first may have been refused
        if status in BODILESS:
            return (), []
        if _LENGTH in names and _CODING not in names:
            said = [value for name, (_, value) in zip(names, headers, strict=True) if name == _LENGTH]
            self._left = _length(said)
            if len(said) == 1:
                return (), []
            return (_LENGTH,), [b"Content-Length: %d\r\n" % self._left]  # many clients refuse it twice
        self._chunked = self._knows_chunks
        return (_LENGTH, _CODING), [b"Transfer-Encoding: chunked\r\n"] if self._chunked else []

    def _closing(self, names: Sequence[bytes], headers: Sequence[tuple[bytes, bytes]]) -> list[bytes]:
        """Both sides may end a connection with this answer, and the answer says so (RFC 9112, section 9.6)."""
        said = [value.lower() for name, (_, value) in zip(names, headers, strict=True) if name == _OPTIONS]
        options = {word.strip() for value in said for word in value.split(b",")}
        self.keep_alive = self.keep_alive and b"close" not in options
        if not self.keep_alive:
            options = options - {b"keep-alive"} | {b"close"}
        return [b"Connection: %s\r\n" % b", ".join(sorted(options))]


def switching(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The head behind which another protocol begins. Raises InvalidAnswer."""
    return _head(SWITCHING, [b"%s: %s\r\n" % header for header in headers])


def refusal(refused: Refused) -> bytes:
    """The whole answer to what isn't taken."""
    body = json.dumps({"error": {"type": "invalid_request_error", "message": f"Refused: {refused}."}}).encode()
    length = b"content-length: %d\r\n" % len(body)
    return _head(refused.status, [b"content-type: application/json\r\n", length, b"connection: close\r\n"]) + body


def _head(status: int, lines: Sequence[bytes]) -> bytes:
    """A line break in a value would be another header, or an answer of its own. Raises InvalidAnswer."""
    head = b"HTTP/1.1 %d \r\n%s\r\n" % (status, b"".join(lines))
    if head.count(b"\n") != len(lines) + 2 or not _SOUND.fullmatch(head):
        raise InvalidAnswer("a header has characters that no header may have")
    return head


def _length(values: Sequence[bytes]) -> int:
    if len(set(values)) > 1 or not values[0].isdigit():
        raise InvalidAnswer("the Content-Length is no length")
    return int(values[0])
