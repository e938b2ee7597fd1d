"""Content codings: gzip, deflate, br and zstd undone, whole or piece by piece.

Belongs here: decoding. Never: encoding (what is relayed stays as it is), or which header said so. Everything is
decoded in steps of `STEP` bytes, so that a few bytes that stand for gigabytes never become them.
"""

import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, Protocol

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STEP: Final = 64 * 1024
"""Most bytes that are decoded at once."""
MAX_FEED: Final = 32 * 1024 * 1024
"""Most bytes that one piece of an answer may decode to; more is a decompression bomb."""
_ZSTD_WINDOW: Final = 23
"""Binary logarithm of the largest window, 8 MiB (RFC 9659, section 3)."""


class _Member(Protocol):
    """One compressed stream; the interface is that of `compression.zstd.ZstdDecompressor`."""

    @property
    def eof(self) -> bool:
        """Whether its end was reached."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing more can be decoded without more bytes."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What follows the end."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` bytes (brotli: about as many)."""
        ...


class _Zlib:
    """gzip, zlib and raw deflate (RFC 1950 to 1952)."""

    def __init__(self, window_bits: int) -> None:
        self._inner = zlib.decompressobj(window_bits)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not (self._full or self._inner.unconsumed_tail)

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self._full = len(piece) == max_length
        return piece


class _Deflate:
    """`deflate` is zlib (RFC 9110, section 8.4.1.2), but some senders leave zlib's frame out: two bytes tell."""

    def __init__(self) -> None:
        self._start = b""
        self._inner: _Zlib | None = None

    @property
    def eof(self) -> bool:
        return self._inner is not None and self._inner.eof

    @property
    def needs_input(self) -> bool:
        return self._inner is None or self._inner.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data if self._inner else b""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if self._inner is None:
            self._start += data
            if len(self._start) < 2:
                return b""
            framed = self._start[0] & 0x0F == zlib.DEFLATED and int.from_bytes(self._start[:2], "big") % 31 == 0
            self._inner = _Zlib(zlib.MAX_WBITS if framed else -zlib.MAX_WBITS)
            data, self._start = self._start, b""
        return self._inner.decompress(data, max_length)


class _Brotli:
    """br (RFC 7932)."""

    def __init__(self) -> None:
        self._inner = brotli.Decompressor()
        self._full = False
        self.unused_data = b""

    @property
    def eof(self) -> bool:
        return bool(self._inner.is_finished())

    @property
    def needs_input(self) -> bool:
        return not self._full and bool(self._inner.can_accept_more_data())

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece: bytes = self._inner.process(data, output_buffer_limit=max_length)
        self._full = len(piece) >= max_length
        return piece


class _Identity:
    """No coding at all."""

    def feed(self, data: bytes) -> bytes:
        return data


_MEMBERS: Final[Mapping[str, Callable[[], _Member]]] = MappingProxyType(
    {
        "gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
        "x-gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),  # the same (RFC 9110, section 8.4.1.3)
        "deflate": _Deflate,
        "br": _Brotli,
        "zstd": lambda: zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW}),
    }
)
_REPEATABLE: Final = frozenset({"gzip", "x-gzip", "zstd"})
"""Codings whose streams may follow one another (RFC 1952, section 2.2; RFC 8878, section 3)."""
_BROKEN: Final = (zlib.error, brotli.error, zstd.ZstdError, EOFError)


class _Decoder:
    """Undoes one coding piece by piece."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._new = _MEMBERS[coding]
        self._member = self._new()

    @property
    def finished(self) -> bool:
        """Whether a stream has ended and none has begun after it."""
        return self._member.eof

    def feed(self, data: bytes) -> bytes:
        """What these bytes decode to. Raises ValueError."""
        try:
            return self.bounded(data, MAX_FEED)
        except OverflowError as error:
            raise ValueError(f"the {self._coding} data decodes to far more than it should") from error

    def bounded(self, data: bytes, limit: int) -> bytes:
        """What these bytes decode to. Raises ValueError, OverflowError if that is over `limit` bytes."""
        pieces: list[bytes] = []
        size = 0
        try:
            for piece in self._steps(data):
                size += len(piece)
                if size > limit:
                    raise OverflowError(f"the body decodes to over {limit} bytes")
                pieces.append(piece)
        except _BROKEN as error:
            raise ValueError(f"the body is not valid {self._coding}") from error
        return b"".join(pieces)

    def _steps(self, data: bytes) -> Iterator[bytes]:
        while data or not (self._member.eof or self._member.needs_input):
            if self._member.eof:
                if self._coding not in _REPEATABLE:
                    raise ValueError(f"bytes follow the end of the {self._coding} data")
                self._member = self._new()
            yield self._member.decompress(data, STEP)
            data = self._member.unused_data if self._member.eof else b""


class Codings:
    """Implements `aibridge_core.ports.ContentCodings`."""

    names: tuple[str, ...] = ("identity", *_MEMBERS)
    """Lower-case."""

    def decode(self, data: bytes, coding: str, *, limit: int) -> bytes:
        """A whole body. Raises ValueError if it is broken, OverflowError if it decodes to over `limit` bytes."""
        if coding == "identity":
            if len(data) > limit:
                raise OverflowError(f"the body has over {limit} bytes")
            return data
        decoder = _Decoder(coding)
        decoded = decoder.bounded(data, limit)
        if not decoder.finished:
            raise ValueError(f"the {coding} data ends too early")
        return decoded

    def decoder(self, coding: str) -> _Decoder | _Identity:
        """A decoder for one answer."""
        return _Identity() if coding == "identity" else _Decoder(coding)
