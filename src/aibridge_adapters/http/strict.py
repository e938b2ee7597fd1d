"""HTTP/1.1 as this server takes it: h11, without the leniencies on which two servers in a row could disagree.

Belongs here: what a request's head and its framing must look like. Never: timeouts or the application.

Where a proxy in front and this server see different ends of a request, what one takes for a body is a request to the
other, with somebody else's credentials (RFC 9112, section 11.2). So whatever can be read in two ways is refused, even
where the RFC lets a server choose one.
"""

import re
from typing import Final

import h11
from h11._receivebuffer import ReceiveBuffer

MAX_HEAD: Final = 256 * 1024
"""Most bytes of a request's head."""
MAX_LINES: Final = 200
"""Most header lines of a request. Clients send thirty, proxies add ten."""
MAX_CHUNK_LINE: Final = 1024
"""Most bytes that announce a chunk; more is an extension that nobody reads (RFC 9112, section 7.1.1)."""

_END = re.compile(rb"\n\r?\n")
_LENGTH = re.compile(rb"\ncontent-length[ \t]*:", re.IGNORECASE)
_FOLDED = re.compile(rb"\n[ \t]")


class Refused(h11.RemoteProtocolError):
    """A request that isn't taken; the message says why and quotes nothing of it."""


class StrictLines(ReceiveBuffer):
    """h11's buffer, which ends lines as it likes."""

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """The lines of a head, or of what follows the last chunk. Raises Refused."""
        if end := _END.search(self._data, self._multiple_lines_search):
            _check(bytes(self._data[: end.end()]))
        return super().maybe_extract_lines()

    def maybe_extract_next_line(self) -> bytearray | None:
        """The line before a chunk. Raises Refused."""
        line = super().maybe_extract_next_line()
        if len(self._data if line is None else line) > MAX_CHUNK_LINE:
            raise Refused("a chunk is announced at too great length")
        return line


class StrictConnection(h11.Connection):
    """The server's side of a connection."""

    def __init__(self) -> None:
        super().__init__(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._receive_buffer = StrictLines()
        self.fault = ""
        """Why a request was refused, in words for its sender."""

    @property
    def they_are_waiting_for_100_continue(self) -> bool:
        """No, to hypercorn: it would invite a body that the application may refuse unread."""
        return False

    @property
    def waits_for_100(self) -> bool:
        """Whether the client waits to be invited, or refused (RFC 9110, section 10.1.1)."""
        return super().they_are_waiting_for_100_continue

    @property
    def has_begun(self) -> bool:
        """Whether something has come that isn't a whole head yet."""
        return self.their_state is h11.IDLE and bool(self._receive_buffer)

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """As h11's. Raises RemoteProtocolError."""
        try:
            event = super().next_event()
            if isinstance(event, h11.Request):
                _check_framing(event)
        except Refused as error:
            self._process_error(self.their_role)
            self.fault = str(error)
            raise
        return event


def _check(head: bytes) -> None:
    if len(head) > MAX_HEAD:  # h11 measures only what isn't complete yet
        raise Refused("the headers are too large", error_status_hint=431)
    lines = head.count(b"\n")
    if lines > MAX_LINES + 2:  # beside them the first line and the empty one
        raise Refused(f"there are more than {MAX_LINES} header lines", error_status_hint=431)
    if head.count(b"\r\n") != lines or head.count(b"\r") != lines:
        raise Refused("lines must end with CR LF")  # RFC 9112, section 2.2
    if b"\0" in head:
        raise Refused("there is a NUL in the head")
    if _FOLDED.search(head):
        raise Refused("header lines must not be folded")  # RFC 9112, section 5.2
    if len(_LENGTH.findall(head)) > 1:
        raise Refused("there is more than one Content-Length")


def _check_framing(request: h11.Request) -> None:
    if request.http_version not in (b"1.0", b"1.1"):
        raise Refused("this is a server of HTTP/1.1; HTTP/2 comes by TLS", error_status_hint=505)
    names = {name for name, _ in request.headers}
    if b"transfer-encoding" not in names:
        return
    if b"content-length" in names:
        raise Refused("Content-Length and Transfer-Encoding contradict each other")  # RFC 9112, section 6.1
    if request.http_version < b"1.1":
        raise Refused("HTTP/1.0 has no Transfer-Encoding")  # the same
