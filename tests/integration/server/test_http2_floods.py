"""HTTP/2 connections that only make work are told to calm down; others on the server don't notice."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import trustme
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, StreamEnded

from aibridge_adapters.http.http2 import MAX_CHORES
from integration.server.serving import Served, certificate_files, reply, serving

pytestmark = pytest.mark.anyio

AUTHORITY = trustme.CA()
ENHANCE_YOUR_CALM = 11
ASKED = [(":method", "POST"), (":path", "/"), (":scheme", "https"), (":authority", "localhost")]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers when the request is over, whatever ended it."""
    while (await receive()).get("more_body"):
        pass
    await reply(send, b"ok")


def trusting(alpn: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols([alpn])
    AUTHORITY.configure_trust(context)
    return context


def rapid_resets(wire: H2Connection) -> None:
    """Streams that are begun to be cancelled (CVE-2023-44487)."""
    stream = wire.get_next_available_stream_id()
    wire.send_headers(stream, ASKED)
    wire.reset_stream(stream)


def pings(wire: H2Connection) -> None:
    """Each wants an answer (CVE-2019-9512)."""
    wire.ping(b"12345678")


def settings(wire: H2Connection) -> None:
    """Each wants an answer, too (CVE-2019-9515)."""
    wire.update_settings({4: 65_535})


def empty_pieces(wire: H2Connection) -> None:
    """Of a body that never goes on (CVE-2019-9518)."""
    if not wire.open_outbound_streams:
        wire.send_headers(wire.get_next_available_stream_id(), ASKED)
    wire.send_data(1, b"")


async def survives(served: Served, frame: Callable[[H2Connection], None], count: int) -> bool:
    """Send so many frames; whether the connection still answers a request afterwards.

    What the server says at the end, ENHANCE_YOUR_CALM, may be lost: it closes on what the client still sends.
    """
    wire = H2Connection(H2Configuration(client_side=True))
    context = trusting("h2")
    tcp = await anyio.connect_tcp(
        "localhost", served.port, tls=True, ssl_context=context, tls_standard_compatible=False
    )
    wire.initiate_connection()
    try:
        for _ in range(count):
            frame(wire)
            await tcp.send(wire.data_to_send())
        asked = wire.get_next_available_stream_id()
        wire.send_headers(asked, ASKED, end_stream=True)
        await tcp.send(wire.data_to_send())
        with anyio.fail_after(10):
            while True:
                for event in wire.receive_data(await tcp.receive()):
                    if isinstance(event, ConnectionTerminated):
                        assert event.error_code == ENHANCE_YOUR_CALM
                        return False
                    if isinstance(event, StreamEnded) and event.stream_id == asked:
                        return True
    except (anyio.EndOfStream, anyio.BrokenResourceError):
        return False
    finally:
        await anyio.aclose_forcefully(tcp)


@pytest.mark.parametrize("frame", [rapid_resets, pings, settings, empty_pieces])
async def test_floods_end_the_connection(tmp_path: Path, frame: Callable[[H2Connection], None]) -> None:
    """With the reason that HTTP/2 has for it; another client is served meanwhile."""
    async with serving(app, **certificate_files(tmp_path, AUTHORITY)) as served:
        base = f"https://localhost:{served.port}"
        async with httpx.AsyncClient(http2=True, verify=trusting("h2"), base_url=base, timeout=10) as other:
            assert (await other.get("/before")).status_code == 200
            survived: list[bool] = []

            async def attack() -> None:
                survived.append(await survives(served, frame, MAX_CHORES + 20))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(attack)
                assert (await other.get("/meanwhile")).status_code == 200
            assert survived == [False]
            assert (await other.get("/after")).status_code == 200


async def test_some_resets_and_pings_are_usual(tmp_path: Path) -> None:
    """People press Ctrl-C, and clients ask whether the connection lives."""
    async with serving(app, **certificate_files(tmp_path, AUTHORITY)) as served:
        for frame in (rapid_resets, pings):
            assert await survives(served, frame, 100)
