"""The upstream under test, and short ways to use it."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from attrs import frozen

from aibridge_adapters.config import Timeouts
from aibridge_adapters.upstream.httpx_upstream import HttpxUpstream
from aibridge_core.wire import Headers, UpstreamRequest


@frozen
class Answer:
    """A whole answer."""

    status: int
    headers: Headers
    body: bytes


Ask = Callable[..., Awaitable[Answer]]


async def asked(upstream: HttpxUpstream, url: str, **parts: Any) -> Answer:
    """One exchange, read to its end."""
    request = UpstreamRequest(**{"method": "POST", "url": url, "headers": (), "body": b"{}", **parts})
    async with upstream.open(request) as answer:
        body = b"".join([piece async for piece in answer.chunks()])
        return Answer(answer.head.status, answer.head.headers, body)


def streamed(url: str) -> UpstreamRequest:
    """A request for a stream."""
    return UpstreamRequest(method="POST", url=url, headers=(), streaming=True)


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port of this machine on which nobody listens: bound, so that nobody takes it, but not listening."""
    with closing(socket.socket()) as wire:
        wire.bind(("127.0.0.1", 0))
        yield wire.getsockname()[1]


@pytest.fixture
async def upstream() -> AsyncIterator[HttpxUpstream]:
    """With default timeouts and no proxy."""
    async with HttpxUpstream(Timeouts(), environ={}) as upstream:
        yield upstream


@pytest.fixture
def ask(upstream: HttpxUpstream) -> Ask:
    """Ask the upstream under test: `await ask(url, method="GET")`."""

    async def ask(url: str, **parts: Any) -> Answer:
        return await asked(upstream, url, **parts)

    return ask
