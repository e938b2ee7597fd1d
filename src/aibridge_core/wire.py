"""HTTP as the core sees it: heads and bodies as bytes, no framework.

Belongs here: values for requests and answers on both sides. Never: a connection. Header names are lower-case,
their order and repetitions are kept.
"""

from collections.abc import Iterable, Mapping
from typing import Self

from attrs import field, frozen

Headers = tuple[tuple[bytes, bytes], ...]


class IndexedHeaders(tuple[tuple[bytes, bytes], ...]):
    """Headers that are asked for many names, most of them in vain, as a request's are: some twenty times.

    An index costs as much as five questions without one, with 25 headers as with 9.
    """

    first: Mapping[bytes, bytes]
    """The first value of each."""

    def __new__(cls, pairs: Iterable[tuple[bytes, bytes]]) -> Self:
        """Of pairs in their order."""
        headers = tuple.__new__(cls, pairs)
        headers.first = dict(reversed(headers))
        return headers


def header(headers: Headers, name: bytes) -> str | None:
    """The first value of a header, decoded as Latin-1 and trimmed; None if it is absent."""
    if isinstance(headers, IndexedHeaders):
        found = headers.first.get(name)
        return None if found is None else found.decode("latin-1").strip()
    for key, value in headers:
        if key == name:
            return value.decode("latin-1").strip()
    return None


@frozen(kw_only=True)
class Arrival:
    """The head of a request of a client, before anything is known of who sent it."""

    method: str
    path: str
    """As in `ClientRequest`."""
    headers: Headers = field(default=(), repr=False)
    client_host: str = ""
    """Peer address; empty if unknown."""
    scheme: str = "http"
    http_version: str = ""


@frozen(kw_only=True)
class ClientRequest:
    """A request of a client, its body read and within bounds."""

    method: str
    path: str
    """As sent (percent-encoded), after the mount prefix was removed; begins with the provider's name."""
    query: bytes = b""
    headers: Headers = ()
    body: bytes = b""
    client_host: str = ""
    """Peer address; empty if unknown."""
    scheme: str = "http"


@frozen(kw_only=True)
class Subject:
    """What a request to a provider is about, for those who look at it on its way; none of it is sent."""

    provider: str = ""
    """Its name."""
    model: str = ""
    interception_id: str = ""
    """Empty on passthrough routes, as is the model."""


@frozen(kw_only=True)
class UpstreamRequest:
    """What goes to a provider. `headers` holds the credential, so it never shows in a repr."""

    method: str
    url: str
    headers: Headers = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    streaming: bool = False
    """Whether a stream is asked for: streams have no total timeout."""
    subject: Subject = Subject()

    def having(self, *, headers: Headers | None = None, body: bytes | None = None) -> "UpstreamRequest":
        """The request with other headers, or another body; `attrs.evolve` takes twice as long."""
        return UpstreamRequest(
            method=self.method,
            url=self.url,
            headers=self.headers if headers is None else headers,
            body=self.body if body is None else body,
            streaming=self.streaming,
            subject=self.subject,
        )


def with_headers(request: UpstreamRequest, headers: Headers) -> UpstreamRequest:
    """The request with these headers in place of its own of the same names."""
    if not headers:
        return request
    names = {name for name, _ in headers}
    return request.having(headers=(*[kept for kept in request.headers if kept[0] not in names], *headers))


@frozen(kw_only=True)
class AnswerHead:
    """Status and headers of an answer."""

    status: int
    headers: Headers = ()
