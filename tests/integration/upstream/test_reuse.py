"""Which connection serves a request, and what becomes of it afterwards."""

import asyncio

import anyio
import httpx
import pytest

from aibridge_adapters.config import Timeouts
from aibridge_adapters.upstream.connection import HIGH_WATER
from aibridge_adapters.upstream.httpx_upstream import HttpxUpstream
from aibridge_core.errors import UpstreamUnreachable
from integration.upstream.conftest import Ask, asked, streamed
from integration.upstream.peers import OK, Peer, always, listening

pytestmark = pytest.mark.anyio

ENDLESS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n"


def pooled(**limits: float) -> HttpxUpstream:
    return HttpxUpstream(Timeouts(), environ={}, **limits)  # type: ignore[arg-type]


async def test_one_connection_serves_request_after_request(ask: Ask) -> None:
    """Nothing is dialled while a connection is idle."""
    async with listening(always(OK)) as server:
        for _ in range(5):
            await ask(server.url)
    assert (server.connections, len(server.requests)) == (1, 5)


async def test_concurrent_requests_have_connections_of_their_own(ask: Ask) -> None:
    """And leave them to those who come later."""
    together = asyncio.Barrier(10)

    async def in_step(peer: Peer) -> None:
        while await peer.request():
            await together.wait()
            await peer.say(OK)

    async with listening(in_step) as server:
        for _ in range(3):
            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(ask, server.url)
    assert server.connections == 10


async def test_origins_do_not_share(ask: Ask) -> None:
    """A connection leads to one host and port."""
    async with listening(always(OK)) as one, listening(always(OK)) as other:
        await ask(one.url)
        await ask(other.url)
        await ask(one.url)
    assert (one.connections, other.connections) == (1, 1)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", OK + b"more"]
)
async def test_a_connection_that_cannot_go_on_is_not_used_again(ask: Ask, answer: bytes) -> None:
    """The server says that it closes, or sent more than its answer."""
    async with listening(always(answer)) as server:
        for _ in range(3):
            assert (await ask(server.url)).body == b"ok"
    assert server.connections == 3


async def test_leaving_early_closes_at_once(upstream: HttpxUpstream) -> None:
    """The provider sees within a moment that nobody listens any more."""
    closed = anyio.Event()

    async def stream(peer: Peer) -> None:
        await peer.request()
        await peer.say(ENDLESS)
        await peer.hung_up()
        closed.set()

    async with listening(stream) as server:
        async with upstream.open(streamed(server.url)) as answer:
            assert await anext(answer.chunks()) == b"first"
        with anyio.fail_after(1):
            await closed.wait()


async def test_an_answer_that_nobody_fetched_does_not_stop_the_next(ask: Ask, upstream: HttpxUpstream) -> None:
    """It came whole, and was more than is read ahead, when the client left: the connection is read again."""
    large = bytes(HIGH_WATER + 1)
    answered = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(large), large)

    async def in_two_parts(peer: Peer) -> None:
        while await peer.request():
            await peer.say(answered[: HIGH_WATER // 2])
            await second_half.wait()
            await peer.say(answered[HIGH_WATER // 2 :])

    second_half = anyio.Event()
    async with listening(in_two_parts) as server:
        async with upstream.open(streamed(server.url)) as answer:
            second_half.set()
            with anyio.fail_after(5):
                while not answer._connection.answered:
                    await anyio.sleep(0)
        with anyio.fail_after(5):
            assert (await ask(server.url)).body == large
    assert server.connections == 1


@pytest.mark.parametrize("said", [b"", ENDLESS], ids=["before the head", "inside the body"])
async def test_a_cancelled_exchange_closes_at_once(upstream: HttpxUpstream, said: bytes) -> None:
    """And its connection, half read, serves nobody else."""
    asked_once, closed = anyio.Event(), anyio.Event()

    async def stuck(peer: Peer) -> None:
        await peer.request()
        await peer.say(said)
        asked_once.set()
        await peer.hung_up()
        closed.set()

    async with listening(stuck) as server:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(asked, upstream, server.url)
            await asked_once.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(1):
            await closed.wait()


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced(ask: Ask) -> None:
    """The request goes over a new one; it is neither lost nor sent twice."""
    closed = anyio.Event()

    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        peer.writer.close()
        await peer.writer.wait_closed()
        closed.set()

    async with listening(once) as server:
        for _ in range(3):
            assert (await ask(server.url)).body == b"ok"
            await closed.wait()
            closed = anyio.Event()
    assert (server.connections, len(server.requests)) == (3, 3)


async def test_a_goodbye_on_an_idle_connection_is_not_taken_for_an_answer(ask: Ask) -> None:
    """Servers send 408 before they close an idle connection; it belongs to no request."""
    said = anyio.Event()

    async def impatient(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.say(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        said.set()
        await peer.hung_up()

    async with listening(impatient) as server:
        await ask(server.url)
        await said.wait()
        assert (await ask(server.url)).status == 200
    assert server.connections == 2


@pytest.mark.parametrize(("method", "tries"), [("POST", 1), ("GET", 2)])
async def test_a_prompt_is_never_sent_twice(ask: Ask, method: str, tries: int) -> None:
    """The server closes in the moment it is asked again. Only a method that changes nothing is tried once more."""
    left = 1

    async def dies_on_second(peer: Peer) -> None:
        nonlocal left
        await peer.request()
        await peer.say(OK)
        if left:
            left = 0
            await peer.request()
            peer.reset()
        else:
            await peer.hung_up()

    async with listening(dies_on_second) as server:
        await ask(server.url)
        if method == "POST":
            with pytest.raises(UpstreamUnreachable, match=r"127.0.0.1"):
                await ask(server.url, method=method)
        else:
            assert (await ask(server.url, method=method)).status == 200
    assert len(server.requests) == 1 + tries


async def test_idle_connections_expire() -> None:
    """Without another request, too."""
    closed = anyio.Event()

    async def watch(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.hung_up()
        closed.set()

    async with pooled(idle_expiry=0.05) as upstream, listening(watch) as server:
        await asked(upstream, server.url)
        with anyio.fail_after(5):
            await closed.wait()


async def test_only_so_many_idle_connections_are_kept() -> None:
    """A burst does not leave its connections behind for ever."""
    together = asyncio.Barrier(6)
    closed = 0
    all_surplus = anyio.Event()

    async def in_step(peer: Peer) -> None:
        nonlocal closed
        await peer.request()
        await together.wait()
        await peer.say(OK)
        await peer.hung_up()
        closed += 1
        if closed == 4:
            all_surplus.set()

    async with pooled(max_idle=2) as upstream, listening(in_step) as server:
        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(asked, upstream, server.url)
        with anyio.fail_after(5):
            await all_surplus.wait()
        assert closed == 4


async def test_closing_the_upstream_closes_idle_connections() -> None:
    """Nothing stays open behind it."""
    closed = anyio.Event()

    async def watch(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.hung_up()
        closed.set()

    async with listening(watch) as server:
        async with pooled() as upstream:
            await asked(upstream, server.url)
        with anyio.fail_after(1):
            await closed.wait()


async def test_a_transport_of_ones_own() -> None:
    """Any httpx transport can take the place of ours."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"X-Path": request.url.path}, content=b"from memory")

    async with HttpxUpstream(Timeouts(), transport=httpx.MockTransport(answer)) as upstream:
        found = await asked(upstream, "https://provider.test/")
    assert found.body == b"from memory"
    assert (b"x-path", b"/") in found.headers
