"""What the core is told when the way to a provider fails: whose fault, which host, why, and no secret."""

import anyio
import anyio.lowlevel
import pytest

from aibridge_adapters.config import Timeouts
from aibridge_adapters.upstream.connection import Connection
from aibridge_adapters.upstream.httpx_upstream import HttpxUpstream
from aibridge_core.errors import UpstreamBroken, UpstreamCut, UpstreamFault, UpstreamTimeout, UpstreamUnreachable
from aibridge_core.wire import UpstreamRequest
from integration.upstream.conftest import Ask, asked, streamed
from integration.upstream.peers import OK, Peer, Script, always, listening
from support.garbage import no_collector

pytestmark = pytest.mark.anyio

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n"


def patient(**seconds: float) -> HttpxUpstream:
    return HttpxUpstream(Timeouts(**seconds), environ={})


def saying(data: bytes, *, then_reset: bool = False):
    """A provider that reads a request, says something and closes."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(data)
        if then_reset:
            peer.reset()

    return script


async def silent(peer: Peer) -> None:
    """A provider that reads and never answers."""
    await peer.hung_up()


async def test_nobody_listens(ask: Ask, dead_port: int) -> None:
    """The message names host and cause, and neither credentials nor query."""
    with pytest.raises(UpstreamUnreachable) as caught:
        await ask(f"http://user:secret@127.0.0.1:{dead_port}/v1?key=secret")
    assert caught.value.message.startswith(f"127.0.0.1:{dead_port} can't be reached: ")
    assert "secret" not in caught.value.message
    assert caught.value.status == 502


async def test_a_name_that_does_not_exist(ask: Ask) -> None:
    """`.invalid` never resolves (RFC 2606)."""
    with pytest.raises(UpstreamUnreachable, match=r"^provider\.invalid can't be reached: its name can't be resolved"):
        await ask("https://provider.invalid/v1")


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "nothing", "http://", "http://[::1/x", "http://host:port/", "http://h/ü"]
)
async def test_what_is_no_url_to_ask(ask: Ask, url: str) -> None:
    """A base URL that slipped through configuration fails as an upstream, not as a defect."""
    with pytest.raises(UpstreamUnreachable):
        await ask(url)


async def test_a_header_that_http_does_not_allow(ask: Ask) -> None:
    """A value with a line break is refused before anything is sent, and isn't shown."""
    async with listening(always(OK)) as server:
        with pytest.raises(UpstreamUnreachable) as caught:
            await ask(server.url, headers=((b"x-api-key", b"sk-secret\r\nx-evil: 1"),))
    assert "secret" not in caught.value.message
    assert server.requests == []


@pytest.mark.parametrize("reset", [False, True])
async def test_no_answer_begins(ask: Ask, reset: bool) -> None:
    """Whether the request was read is unknown, so it may be asked again."""
    async with listening(saying(b"", then_reset=reset)) as server:
        with pytest.raises(UpstreamUnreachable, match=f"127.0.0.1:{server.port}"):
            await ask(server.url)


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(
    "said",
    [b"HTTP/1.1 200", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 two hundred\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x16"],
    ids=["half a head", "no HTTP", "no status", "TLS"],
)
async def test_an_answer_that_is_none(ask: Ask, said: bytes, reset: bool) -> None:
    """Something came back, so the request was read; that is another fault than a connection's."""
    async with listening(saying(said, then_reset=reset)) as server:
        with pytest.raises(UpstreamBroken, match=f"the answer of 127.0.0.1:{server.port} can't be read: "):
            await ask(server.url)


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (b"denied for sk-secret\r\n\r\n", "it does not begin as HTTP does"),
        (b"HTTP/1.1 200 OK\r\nsk-secret : x\r\n\r\n", "invalid header token"),
        (b"HTTP/1.1 200 OK\r\nx: y\r\n sk-secret\r\n\r\n", "unexpected whitespace after header value"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: sk-secret\r\n\r\nx", "it has an unknown transfer coding"),
        (b"HTTP/1.1 101 x\r\nupgrade: sk-secret\r\nconnection: upgrade\r\n\r\n", "it switches to another protocol"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"x" * 2**19, "its head is too large"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nsk-secret\r\n", "invalid character in chunk size"),
        (CHUNKED + b"1;" + b"x" * 2**19, "its chunks are announced at length"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n", "duplicate Content-Length"),
    ],
    ids=["status line", "header", "fold", "coding", "upgrade", "long head", "chunk", "long extension", "two lengths"],
)
async def test_what_is_no_http_is_not_quoted(upstream: HttpxUpstream, said: bytes, wrong: str) -> None:
    """It might hold the key; which part of the answer is wrong is enough to know."""
    async with listening(saying(said)) as server:
        with pytest.raises(UpstreamBroken, match=f"not valid HTTP: {wrong}$") as broken:
            async with upstream.open(streamed(server.url)) as answer:
                async for _ in answer.chunks():
                    pass
        assert "sk-secret" not in broken.value.message


@pytest.mark.parametrize(
    "said", [CHUNKED, b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nfirst"], ids=["chunked", "with a length"]
)
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_an_answer_breaks_off(upstream: HttpxUpstream, said: bytes, reset: bool) -> None:
    """What came is handed over first. The fault says what happened to the connection, and blames no HTTP for it."""
    delivered = anyio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(said)
        await delivered.wait()
        if reset:
            peer.reset()

    async with listening(script) as server, upstream.open(streamed(server.url)) as answer:
        pieces = answer.chunks()
        assert await anext(pieces) == b"first"
        delivered.set()
        with pytest.raises(
            UpstreamCut, match=r"127.0.0.1:\d+ broke off: the connection was (reset|closed before its end)$"
        ):
            await anext(pieces)


async def test_a_chunk_that_is_none(ask: Ask) -> None:
    """A broken transfer coding is a broken answer."""
    async with listening(saying(CHUNKED + b"zz\r\n")) as server:
        with pytest.raises(UpstreamBroken):
            await ask(server.url)


async def test_an_answer_that_does_not_wait_for_the_request(ask: Ask) -> None:
    """A provider may refuse a large body before it has read it, and close; its answer counts."""

    async def refuses(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.say(b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nno!")
        await peer.hung_up()

    async with listening(refuses) as server:
        answer = await ask(server.url, body=bytes(30 * 1024 * 1024))
    assert (answer.status, answer.body) == (413, b"no!")


@pytest.mark.parametrize("script", [saying(b""), saying(b"?"), saying(CHUNKED), silent])
async def test_a_failure_leaves_no_cycles(script: Script) -> None:
    """The request's body, which may be large, is gone with the request: the garbage collector isn't waited for."""
    with no_collector(UpstreamRequest, Connection) as left:
        async with patient(read_idle=0.05) as upstream, listening(script) as server:
            with pytest.raises(UpstreamFault):
                await asked(upstream, server.url)
            with anyio.fail_after(5):  # the event loop has to let go, too
                while left():
                    await anyio.lowlevel.checkpoint()


async def test_no_answer_in_time() -> None:
    """Before the head the same limit holds for both kinds of exchange."""
    async with patient(read_idle=0.05) as upstream, listening(silent) as server:
        for streaming in (False, True):
            with pytest.raises(UpstreamTimeout, match=r"\d was silent for 0.05 s: the response timed out$") as caught:
                await asked(upstream, server.url, streaming=streaming)
            assert caught.value.status == 504


async def stalls(peer: Peer) -> None:
    """A provider that begins its answer and falls silent."""
    await peer.request()
    await peer.say(CHUNKED)
    await peer.hung_up()


async def test_silence_inside_a_stream() -> None:
    """It has a limit of its own, longer or shorter than the one before the head."""

    async with patient(read_idle=30, stream_idle=0.05) as upstream, listening(stalls) as server:
        with pytest.raises(UpstreamTimeout, match=r"silent for 0.05 s"):
            await asked(upstream, server.url, streaming=True)


async def test_a_stream_that_is_never_silent_for_long() -> None:
    """The limit holds from piece to piece, not for all of them together."""
    async with (
        patient(stream_idle=0.1) as upstream,
        listening(drips) as server,
        upstream.open(streamed(server.url)) as answer,
    ):
        pieces = answer.chunks()
        received = 0
        while received < 50:  # at least 0.25 seconds
            received += len(await anext(pieces))


async def test_silence_inside_a_blocking_answer() -> None:
    """The stream's limit does not apply to it."""

    async with patient(read_idle=0.05, stream_idle=30) as upstream, listening(stalls) as server:
        with pytest.raises(UpstreamTimeout, match=r"silent for 0.05 s"):
            await asked(upstream, server.url)


async def drips(peer: Peer) -> None:
    """A provider that is never silent and never done."""
    await peer.request()
    await peer.say(CHUNKED)
    while True:
        await peer.say(b"1\r\n.\r\n")
        await anyio.sleep(0.005)


async def test_a_blocking_exchange_has_a_total() -> None:
    """A drip that never ends is cut, and the provider sees that nobody listens."""
    async with patient(total=0.1) as upstream, listening(drips) as server:
        with pytest.raises(UpstreamTimeout, match=r"did not finish its answer within 0.1 s"):
            await asked(upstream, server.url)


async def test_a_stream_has_no_total() -> None:
    """It may go on for hours."""
    async with (
        patient(total=0.05) as upstream,
        listening(drips) as server,
        upstream.open(streamed(server.url)) as answer,
    ):
        pieces = answer.chunks()
        received = 0
        while received < 30:  # at least 0.15 seconds
            received += len(await anext(pieces))


async def test_a_provider_that_stops_reading() -> None:
    """A request that can't be sent is silence, too."""

    async def deaf(peer: Peer) -> None:
        await anyio.sleep_forever()

    async with patient(read_idle=0.1) as upstream, listening(deaf) as server:
        with pytest.raises(UpstreamTimeout):
            await asked(upstream, server.url, body=bytes(60 * 1024 * 1024))
