"""Clients that are slow on purpose, or many and idle: they are sent away in time, and others don't notice them."""

import json
import time
from pathlib import Path

import anyio
import httpx
import psutil
import pytest

from integration.security.raw import connect, exchange, status
from support.process import Served, served
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import ADMIN_TOKEN

pytestmark = pytest.mark.anyio

ASK = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}
HEAD = (
    b"POST /anthropic/v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\ncontent-length: 100000\r\n\r\n"
    % ADMIN_TOKEN.encode()
)
IDLE = 2000
MIB = 1024 * 1024


async def ok(request: Received, answer: Answering) -> None:
    await answer.whole(b"{}", 200, ("content-type", "application/json"))


async def ask(gateway: Served, count: int = 20) -> list[float]:
    """Seconds that each of some requests takes, each on a connection of its own, in order of time."""
    took = []
    for _ in range(count):
        begun = time.perf_counter()
        async with httpx.AsyncClient(base_url=gateway.url, timeout=10) as client:
            answer = await client.post("/anthropic/v1/messages", json=ASK, headers={"x-api-key": ADMIN_TOKEN})
        assert answer.status_code == 200
        took.append(time.perf_counter() - begun)
    return sorted(took)


def memory(gateway: Served) -> int:
    """Bytes that the gateway holds."""
    return int(psutil.Process(gateway.process.pid).memory_info().rss)


async def trickle(url: str, start: bytes) -> tuple[int, float]:
    """Begin a request, go on byte by byte, and say how and after how many seconds the gateway ends it."""
    begun = time.perf_counter()
    async with await connect(url) as wire, anyio.create_task_group() as tasks:

        async def drip() -> None:
            try:
                await wire.send(start)
                while True:
                    await wire.send(b"x")
                    await anyio.sleep(0.05)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

        tasks.start_soon(drip)
        with anyio.fail_after(20):
            answer = await wire.receive()
        tasks.cancel_scope.cancel()
    return status(answer), time.perf_counter() - begun


async def test_trickling_headers_and_bodies_are_refused_in_time(tmp_path: Path) -> None:
    """408 after what the settings allow, however often a byte comes; fifty of them harm nobody."""
    limits = {"AIBRIDGE_HEADER_TIMEOUT": "1s", "AIBRIDGE_BODY_TIMEOUT": "1s"}
    async with raw_upstream(ok) as upstream, served(tmp_path, upstream.url, **limits) as gateway:
        ended: list[tuple[int, float]] = []

        async def slow(start: bytes) -> None:
            ended.append(await trickle(gateway.url, start))

        async with anyio.create_task_group() as tasks:
            for _ in range(25):
                tasks.start_soon(slow, b"GET /healthz HTTP/1.1\r\nx-slow: ")
                tasks.start_soon(slow, HEAD)
            took = await ask(gateway)
        assert {status for status, _ in ended} == {408}
        assert all(0.9 < seconds < 10 for _, seconds in ended), ended
        assert took[-1] < 3
        assert len(upstream.requests) == len(took)


async def test_a_body_that_comes_fast_enough_wins_time(tmp_path: Path) -> None:
    """The limit is on slowness, not on size."""
    body = json.dumps({**ASK, "padding": "x" * 400_000}).encode()
    head = HEAD.replace(b"100000", b"%d" % len(body)).replace(b"host: x", b"host: x\r\nconnection: close")
    async with (
        raw_upstream(ok) as upstream,
        served(tmp_path, upstream.url, AIBRIDGE_BODY_TIMEOUT="500ms") as gateway,
        await connect(gateway.url) as wire,
    ):
        await wire.send(head)
        for start in range(0, len(body), 50_000):
            await wire.send(body[start : start + 50_000])
            await anyio.sleep(0.15)  # in all more than the limit, and twenty times as fast as it asks for
        assert status(await wire.receive()) == 200


async def test_thousands_of_idle_connections_are_borne(tmp_path: Path) -> None:
    """2,000 that say nothing or stop in the middle of a head: memory is bounded, and others are served as fast."""
    async with raw_upstream(ok) as upstream, served(tmp_path, upstream.url) as gateway:
        alone = await ask(gateway)
        before = memory(gateway)
        wires = []
        try:
            for number in range(IDLE):
                wire = await connect(gateway.url)
                wires.append(wire)
                if number % 2:
                    await wire.send(b"GET /healthz HTTP/1.1\r\nx-slow: ")
            crowded = await ask(gateway)
            grown = memory(gateway) - before
        finally:
            for wire in wires:
                await wire.aclose()
        print(
            f"alone {alone[10] * 1000:.1f} ms, crowded {crowded[10] * 1000:.1f} ms, {grown / IDLE / 1024:.1f} KiB each"
        )
        assert grown < IDLE * 64 * 1024
        assert crowded[10] < 10 * alone[10] + 0.1
        assert (
            status(await exchange(gateway.url, b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")) == 200
        )


async def test_a_client_that_sends_without_a_token_fills_no_memory(tmp_path: Path) -> None:
    """It is answered before its body is read, and what it still sends is dropped."""
    async with raw_upstream(ok) as upstream, served(tmp_path, upstream.url) as gateway:
        await ask(gateway)
        before = memory(gateway)
        head = HEAD.replace(ADMIN_TOKEN.encode(), b"nobodys-token").replace(b"100000", b"%d" % (30 * MIB))
        head = head.replace(b"host: x", b"host: x\r\nconnection: close")

        async def flood() -> None:
            assert status(await exchange(gateway.url, head + bytes(30 * MIB), within=30)) == 401

        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(flood)
        assert memory(gateway) - before < 64 * MIB
        assert len(upstream.requests) == 20
