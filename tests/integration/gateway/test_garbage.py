"""What a request makes is gone when it is over, without waiting for the garbage collector."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from aibridge_adapters.http.exchange import Inbox
from aibridge_adapters.http.reply import AsgiReply
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import running_gateway

pytestmark = pytest.mark.anyio

EVENT = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Only reference counts free anything."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> int:
    """Requests that still take memory."""
    return sum(type(each) in (Inbox, AsgiReply) for each in gc.get_objects())


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("streaming", ["true", "false"])
async def test_a_request_leaves_no_cycles(tmp_path: Path, streaming: str) -> None:
    """With and without a keep-alive task; cycles would keep buffers until many more requests have come."""

    async def answers(request: Received, answer: Answering) -> None:
        if streaming == "true":
            await answer.stream(EVENT)
        else:
            await answer.whole(b"{}", 200, ("content-type", "application/json"))

    body = b'{"model":"m-1","stream":%s,"messages":[{"role":"user","content":"hi"}]}' % streaming.encode()
    async with raw_upstream(answers) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        before = alive()
        for _ in range(5):
            await client.post("/anthropic/v1/messages", content=body, headers=up.anthropic)
        await up.ended(5)
        assert alive() - before <= 2  # the last one may be about to go


@pytest.mark.usefixtures("no_collector")
async def test_a_request_that_fails_leaves_no_cycles(tmp_path: Path) -> None:
    """While a provider is away, or speaks no HTTP, errors don't hold on to the requests that met them."""

    async def answers(request: Received, answer: Answering) -> None:
        await answer.raw(b"no HTTP")
        answer.writer.close()

    body = b'{"model":"m-1","messages":[{"role":"user","content":"hi"}]}'
    async with raw_upstream(answers) as upstream, running_gateway(tmp_path, upstream.url) as up, up.client() as client:
        before = alive()
        for _ in range(5):
            assert (await client.post("/anthropic/v1/messages", content=body, headers=up.anthropic)).status_code == 502
        await up.ended(5)
        assert alive() - before <= 2  # the last one may be about to go
