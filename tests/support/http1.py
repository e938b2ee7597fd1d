"""Requests of HTTP/1.1 as the server reads them off a connection, and as h11 does.

Belongs here: reading everything that there is. Never: what is to be expected.
"""

from collections.abc import Iterable

import h11
from attrs import frozen

from aibridge_adapters.http.reading import RequestReader
from aibridge_adapters.http.strict import MAX_HEAD, Refused


@frozen
class Read:
    """A request, and its body as far as it came."""

    method: str
    target: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    complete: bool


def read(pieces: Iterable[bytes]) -> tuple[list[Read], Refused | None]:
    """What the server reads off a connection on which these bytes come, and why it read no further."""
    reader = RequestReader()
    found: list[Read] = []
    try:
        for piece in pieces:
            reader.receive(piece)
            while _read_on(reader, found):
                pass
        reader.end()
    except Refused as refused:
        return found, refused
    return found, None


def _read_on(reader: RequestReader, found: list[Read]) -> bool:
    if reader.waits_for_head:
        head = reader.head()
        if head is None:
            return False
        found.append(Read(head.method, head.target, head.version, head.headers, b"", complete=False))
    piece = reader.piece()
    if piece is None:
        return False
    found[-1] = _longer(found[-1], piece, complete=reader.complete)
    if reader.complete:
        reader.begin_next()
    return True


def as_h11_reads(data: bytes) -> tuple[list[Read], h11.RemoteProtocolError | None]:
    """The same by another parser."""
    found: list[Read] = []
    other = _at_the_next(data)
    try:
        while not isinstance(event := other.next_event(), h11.ConnectionClosed):
            if isinstance(event, h11.Request):
                method, version = event.method.decode().upper(), event.http_version.decode()
                found.append(Read(method, event.target, version, list(event.headers), b"", complete=False))
            elif isinstance(event, h11.Data):
                found[-1] = _longer(found[-1], bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                found[-1] = _longer(found[-1], b"", complete=True)
                rest = other.trailing_data[0]
                if not rest:
                    break
                other = _at_the_next(rest)
    except h11.RemoteProtocolError as error:
        return found, error
    return found, None


def _at_the_next(data: bytes) -> h11.Connection:
    """h11 goes on with a connection only when it has written an answer; so each request has one of its own."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
    connection.receive_data(data)
    connection.receive_data(b"")
    return connection


def _longer(request: Read, data: bytes, *, complete: bool = False) -> Read:
    return Read(request.method, request.target, request.version, request.headers, request.body + data, complete)
