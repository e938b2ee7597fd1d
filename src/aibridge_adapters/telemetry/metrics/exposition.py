"""The page that Prometheus reads, as an ASGI application.

Belongs here: formats, compression, and letting requests through between two metrics. Never: what is counted.

It runs on the event loop that serves the requests. A thread would take the interpreter from them in slices of five
milliseconds; here a big metric is the longest wait, and what is sent is never kept whole.
"""

import zlib
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from functools import partial
from typing import Any

import anyio.lowlevel
from attrs import frozen
from prometheus_client import CollectorRegistry
from prometheus_client import Metric as Samples
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

PATH = "/metrics"
_EOF = b"# EOF\n"
_GZIP = 31
"""zlib's code for a window of 32 KiB with gzip's frame."""
_LEVEL = 5

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@frozen
class Exposition:
    """Serves `/metrics` in the text format of Prometheus or in OpenMetrics, whichever is asked for first."""

    registry: CollectorRegistry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point, for HTTP."""
        if scope["type"] != "http":
            return
        if scope["path"].removeprefix(scope.get("root_path", "")) != PATH:
            await _say(send, 404, b"metrics are at /metrics\n")
        elif scope["method"] not in ("GET", "HEAD"):
            await _say(send, 405, b"metrics are read by GET\n", (b"allow", b"GET, HEAD"))
        else:
            await self._show(scope, send)

    async def _show(self, scope: Scope, send: Send) -> None:
        accepted = _header(scope, b"accept")
        encode, content_type = choose_encoder(accepted)
        zipped = _takes_gzip(_header(scope, b"accept-encoding"))
        headers = [(b"content-type", content_type.encode()), (b"vary", b"accept, accept-encoding")]
        headers += [(b"content-encoding", b"gzip")] if zipped else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        body = partial(send, {"type": "http.response.body", "body": b"", "more_body": False})
        if scope["method"] == "GET":
            ends = content_type.startswith("application/openmetrics-text")
            pieces = _pieces(self.registry, encode, ends=ends)
            for piece in _compressed(pieces) if zipped else pieces:
                if piece:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await anyio.lowlevel.checkpoint()
        await body()


def _pieces(registry: CollectorRegistry, encode: Callable[[Collector], bytes], *, ends: bool) -> Iterator[bytes]:
    """The page, one metric at a time."""
    for metric in registry.collect():
        yield encode(_One(metric)).removesuffix(_EOF)
    if ends:
        yield _EOF


def _compressed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()


class _One(Collector):
    """A metric as if it were all. When its series were made is left out: it doubles them, and nobody asks."""

    def __init__(self, metric: Samples) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Samples]:
        created = f"{self._metric.name}_created"
        self._metric.samples = [sample for sample in self._metric.samples if sample.name != created]
        yield self._metric


def _takes_gzip(accepted: str) -> bool:
    """RFC 9110, section 12.5.3, as far as one coding needs it."""
    for offer in accepted.lower().split(","):
        coding, _, weight = offer.replace(" ", "").partition(";q=")
        if coding in ("gzip", "*"):
            return weight.strip("0.") != "" if weight else True
    return False


def _header(scope: Scope, name: bytes) -> str:
    values = [bytes(value).decode("latin-1") for key, value in scope["headers"] if bytes(key).lower() == name]
    return ", ".join(values)


async def _say(send: Send, status: int, text: bytes, *headers: tuple[bytes, bytes]) -> None:
    plain = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(text)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": plain})
    await send({"type": "http.response.body", "body": text, "more_body": False})
