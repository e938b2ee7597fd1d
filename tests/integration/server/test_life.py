"""Starting, listening and ending."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from functools import partial
from typing import Any

import anyio
import psutil
import pytest

from aibridge_adapters.http import server
from aibridge_adapters.http.server import ListenError, listen, serve
from integration.server.serving import Served, connected, echo, get, reply, serving

pytestmark = pytest.mark.anyio


async def test_port_0_takes_a_free_port_and_tells_which() -> None:
    """Two servers never get the same."""
    async with serving(echo) as one, serving(echo) as other:
        assert one.port != other.port
        async with connected(one) as wire:
            await wire.say(get())
            assert (await wire.answer())[1] == b"GET /? "


async def test_ipv6() -> None:
    """In brackets, both given and told."""
    async with serving(echo, address="[::1]:0") as served, connected(served) as wire:
        assert served.address.startswith("[::1]:")
        await wire.say(get())
        assert (await wire.answer())[1] == b"GET /? "


def test_a_name_may_have_several_addresses() -> None:
    """All of them get the same port."""
    sockets = listen("localhost:0")
    assert len({wire.getsockname()[1] for wire in sockets}) == 1
    for wire in sockets:
        wire.close()


async def test_a_port_that_is_taken() -> None:
    """The message names the address and the cause."""
    async with serving(echo) as served:
        with pytest.raises(ListenError, match=f"^can't listen on {served.address}: [Aa]ddress already in use"):
            await serve(echo, address=served.address, stop=anyio.Event())


@pytest.mark.parametrize("address", ["nowhere.invalid:80", "127.0.0.1:99999", "127.0.0.1:http!", "192.0.2.1:80"])
def test_an_address_that_is_none(address: str) -> None:
    """Each says what was asked for."""
    with pytest.raises(ListenError, match=f"can't listen on {address}: "):
        listen(address)


async def test_stopping_refuses_newcomers_and_lets_running_answers_finish() -> None:
    """Idle connections are closed at once."""
    running, release = anyio.Event(), anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/long":
            running.set()
            await release.wait()
        await reply(send, b"done")

    async with serving(app) as served, connected(served) as idle, connected(served) as busy:
        await idle.say(get())
        await idle.answer()
        await busy.say(get("/long"))
        await running.wait()
        served.stop.set()
        assert await idle.rest() == b""
        with pytest.raises(OSError):
            async with connected(served):
                pass
        assert not served.ended.is_set()
        release.set()
        assert (await busy.answer())[1] == b"done"
        assert await busy.rest() == b""
        with anyio.fail_after(2):
            await served.ended.wait()


async def test_a_connection_may_be_idle_for_some_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a request and after one; an answer may take longer than that."""
    monkeypatch.setattr(server, "KEEP_ALIVE", 0.1)

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await anyio.sleep(0.3)
        await reply(send, b"done")

    async with serving(slow) as served, connected(served) as silent, connected(served) as asking:
        await asking.say(get())
        assert await silent.rest() == b""
        assert (await asking.answer())[1] == b"done"
        assert await asking.rest() == b""


async def test_answers_that_take_too_long_are_cancelled_and_may_say_how_they_ended() -> None:
    """The server returns when they have."""
    running = anyio.Event()
    recorded = []

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
            running.set()
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.05)
                recorded.append("cancelled")

    async with serving(endless, shutdown_timeout=0.05) as served, connected(served) as wire:
        await wire.say(get())
        await running.wait()
        served.stop.set()
        with anyio.fail_after(5):
            await served.ended.wait()
        assert recorded == ["cancelled"]
        assert (await wire.rest()).endswith(b"5\r\nfirst\r\n")


async def test_a_client_that_does_not_read_cannot_hold_the_server_up() -> None:
    """Its connection is broken off in the end."""
    running = anyio.Event()

    async def generous(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        running.set()
        while True:
            await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})

    async with serving(generous, shutdown_timeout=0.05) as served, connected(served) as wire:
        await wire.say(get())
        await running.wait()
        served.stop.set()
        with anyio.fail_after(15):
            await served.ended.wait()


async def test_cancelling_the_server_cancels_its_requests() -> None:
    """Nothing of it runs on in a host application."""
    running, cancelled = anyio.Event(), anyio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        try:
            running.set()
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    addresses: list[str] = []
    ready = anyio.Event()

    def on_ready(found: Sequence[str]) -> None:
        addresses.extend(found)
        ready.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(serve, endless, address="127.0.0.1:0", stop=anyio.Event(), on_ready=on_ready))
        await ready.wait()
        async with connected(Served(addresses, anyio.Event(), anyio.Event())) as wire:
            await wire.say(get())
            await running.wait()
            tasks.cancel_scope.cancel()
    assert cancelled.is_set()


PROGRAM = """
    import sys
    import anyio
    from aibridge_adapters.http.server import serve, stop_on_signal

    async def slow(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"do", "more_body": True})
        await anyio.sleep(0.3)
        await send({"type": "http.response.body", "body": b"ne", "more_body": False})

    async def main():
        stop = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop_on_signal, stop)
            await serve(slow, address="127.0.0.1:0", stop=stop, on_ready=lambda a: print(a[0], flush=True))

    anyio.run(main)
    print("ended in good order")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_in_good_order(number: signal.Signals) -> None:
    """The answer that runs is finished first; the status is 0."""
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        host, _, port = process.stdout.readline().strip().rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as wire:
            wire.sendall(get())
            received = wire.recv(4096)
            os.kill(process.pid, number)
            while piece := wire.recv(4096):
                received += piece
        assert received.endswith(b"done")
        assert process.wait(10) == 0
        assert process.stdout.read() == "ended in good order\n"
        assert process.stderr.read() == ""


async def test_small_writes_go_out_at_once() -> None:
    """Nagle's algorithm is off: a body never waits for the acknowledgement of its head."""
    seen: list[int] = []

    async def look(scope: Any, receive: Any, send: Any) -> None:
        here = psutil.Process().net_connections("tcp")
        (accepted,) = [each for each in here if each.raddr and each.laddr.port == served.port]
        with socket.socket(fileno=os.dup(accepted.fd)) as wire:
            seen.append(wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await echo(scope, receive, send)

    async with serving(look) as served, connected(served) as wire:
        await wire.say(get())
        await wire.answer()
    assert seen == [1]
