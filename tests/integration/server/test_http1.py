"""HTTP/1.1 as clients of all kinds speak it."""

import asyncio
import os
import socket
import ssl
import struct
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme

from aibridge_adapters.http import exchange
from integration.server.serving import body_of, certificate_files, connected, echo, get, reply, serving

pytestmark = pytest.mark.anyio

UPLOAD = 20 * 1024 * 1024
"""More than all buffers on the way together."""


async def test_requests_follow_one_another_on_one_connection() -> None:
    """With the target as it was sent."""
    async with serving(echo) as served, connected(served) as wire:
        for number in range(3):
            await wire.say(get(f"/a%2Fb/{number}?beta=true"))
            assert (await wire.answer())[1] == b"GET /a%%2Fb/%d?beta=true " % number


async def test_pipelined_requests_are_answered_in_order() -> None:
    """Two requests in one packet."""
    async with serving(echo) as served, connected(served) as wire:
        await wire.say(get("/1") + get("/2"))
        assert [(await wire.answer())[1] for _ in range(2)] == [b"GET /1? ", b"GET /2? "]


async def test_chunked_bodies() -> None:
    """Chunks that come one by one are one body."""
    async with serving(echo) as served, connected(served) as wire:
        await wire.say(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in (b"3\r\nabc\r\n", b"2\r\nde\r\n", b"0\r\n\r\n"):
            await wire.say(piece)
        assert (await wire.answer())[1] == b"POST /? abcde"


async def test_large_bodies() -> None:
    """A body of 20 MiB reaches the application whole."""

    async def count(scope: Any, receive: Any, send: Any) -> None:
        await reply(send, b"%d" % len(await body_of(receive)))

    async with serving(count) as served, connected(served) as wire:
        await wire.say(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % UPLOAD + bytes(UPLOAD))
        assert (await wire.answer())[1] == b"%d" % UPLOAD


async def test_expect_100_continue() -> None:
    """curl waits for it before it sends a large body."""
    async with serving(echo) as served, connected(served) as wire:
        await wire.say(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        await wire.say(b"body")
        assert (await wire.answer())[1] == b"POST /? body"


async def test_a_body_that_is_not_wanted_is_not_invited() -> None:
    """The answer takes the place of `100`, and says that the connection ends (RFC 9110, section 10.1.1)."""

    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        await reply(send, b"too large", status=413)

    async with serving(refuse) as served, connected(served) as wire:
        await wire.say(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 999999999\r\n\r\n")
        head, body = await wire.answer()
        assert head.startswith(b"HTTP/1.1 413 ") and body == b"too large"
        assert b"\r\nconnection: close\r\n" in head.lower()


async def test_who_sends_in_spite_of_expect_is_not_invited_twice() -> None:
    """A body that is there already needs no invitation; the connection goes on."""
    request = b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\nbody"
    async with serving(echo) as served, connected(served) as wire:
        for _ in range(2):
            await wire.say(request)
            head, body = await wire.answer()
            assert (head[:12], body) == (b"HTTP/1.1 200", b"POST /? body")


async def test_head_has_the_length_but_no_body() -> None:
    """And the connection goes on."""
    async with serving(echo) as served, connected(served) as wire:
        await wire.say(get().replace(b"GET", b"HEAD"))
        assert b"content-length: 8\r\n" in await wire.reader.readuntil(b"\r\n\r\n")
        await wire.say(get())
        assert (await wire.answer())[1] == b"GET /? "


@pytest.mark.parametrize(("size", "status"), [(100_000, b"200"), (400_000, b"431")])
async def test_large_headers(size: int, status: bytes) -> None:
    """Long ones pass, endless ones are refused."""
    async with serving(echo) as served, connected(served) as wire:
        await wire.say(get("/", "x-long: " + "a" * size))
        assert (await wire.answer())[0].startswith(b"HTTP/1.1 " + status)


async def test_an_upgrade_to_clear_text_http2_is_not_taken() -> None:
    """The request is served as it is."""
    async with serving(echo) as served, connected(served) as wire:
        await wire.say(get("/", "connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAMAAABk"))
        head, body = await wire.answer()
    assert (head[:12], body) == (b"HTTP/1.1 200", b"GET /? ")


async def test_a_websocket_upgrade_can_be_refused_with_a_body() -> None:
    """The application answers 426 at once."""

    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket"
        await receive()
        head = {"status": 426, "headers": [(b"content-length", b"4"), (b"upgrade", b"HTTP/1.1")]}
        await send({"type": "websocket.http.response.start", **head})
        await send({"type": "websocket.http.response.body", "body": b"http", "more_body": False})

    key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
    async with serving(refuse) as served, connected(served) as wire:
        await wire.say(
            get("/v1/responses", "connection: Upgrade", "upgrade: websocket", key, "sec-websocket-version: 13")
        )
        head, body = await wire.answer()
    assert (head[:12], body) == (b"HTTP/1.1 426", b"http")


async def test_a_websocket_handshake_that_is_none_ends_the_connection() -> None:
    """It has no key; the application doesn't hear of it."""
    async with serving(echo) as served, connected(served) as wire:
        await wire.say(get("/", "connection: keep-alive, Upgrade", "upgrade: WebSocket"))
        assert (await wire.rest()).startswith(b"HTTP/1.1 400 ")


async def test_a_websocket_from_its_first_message_to_its_close() -> None:
    """Behind the handshake the bytes are frames (RFC 6455, section 5.2), and the connection ends with them."""

    async def echo_messages(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"]})
        assert (await receive())["type"] == "websocket.disconnect"

    key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
    async with serving(echo_messages) as served, connected(served) as wire:
        await wire.say(get("/", "connection: Upgrade", "upgrade: websocket", key, "sec-websocket-version: 13"))
        head = await wire.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        unmasked = b"\0\0\0\0"
        await wire.say(b"\x81\x82" + unmasked + b"hi")
        assert await wire.reader.readexactly(4) == b"\x81\x02hi"
        await wire.say(b"\x88\x82" + unmasked + b"\x03\xe8")
        assert await wire.rest() == b"\x88\x02\x03\xe8"


async def test_the_date_is_the_providers_or_else_our_own() -> None:
    """Never both, and the server does not say what it is."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        relayed = scope["path"] == "/relayed"
        await reply(send, b"", *([(b"Date", b"Thu, 01 Jan 2026 00:00:00 GMT")] if relayed else []))

    async with serving(answer) as served, connected(served) as wire:
        await wire.say(get("/relayed"))
        head, _ = await wire.answer()
        assert head.lower().count(b"\r\ndate: ") == 1
        assert b"01 Jan 2026" in head
        await wire.say(get("/own"))
        head, _ = await wire.answer()
    assert head.lower().count(b"\r\ndate: ") == 1
    assert b"\r\nserver:" not in head.lower()


async def test_the_application_learns_at_once_that_the_client_left() -> None:
    """While it is silent itself, and again whenever it asks."""
    told = anyio.Event()
    waiting = anyio.Event()

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        await body_of(receive)
        waiting.set()
        for _ in range(2):
            assert await receive() == {"type": "http.disconnect"}
        told.set()

    async with serving(silent) as served, connected(served) as wire:
        await wire.say(get())
        await waiting.wait()
        wire.hang_up()
        with anyio.fail_after(1):
            await told.wait()


async def test_a_client_that_only_stops_sending_gets_its_answer() -> None:
    """It looks like one that leaves, and the application hears so; what that says nevertheless is sent."""

    async def answers_all_the_same(scope: Any, receive: Any, send: Any) -> None:
        await body_of(receive)
        assert await receive() == {"type": "http.disconnect"}
        await reply(send, b"late")

    async with serving(answers_all_the_same) as served, connected(served) as wire:
        await wire.say(get())
        wire.writer.write_eof()
        assert (await wire.rest()).endswith(b"\r\n\r\nlate")


async def test_a_client_that_stops_sending_may_get_no_answer() -> None:
    """An application that gives up on it has no defect: no 500."""

    async def gives_up(scope: Any, receive: Any, send: Any) -> None:
        await body_of(receive)
        assert await receive() == {"type": "http.disconnect"}

    async with serving(gives_up) as served, connected(served) as wire:
        await wire.say(get())
        wire.writer.write_eof()
        assert await wire.rest() == b""


async def test_a_client_that_is_gone_before_it_is_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    """So do probes that only want to know whether there is somebody. It is not worth a line in the log."""
    async with serving(echo) as served, connected(served) as wire:
        with socket.create_connection(("127.0.0.1", served.port)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await wire.say(get())
        await wire.answer()
        async with connected(served) as later:
            await later.say(get())
            await later.answer()
    assert not caplog.records


async def test_a_broken_tls_record_is_a_client_that_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The application's sends go nowhere; it sees no error of the connection."""
    stuck, done = anyio.Event(), anyio.Event()

    async def generous(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        stuck.set()
        for _ in range(20):
            await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
        done.set()

    authority = trustme.CA()
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    options = certificate_files(tmp_path, authority)
    async with serving(generous, **options) as served, connected(served, tls=trust) as wire:
        await wire.say(get())
        await stuck.wait()
        with socket.socket(fileno=os.dup(wire.writer.get_extra_info("socket").fileno())) as beneath:
            beneath.send(b"\x17\x03\x03\x00\x20" + bytes(32))
        with anyio.fail_after(5):
            await done.wait()
    assert "failed" not in caplog.text


async def test_sending_to_a_client_that_left_does_no_harm() -> None:
    """The application finds out by receiving; its sends go nowhere."""
    left, done = anyio.Event(), anyio.Event()

    async def unaware(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await left.wait()
        for _ in range(100):
            await send({"type": "http.response.body", "body": bytes(10_000), "more_body": True})
        done.set()

    async with serving(unaware) as served, connected(served) as wire:
        await wire.say(get())
        await wire.reader.readuntil(b"x\r\n")
        wire.hang_up()
        left.set()
        with anyio.fail_after(5):
            await done.wait()


async def test_an_answer_without_an_end_breaks_off() -> None:
    """The client sees a chunked body that lacks its last chunk."""

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})

    async with serving(broken) as served, connected(served) as wire:
        await wire.say(get())
        assert (await wire.rest()).endswith(b"\r\n\r\n5\r\nfirst\r\n")


async def test_a_defect_of_the_application_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    """And stands in the log."""

    async def defect(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("a defect")

    async with serving(defect) as served, connected(served) as wire:
        await wire.say(get())
        assert (await wire.rest()).startswith(b"HTTP/1.1 500")
    assert "a defect" in caplog.text


async def test_an_application_that_passes_a_cancellation_on_has_a_defect(caplog: pytest.LogCaptureFixture) -> None:
    """It waited for a task that somebody else cancelled. Its client doesn't wait for ever."""

    async def misled(scope: Any, receive: Any, send: Any) -> None:
        never = asyncio.get_running_loop().create_future()
        never.cancel()
        await never

    async with serving(misled) as served, connected(served) as wire:
        await wire.say(get())
        assert (await wire.rest()).startswith(b"HTTP/1.1 500")
    assert "cancelled by nobody" in caplog.text


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers a POST before it has read a byte of the body."""
    await reply(send, b"too large", status=413 if scope["method"] == "POST" else 200)


async def test_an_answer_before_the_request_was_read() -> None:
    """The client gets it while it still sends, and may go on when it is through."""
    async with serving(refuse) as served, connected(served) as wire:
        await wire.say(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % UPLOAD)
        head, body = await wire.answer()
        assert (head[:12], body) == (b"HTTP/1.1 413", b"too large")
        await wire.say(bytes(UPLOAD))
        await wire.say(get())
        assert (await wire.answer())[0].startswith(b"HTTP/1.1 200")


async def test_a_client_that_sends_first_and_reads_then_gets_the_answer_too() -> None:
    """Closing on its unread bytes would destroy it."""
    async with serving(refuse) as served, connected(served) as wire:
        await wire.say(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % UPLOAD + bytes(UPLOAD))
        assert (await wire.answer())[1] == b"too large"


async def test_the_rest_of_a_request_is_not_awaited_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that neither sends nor leaves is closed."""
    monkeypatch.setattr(exchange, "LINGER", 0.05)
    async with serving(refuse) as served, connected(served) as wire:
        await wire.say(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nsome")
        assert (await wire.rest()).endswith(b"too large")


async def test_a_slow_client_slows_the_application_down() -> None:
    """What it doesn't read is not piled up."""
    sent = 0
    stuck = anyio.Event()

    async def generous(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            with anyio.move_on_after(0.2) as waiting:
                await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
            if waiting.cancelled_caught:
                break
            sent += 1
        stuck.set()

    async with serving(generous) as served, connected(served) as wire:
        await wire.say(get())
        with anyio.fail_after(20):
            await stuck.wait()
    assert sent < 40


async def test_garbage_is_a_400() -> None:
    """Something that isn't HTTP."""
    async with serving(echo) as served, connected(served) as wire:
        await wire.say(b"\x16\x03\x01 hello\r\n\r\n")
        assert (await wire.rest()).startswith(b"HTTP/1.1 400")


async def test_old_clients_get_answers_that_end_with_their_connection() -> None:
    """HTTP/1.0 has no chunks."""

    async def pieces(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"one, ", b"two"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    async with serving(pieces) as served, connected(served) as wire:
        await wire.say(b"GET / HTTP/1.0\r\n\r\n")
        head, _, body = (await wire.rest()).partition(b"\r\n\r\n")
    assert body == b"one, two"
    assert b"transfer-encoding" not in head.lower()
    assert b"\r\nconnection: close" in head.lower()


async def test_a_client_that_says_close_is_closed() -> None:
    """After the answer; what it sends behind the request is not looked at."""
    async with serving(echo) as served, connected(served) as wire:
        await wire.say(get("/1", "connection: close") + get("/2"))
        answer = await wire.rest()
    assert answer.endswith(b"GET /1? ")
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_method_that_nobody_knows_is_the_applications_affair() -> None:
    """It may have an answer to it."""
    async with serving(echo) as served, connected(served) as wire:
        await wire.say(get().replace(b"GET", b"BREW"))
        assert (await wire.answer())[1] == b"BREW /? "


async def test_headers_reach_the_application_as_they_were_sent() -> None:
    """Names in lower case, as ASGI wants them; values byte for byte."""
    seen: list[Any] = []

    async def look(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])
        await reply(send, b"")

    async with serving(look) as served, connected(served) as wire:
        await wire.say(b"GET / HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nX-Odd: \t a  \xe9\t\r\nX-ODD: 2\r\n\r\n")
        await wire.answer()
    assert seen == [(b"host", b"x"), (b"x-empty", b""), (b"x-odd", b"a  \xe9"), (b"x-odd", b"2")]


@pytest.mark.parametrize("length", [b"3", b"5"])
async def test_an_answer_of_another_length_than_it_says_ends_the_connection(
    length: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Too much of it is not sent, too little doesn't leave the client waiting; the log knows."""

    async def wrong(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": b"four", "more_body": False})

    async with serving(wrong) as served, connected(served) as wire:
        await wire.say(get())
        head, _, body = (await wire.rest()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b""
    assert "Content-Length" in caplog.text


async def test_a_header_that_would_be_two_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing of it is sent."""

    async def injects(scope: Any, receive: Any, send: Any) -> None:
        await reply(send, b"", (b"location", b"/\r\nset-cookie: a=b"))

    async with serving(injects) as served, connected(served) as wire:
        await wire.say(get())
        answer = await wire.rest()
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"set-cookie" not in answer
    assert "header" in caplog.text


async def test_a_broken_body_ends_a_request_that_is_under_way() -> None:
    """The client hears why, and the application that nobody waits for it."""
    told = anyio.Event()

    async def reads(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        await reply(send, b"too late")
        told.set()

    async with serving(reads) as served, connected(served) as wire:
        await wire.say(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n")
        answer = await wire.rest()
        with anyio.fail_after(5):
            await told.wait()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_head_goes_out_before_there_is_a_body() -> None:
    """A client that waits for events knows that it was heard."""
    seen = anyio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await seen.wait()
        await send({"type": "http.response.body", "body": b"event", "more_body": False})

    async with serving(slow) as served, connected(served) as wire:
        await wire.say(get())
        with anyio.fail_after(5):
            await wire.reader.readuntil(b"\r\n\r\n")
        seen.set()
        assert await wire.reader.readuntil(b"0\r\n\r\n") == b"5\r\nevent\r\n0\r\n\r\n"
