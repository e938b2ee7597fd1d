"""Few bytes that stand for many: in requests they are refused, in answers relayed and not unpacked past a bound."""

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import brotli
import httpx
import psutil
import pytest
import zstandard

from support.process import served
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import ADMIN_TOKEN

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
SIZE = 256 * MIB


def in_pieces(compress: Callable[[bytes], bytes], finish: Callable[[], bytes]) -> bytes:
    """SIZE spaces, coded without ever being there at once; a JSON text may begin with them."""
    return b"".join([*(compress(b" " * MIB) for _ in range(SIZE // MIB)), finish()])


def brotli_bomb() -> bytes:
    coder = brotli.Compressor(quality=5)
    return in_pieces(coder.process, coder.finish)


def zstd_bomb() -> bytes:
    coder = zstandard.ZstdCompressor(level=3).compressobj()
    return in_pieces(coder.compress, coder.flush)


def zlib_bomb(window: int) -> bytes:
    coder = zlib.compressobj(9, zlib.DEFLATED, window)
    return in_pieces(coder.compress, coder.flush)


BOMBS = {"gzip": zlib_bomb(31), "deflate": zlib_bomb(15), "br": brotli_bomb(), "zstd": zstd_bomb()}
MEMBERS = gzip.compress(b" " * 16 * MIB) * (SIZE // (16 * MIB))
"""A gzip file of many members, each of them harmless."""


async def test_bombs_in_requests_are_refused(tmp_path: Path) -> None:
    """413 and 415, little memory, and nothing goes upstream."""

    async def ok(request: Received, answer: Answering) -> None:
        await answer.whole(b"{}")

    async with raw_upstream(ok) as upstream, served(tmp_path, upstream.url) as gateway:
        process = psutil.Process(gateway.process.pid)
        before = process.memory_info().rss
        async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as client:
            cases = [(coding, bomb, 413) for coding, bomb in BOMBS.items()]
            cases += [("gzip", MEMBERS, 413), ("gzip, gzip", gzip.compress(BOMBS["gzip"]), 415)]
            cases += [("gzip, br", brotli.compress(BOMBS["gzip"]), 415), ("gzip", BOMBS["gzip"][:-5000] + b"x", 413)]
            for coding, bomb, status in cases:
                headers = {"x-api-key": ADMIN_TOKEN, "content-encoding": coding}
                answer = await client.post("/anthropic/v1/messages", content=bomb, headers=headers)
                assert answer.status_code == status, (coding, answer.text)
        print(f"grown by {(process.memory_info().rss - before) / MIB:.0f} MiB")
        assert process.memory_info().rss - before < 160 * MIB
        assert upstream.requests == []


@pytest.mark.parametrize("streaming", [False, True])
async def test_bombs_in_answers_pass_and_do_no_harm(tmp_path: Path, streaming: bool) -> None:
    """A provider's bytes are the client's; what the gateway reads of them for the trail is bounded."""
    coding, bomb = "", b""
    kind = "text/event-stream" if streaming else "application/json"

    async def explode(request: Received, answer: Answering) -> None:
        await answer.whole(bomb, 200, ("content-type", kind), ("content-encoding", coding))

    async with raw_upstream(explode) as upstream, served(tmp_path, upstream.url) as gateway:
        process = psutil.Process(gateway.process.pid)
        before = process.memory_info().rss
        async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as client:
            nested = gzip.compress(BOMBS["gzip"])
            for coding, bomb in [*BOMBS.items(), ("gzip", MEMBERS), ("gzip, gzip", nested)]:
                request = client.build_request(
                    "POST",
                    "/anthropic/v1/messages",
                    json={"model": "m", "max_tokens": 1, "stream": streaming, "messages": []},
                    headers={"x-api-key": ADMIN_TOKEN, "accept-encoding": "gzip, deflate, br, zstd"},
                )
                answer = await client.send(request, stream=True)
                received = b"".join([piece async for piece in answer.aiter_raw()])
                await answer.aclose()
                assert (answer.status_code, answer.headers["content-encoding"]) == (200, coding)
                assert received == bomb, coding
        print(f"grown by {(process.memory_info().rss - before) / MIB:.0f} MiB")
        assert process.memory_info().rss - before < 160 * MIB
