"""HTTP/2 by TLS, and TLS itself."""

import ssl
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import trustme
from h2.connection import H2Connection
from h2.events import DataReceived

from aibridge_adapters.http import exchange
from aibridge_adapters.http.server import ListenError, serve
from integration.server.serving import Served, certificate_files, connected, echo, get, reply, serving

pytestmark = pytest.mark.anyio

AUTHORITY = trustme.CA()


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, Path]:
    return certificate_files(tmp_path, AUTHORITY)


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def client(served: Served) -> httpx.AsyncClient:
    base = f"https://localhost:{served.port}"
    return httpx.AsyncClient(http1=False, http2=True, verify=trusting(), base_url=base, timeout=10)


async def test_http1_by_tls(tls: dict[str, Path]) -> None:
    """For clients that don't offer HTTP/2."""
    async with serving(echo, **tls) as served, connected(served, tls=trusting()) as wire:
        await wire.say(get())
        assert (await wire.answer())[1] == b"GET /? "


async def test_many_requests_share_a_connection(tls: dict[str, Path]) -> None:
    """Bodies both ways."""
    async with serving(echo, **tls) as served, client(served) as http, anyio.create_task_group() as tasks:

        async def ask(number: int) -> None:
            body = b"%d" % number * 50_000
            answer = await http.post(f"/{number}", content=body)
            assert answer.http_version == "HTTP/2"
            assert answer.content == b"POST /%d? " % number + body

        for number in range(20):
            tasks.start_soon(ask, number)


async def test_an_answer_without_an_end_is_reset_and_leaves_its_neighbours_alone(tls: dict[str, Path]) -> None:
    """What came before is delivered; another stream on the connection goes on."""
    broken_seen = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        if scope["path"] == "/whole":
            await broken_seen.wait()
            await send({"type": "http.response.body", "body": b" and last", "more_body": False})

    async with serving(app, **tls) as served, client(served) as http, anyio.create_task_group() as tasks:

        async def whole() -> None:
            assert (await http.get("/whole")).content == b"first and last"

        tasks.start_soon(whole)
        async with http.stream("GET", "/broken") as answer:
            pieces = answer.aiter_raw()
            assert await anext(pieces) == b"first"
            with pytest.raises(httpx.RemoteProtocolError, match="StreamReset"):
                await anext(pieces)
        broken_seen.set()


async def test_an_upload_that_is_refused_leaves_its_neighbours_alone(
    tls: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data that still comes for a stream that is over is dropped."""
    monkeypatch.setattr(exchange, "LINGER", 0.01)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await reply(send, b"no", status=413 if scope["method"] == "POST" else 200)

    async def endless():
        for _ in range(50):
            yield bytes(10_000)
            await anyio.sleep(0.005)

    async with serving(app, **tls) as served, client(served) as http:
        for _ in range(2):
            assert (await http.post("/", content=endless())).status_code == 413
            assert (await http.get("/")).status_code == 200


async def test_a_client_that_resets_a_stream_has_left(tls: dict[str, Path]) -> None:
    """The application of that stream is told, at once."""
    told = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        told.set()

    offering = trusting()
    offering.set_alpn_protocols(["h2"])
    http2 = H2Connection()
    http2.initiate_connection()
    http2.send_headers(
        1, [(":method", "GET"), (":scheme", "https"), (":authority", "x"), (":path", "/")], end_stream=True
    )
    async with serving(app, **tls) as served, connected(served, tls=offering) as wire:
        await wire.say(http2.data_to_send())
        while not any(isinstance(event, DataReceived) for event in http2.receive_data(await wire.reader.read(65536))):
            pass
        http2.reset_stream(1)
        await wire.say(http2.data_to_send())
        with anyio.fail_after(1):
            await told.wait()


async def test_shutdown_lets_a_stream_finish(tls: dict[str, Path]) -> None:
    """And closes the connection then."""
    release = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await release.wait()
        await send({"type": "http.response.body", "body": b" and last", "more_body": False})

    async with serving(app, **tls) as served, client(served) as http:
        async with http.stream("GET", "/") as answer:
            pieces = answer.aiter_raw()
            assert await anext(pieces) == b"first"
            served.stop.set()
            release.set()
            assert await anext(pieces) == b" and last"
        with anyio.fail_after(8):
            await served.ended.wait()


@pytest.mark.parametrize("given", ["cert", "key", "both"])
async def test_a_certificate_that_cannot_be_used(tmp_path: Path, given: str) -> None:
    """The server does not start, and says which file."""
    missing = tmp_path / "missing.pem"
    files = {"tls_cert": missing if given != "key" else None, "tls_key": missing if given != "cert" else None}
    with pytest.raises(ListenError, match=r"missing\.pem" if given == "both" else "both a certificate"):
        await serve(echo, address="127.0.0.1:0", stop=anyio.Event(), **files)
