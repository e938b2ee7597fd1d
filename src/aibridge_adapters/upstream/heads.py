"""The head of a request to a provider, as bytes.

Belongs here: what RFC 9112 allows in it. Never: a connection, or which headers are sent.

Nothing is normalised: names keep their case, all headers their order. What HTTP does not allow is refused before a byte
leaves, so that no value can smuggle in a header or a request of its own.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import httpx

Headers = Sequence[tuple[bytes, bytes]]

_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, section 5.6.2."""
_TARGET: Final = re.compile(rb"[!-~]+")
_VALUE: Final = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
"""RFC 9110, section 5.5, with white space at both ends: a value is sent as it was given."""


def request_head(method: bytes, target: bytes, headers: Headers) -> bytes:
    """Request line, headers and the empty line (RFC 9112, section 2.1).

    Raises httpx.LocalProtocolError, which quotes nothing of what is wrong: it may be a credential.
    """
    if not (_is_token(method) and _TARGET.fullmatch(target)):
        raise httpx.LocalProtocolError("HTTP does not allow its method or its target")
    lines = [b"%b %b HTTP/1.1\r\n" % (method, target)]
    for name, value in headers:
        if not (_is_token(name) and _VALUE.fullmatch(value)):
            raise httpx.LocalProtocolError("HTTP does not allow one of its headers")
        lines.append(b"%b: %b\r\n" % (name, value))
    lines.append(b"\r\n")
    return b"".join(lines)


@lru_cache(maxsize=1024)
def _is_token(name: bytes) -> bool:
    return _TOKEN.fullmatch(name) is not None
