"""An exchange as text.

Belongs here: how heads and bodies look in a file. Never: which part of them is secret (`masking`), or files.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import msgspec

from aibridge_adapters.codings import Codings
from aibridge_adapters.dumps.masking import masked_headers, masked_in, masked_target
from aibridge_core.wire import AnswerHead, Headers, UpstreamRequest, header

MAX_PRETTY: Final = 32 * 1024 * 1024
"""Largest body that is laid out, in bytes."""
_CODINGS: Final = Codings()


def target_of(url: str) -> str:
    """Path and query; a URL may name a user and a password before them."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def request_text(request: UpstreamRequest, secrets: Sequence[bytes]) -> bytes:
    """Request line, sorted headers, body; JSON is laid out, its members and numbers stay as they are."""
    target = target_of(request.url)
    host = urlsplit(request.url).netloc.rpartition("@")[2]
    headers = (*request.headers, (b"host", host.encode()), (b"content-length", b"%d" % len(request.body)))
    head = _head(f"{request.method} {masked_target(target)} HTTP/1.1", headers)
    return masked_in(head, secrets) + masked_in(_readable(request.body, request.headers), secrets)


def answer_text(head: AnswerHead, secrets: Sequence[bytes]) -> bytes:
    """Status line and sorted headers; the body follows as it comes."""
    try:
        phrase = HTTPStatus(head.status).phrase
    except ValueError:
        phrase = ""
    return masked_in(_head(f"HTTP/1.1 {head.status} {phrase}".rstrip(), head.headers), secrets)


class AnswerBody:
    """An answer's body, decoded and masked piece by piece."""

    def __init__(self, headers: Headers, secrets: Sequence[bytes]) -> None:
        coding = (header(headers, b"content-encoding") or "identity").lower()
        self._unknown = "" if coding in _CODINGS.names else coding
        self._decoder = _CODINGS.decoder("identity" if self._unknown else coding)
        self._secrets = secrets
        self._overlap = max((len(secret) for secret in secrets), default=1) - 1
        self._held = b""
        self._broken = False

    def feed(self, data: bytes) -> bytes:
        """What may be written; the end is held back in case that a secret begins there."""
        if self._unknown:  # what can't be read can't be masked
            unknown, self._unknown, self._broken = self._unknown, "", True
            return b"[a body in the coding %s is not shown]" % unknown.encode("latin-1", "replace")
        if self._broken:
            return b""
        try:
            text = self._decoder.feed(data)
        except ValueError:
            self._broken = True
            return self.end() + b"\n[the rest is not valid in its content coding]"
        text = masked_in(self._held + text, self._secrets)
        cut = max(len(text) - self._overlap, 0)
        self._held = text[cut:]
        return text[:cut]

    def end(self) -> bytes:
        """What was held back."""
        held, self._held = self._held, b""
        return held


def _head(first: str, headers: Headers) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in masked_headers(headers))]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _readable(body: bytes, headers: Headers) -> bytes:
    coding = (header(headers, b"content-encoding") or "identity").lower()
    try:
        plain = _CODINGS.decode(body, coding, limit=MAX_PRETTY) if coding in _CODINGS.names else None
    except (ValueError, OverflowError):
        plain = None
    if plain is None:
        return b"[%d bytes in the coding %s]" % (len(body), coding.encode("latin-1", "replace"))
    try:
        return msgspec.json.format(plain, indent=2)
    except (msgspec.DecodeError, RecursionError):
        return plain
