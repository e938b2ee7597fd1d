"""Requests out of the bytes of one connection, one after the other, wherever those are cut.

Belongs here: buffering, and where a body ends. Never: what a head must look like (`strict`), or sockets.
"""

import re
from typing import Final

from aibridge_adapters.http.strict import MAX_HEAD, Refused, RequestHead, check_trailers, read_head, too_large

MAX_CHUNK_LINE: Final = 1024
"""Most bytes that announce a chunk; more is an extension that nobody reads (RFC 9112, section 7.1.1)."""

_END = re.compile(rb"\n\r?\n")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e\x80-\xff]*)?[ \t]*\r\n")


class RequestReader:
    """Sans-I/O: bytes come in by `receive`; `head` and `piece` say what they are.

    Nothing is read beyond the end of a request until `begin_next`: another one waits for the answer to this.
    """

    def __init__(self) -> None:
        self.waits_for_100 = False
        """Whether the client waits to be invited to send its body (RFC 9110, section 10.1.1)."""
        self._buffer = _Buffer()
        self._body: _Counted | _Chunked | None = None

    @property
    def waits_for_head(self) -> bool:
        """Whether the next thing is the head of a request."""
        return self._body is None

    @property
    def complete(self) -> bool:
        """Whether the request has been read to its end."""
        return self._body is not None and self._body.complete

    @property
    def has_more(self) -> bool:
        """Whether there are bytes that have not been read."""
        return len(self._buffer) > 0

    def receive(self, data: bytes) -> None:
        """What the client sent."""
        self._buffer.add(data)

    def end(self) -> None:
        """The client sends no more. Raises Refused in the middle of a request."""
        if self.has_more if self.waits_for_head else not self.complete:
            raise Refused

    def head(self) -> RequestHead | None:
        """The next request, once its head is there. Raises Refused."""
        block = _block(self._buffer)
        if block is None:
            return None
        head = read_head(block)
        self.waits_for_100 = head.waits_for_100
        self._body = _Chunked(self._buffer) if head.length is None else _Counted(self._buffer, head.length)
        return head

    def piece(self) -> bytes | None:
        """All that has come of the body; its last piece, which may be empty, makes it `complete`. Raises Refused."""
        assert self._body is not None
        piece = self._body.piece()
        if not piece and not self._body.complete:
            return None
        self.waits_for_100 = False
        return piece

    def begin_next(self) -> None:
        """Go on to the next request."""
        self._body = None

    def rest(self) -> bytes:
        """What has come and is not HTTP any more."""
        return self._buffer.take(len(self._buffer))


class _Buffer:
    """Bytes that wait to be read. What one read brought and one piece takes is never copied."""

    def __init__(self) -> None:
        self._data: bytes | bytearray = b""
        self._at = 0
        self._searched = 0

    def __len__(self) -> int:
        return len(self._data) - self._at

    def add(self, data: bytes) -> None:
        if not len(self):
            self._data, self._at, self._searched = data, 0, 0
            return
        if self._at or isinstance(self._data, bytes):
            self._data = bytearray(self._data[self._at :])
            self._at, self._searched = 0, max(0, self._searched - self._at)
        self._data += data

    def starts_with(self, data: bytes) -> bool:
        return self._data.startswith(data, self._at)

    def starts_blank(self) -> bool:
        """Whether the first byte can't be one of a line: TLS instead of HTTP, a folded line, an empty one."""
        return len(self) > 0 and self._data[self._at] <= 0x20

    def take(self, most: int) -> bytes:
        """So many bytes, or what there is."""
        piece = self._data[self._at : self._at + most]
        self._at += len(piece)
        if self._at == len(self._data):
            self._data, self._at, self._searched = b"", 0, 0  # an answer may last for minutes
        return bytes(piece)

    def line(self, longest: int) -> bytes | None:
        """Up to the end of a line."""
        end = self._data.find(b"\r\n", self._at, self._at + longest)
        return None if end < 0 else self.take(end + 2 - self._at)

    def block(self) -> bytes | None:
        """Up to the first empty line. It is looked for where it can be new only."""
        end = _END.search(self._data, max(self._at, self._searched))
        if end is None:
            self._searched = len(self._data) - 2
            return None
        return self.take(end.end() - self._at)


class _Counted:
    """A body whose length was announced."""

    def __init__(self, buffer: _Buffer, length: int) -> None:
        self.complete = False
        self._buffer = buffer
        self._left = length

    def piece(self) -> bytes:
        piece = self._buffer.take(self._left)
        self._left -= len(piece)
        self.complete = not self._left
        return piece


class _Chunked:
    """A body that comes in chunks (RFC 9112, section 7.1). What their extensions and the trailers say is dropped.

    llhttp reads chunks too, but lets a line that announces one grow without end.
    """

    def __init__(self, buffer: _Buffer) -> None:
        self.complete = False
        self._buffer = buffer
        self._left = 0
        self._step = _Chunked._announced

    def piece(self) -> bytes:
        """Raises Refused."""
        pieces: list[bytes] = []
        while not self.complete and self._step(self, pieces):
            pass
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _announced(self, pieces: list[bytes]) -> bool:
        """The line before a chunk. Each step says whether there was enough for it."""
        line = self._buffer.line(MAX_CHUNK_LINE)
        if line is None:
            if len(self._buffer) >= MAX_CHUNK_LINE:
                raise Refused("a chunk is announced at too great length")
            return False
        announced = _CHUNK_LINE.fullmatch(line)
        if announced is None:
            raise Refused
        self._left = int(announced[1], 16)
        self._step = _Chunked._inside if self._left else _Chunked._trailers
        return True

    def _inside(self, pieces: list[bytes]) -> bool:
        piece = self._buffer.take(self._left)
        pieces.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._step = _Chunked._behind
        return not self._left

    def _behind(self, pieces: list[bytes]) -> bool:
        """The end of the line that a chunk is."""
        if len(self._buffer) < 2:
            return False
        if self._buffer.take(2) != b"\r\n":
            raise Refused
        self._step = _Chunked._announced
        return True

    def _trailers(self, pieces: list[bytes]) -> bool:
        """What follows the last chunk: header lines perhaps, and an empty one."""
        if len(self._buffer) < 2:
            return False
        if self._buffer.starts_with(b"\r\n"):
            self._buffer.take(2)
        else:
            block = _block(self._buffer)
            if block is None:
                return False
            check_trailers(block)
        self.complete = True
        return False


def _block(buffer: _Buffer) -> bytes | None:
    """Lines up to an empty one, once they are there. Raises Refused."""
    if buffer.starts_blank():
        raise Refused
    block = buffer.block()
    if block is None and len(buffer) > MAX_HEAD:
        raise too_large()
    return block
