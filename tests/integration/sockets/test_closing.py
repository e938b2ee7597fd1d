"""How a tunnel ends, and that whatever is bounded stays so."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from wsproto.events import Ping, TextMessage

from aibridge_adapters.config import LimitSettings
from aibridge_adapters.http import client_socket, conversation
from aibridge_core.actors import Actor, Role
from aibridge_core.records import InterceptionFilter, Page
from aibridge_core.testing.fakes import FakeAuthenticator
from integration.sockets.tunnels import PATH, answering, create, events, headers, hear_response, tunnel, world
from support.sockets import BytesMessage, Peer, SaidGoodbye, socket_client

pytestmark = pytest.mark.anyio

CODES = [(1000, ""), (1001, "tab closed"), (1012, "restart"), (3000, "ok"), (4001, "too old")]


@pytest.mark.parametrize(("code", "reason"), CODES)
async def test_a_providers_close_is_passed_on(tmp_path: Path, code: int, reason: str) -> None:
    """With its code and reason; what it says while nobody asks is passed on as well."""

    async def closing(peer: Peer) -> None:
        await peer.say('{"type": "note"}')
        await peer.close(code, reason or None)
        await peer.closed()

    async with world(tmp_path, closing) as (up, _), tunnel(up) as client:
        assert await client.hear() == '{"type": "note"}'
        assert await client.closed() == (code, reason)
        assert await up.interceptions() == []


@pytest.mark.parametrize(("code", "reason"), CODES)
async def test_a_clients_close_is_passed_on(tmp_path: Path, code: int, reason: str) -> None:
    """Likewise, and what runs is cancelled."""
    heard: list[tuple[int, str]] = []
    closed = anyio.Event()

    async def listening(peer: Peer) -> None:
        await peer.hear()
        await peer.say(events(1)[0])
        heard.append(await peer.closed())
        closed.set()

    async with world(tmp_path, listening) as (up, _), tunnel(up) as client:
        await client.say(create("hi"))
        await client.hear()
        await client.close(code, reason or None)
        assert await client.closed() == (code, reason), "a close is answered with the same"
        with anyio.fail_after(10):
            await closed.wait()
        assert heard == [(code, reason)]
        assert (await up.ended(1))[0]["status"] == "cancelled"


async def test_codes_that_can_not_be_sent_stand_for_others(tmp_path: Path) -> None:
    """A close without a code is a normal one; a connection that breaks off is going away, or an error, by who hears."""
    heard: list[int] = []
    closed = anyio.Event()

    async def listening(peer: Peer) -> None:
        if len(heard) == 2:
            peer.reset()
            return
        heard.append((await peer.closed())[0])
        closed.set()

    async def provider_has(count: int) -> None:
        with anyio.fail_after(10):
            while len(heard) < count:
                await closed.wait()

    async with world(tmp_path, listening) as (up, _):
        async with tunnel(up) as client:
            await client.raw(b"\x88\x80\0\0\0\0")  # a close frame, masked, without a code
            await provider_has(1)
        closed = anyio.Event()
        async with tunnel(up) as client:
            client.reset()
            await provider_has(2)
        assert heard == [1000, 1001]
        async with tunnel(up) as client:
            assert await client.closed() == (1011, "the provider's connection broke off")


@pytest.mark.parametrize("frame", [b"\xc1\x80\0\0\0\0", b"\x81\x02hi", b"\x8f\x80\0\0\0\0"])
async def test_frames_that_are_none_are_protocol_errors(tmp_path: Path, frame: bytes) -> None:
    """Compressed without agreement, not masked, of an unknown kind: the sender hears 1002, the provider a goodbye."""
    heard: list[int] = []
    closed = anyio.Event()

    async def listening(peer: Peer) -> None:
        heard.append((await peer.closed())[0])
        closed.set()

    async with world(tmp_path, listening) as (up, _), tunnel(up) as client:
        await client.raw(frame)
        assert (await client.closed())[0] == 1002
        with anyio.fail_after(10):
            await closed.wait()
        assert heard == [1001]


async def test_a_providers_broken_frames_are_its_failure(tmp_path: Path) -> None:
    """The client hears an error and a close as after any answer that broke off; the provider hears what was wrong."""
    heard: list[int] = []
    closed = anyio.Event()

    async def broken(peer: Peer) -> None:
        await peer.hear()
        await peer.say(events(1)[0])
        await peer.raw(b"\x8f\x00")
        heard.append((await peer.closed())[0])
        closed.set()

    async with world(tmp_path, broken) as (up, _), tunnel(up) as client:
        await client.say(create("hi"))
        await client.hear()
        assert json.loads(await client.hear())["type"] == "error"
        assert (await client.closed())[0] == 1011
        assert (await up.ended(1))[0]["status"] == "failed"
        with anyio.fail_after(10):
            await closed.wait()
        assert heard == [1002]


async def test_a_message_that_is_too_long_is_refused_in_words_and_by_1009(tmp_path: Path) -> None:
    """One that is far too long by the close alone, however it is cut; what follows it is not even collected."""
    async with world(tmp_path, max_body=10_000) as (up, provider):
        async with tunnel(up) as client:
            await client.say(create("x" * 10_000))
            assert json.loads(await client.hear())["status"] == 413
            assert (await client.closed())[0] == 1009
        async with tunnel(up) as client:
            with pytest.raises((ConnectionError, SaidGoodbye)) as ended:
                for _ in range(200):
                    await client.event(TextMessage(data="x" * 65_536, message_finished=False))
                raise SaidGoodbye((await client.closed())[0])
            if isinstance(ended.value, SaidGoodbye):
                assert ended.value.args == (1009,)
        assert len(provider.peers) == 2
        assert await up.interceptions() == []


async def test_messages_that_are_no_texts_are_refused(tmp_path: Path) -> None:
    """This API has none."""
    async with world(tmp_path) as (up, _), tunnel(up) as client:
        await client.event(BytesMessage(data=b"{}"))
        assert (await client.closed())[0] == 1003
        assert await up.interceptions() == []


async def test_fragments_are_one_message(tmp_path: Path) -> None:
    """In both directions, and pings may come between them (RFC 6455, section 5.4)."""

    async def fragmenting(peer: Peer) -> None:
        assert await peer.hear() == create("Gr\u00fc\u00dfe")
        for event in events(1):
            await peer.event(TextMessage(data=event[:20], message_finished=False))
            await peer.event(Ping(payload=b"p"))
            await peer.event(TextMessage(data=event[20:], message_finished=True))
        await answering(peer)

    async with world(tmp_path, fragmenting) as (up, _), tunnel(up) as client:
        text = create("Gr\u00fc\u00dfe")
        for start in range(0, len(text), 7):
            await client.event(TextMessage(data=text[start : start + 7], message_finished=start + 7 >= len(text)))
            await client.event(Ping(payload=b"c"))
        assert await hear_response(client) == events(1)
        assert (await up.ended(1))[0]["status"] == "completed"


async def test_pings_are_answered_on_both_sides(tmp_path: Path) -> None:
    """While nothing else happens."""
    answered = anyio.Event()

    async def pinging(peer: Peer) -> None:
        await peer.event(Ping(payload=b"p"))
        await peer.next()
        answered.set()
        await answering(peer)

    async with world(tmp_path, pinging) as (up, _), tunnel(up) as client:
        await client.event(Ping(payload=b"c"))
        with anyio.fail_after(10):
            await answered.wait()
        await client.say(create("hi"))
        assert await hear_response(client) == events(1)
        assert client.pongs == 1


async def test_clients_are_pinged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no proxy between takes a long thought for a dead connection."""
    monkeypatch.setattr(client_socket, "PING_EVERY", 0.01)
    async with world(tmp_path) as (up, _), tunnel(up) as client:
        assert [isinstance(await client.next(), Ping) for _ in range(3)] == [True] * 3


async def test_a_tunnel_that_nobody_uses_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Normally, on both sides; requests put it off."""
    monkeypatch.setattr(conversation, "IDLE", 0.3)
    heard: list[tuple[int, str]] = []
    closed = anyio.Event()

    async def listening(peer: Peer) -> None:
        await peer.hear()
        for event in events(1):
            await peer.say(event)
        heard.append(await peer.closed())
        closed.set()

    async with world(tmp_path, listening) as (up, _):
        async with tunnel(up) as client:
            await client.say(create("hi"))
            assert await hear_response(client) == events(1)
            assert await client.closed() == (1000, "nothing was asked for a long time")
            with anyio.fail_after(10):
                await closed.wait()
        assert heard == [(1000, "")]


async def test_a_shutdown_ends_idle_tunnels_at_once_and_lets_responses_finish(tmp_path: Path) -> None:
    """Both sides are told that the gateway goes away."""
    go_on = anyio.Event()

    async def slow(peer: Peer) -> None:
        await peer.hear()
        await peer.say(events(1)[0])
        await go_on.wait()
        for event in events(1)[1:]:
            await peer.say(event)
        await peer.closed()

    async with world(tmp_path, slow) as (up, _), tunnel(up) as busy, tunnel(up) as idle:
        await busy.say(create("hi"))
        await busy.hear()
        up.gateway.asgi.drain()
        assert (await idle.closed())[0] == 1001
        go_on.set()
        assert [await busy.hear() for _ in range(3)] == events(1)[1:]
        assert (await busy.closed())[0] == 1001
        (found,) = await up.ended(1)
        assert found["status"] == "completed"


async def test_a_response_that_outlasts_the_shutdown_is_interrupted(tmp_path: Path) -> None:
    """At the deadline; its outcome is recorded before the process ends, and both sides hear of it."""
    heard: list[tuple[int, str]] = []

    async def endless(peer: Peer) -> None:
        await peer.hear()
        for event in events(1)[:3]:
            await peer.say(event)
        heard.append(await peer.closed())

    async with world(tmp_path, endless, shutdown_timeout=0.2) as (up, _), tunnel(up) as client:
        await client.say(create("hi"))
        for _ in range(3):
            await client.hear()
        up.gateway.asgi.drain()
        up.stop.set()
        assert await client.closed() == (1001, "the gateway is shutting down")
        store = up.gateway.storage.store
        with anyio.fail_after(10):
            while not heard:
                await anyio.sleep(0.01)
        assert heard[0][0] == 1001
        from aibridge_core.records import InterceptionFilter, Page

        (found,) = await store.list(InterceptionFilter(), Page(limit=9))
        assert found.status.value == "interrupted"
        assert found.ended_at is not None


async def test_who_is_not_known_any_more_is_asked_to_leave(tmp_path: Path) -> None:
    """A tunnel outlives a token; each request is one of somebody who may ask now."""
    ann = Actor(id="7b3b0a4e-0d62-4f0c-9d0e-3a6f6e1d5c11", username="ann", role=Role.MEMBER)
    people = {"anns-token": ann}
    known = ((b"x-api-key", b"anns-token"),)
    async with (
        world(tmp_path, authenticator=FakeAuthenticator(people)) as (up, _),
        socket_client(up.url, PATH, known) as client,
    ):
        await client.say(create("one"))
        assert await hear_response(client) == events(1)
        people.clear()
        await client.say(create("two"))
        error = json.loads(await client.hear())
        assert (error["type"], error["status"]) == ("error", 401)
        assert (await client.closed())[0] == 1008
        found = await up.gateway.storage.store.list(InterceptionFilter(), Page(limit=9))
        assert [each.status.value for each in found] == ["completed"]


@pytest.mark.parametrize("ending", ["answered", "refused by the provider", "client leaves", "provider breaks off"])
async def test_every_end_gives_the_place_back(tmp_path: Path, ending: str) -> None:
    """With one place for each user, the next request is served."""

    async def script(peer: Peer) -> None:
        if len(provider.peers) > 1:
            await answering(peer)
            return
        await peer.hear()
        await _end(peer, ending)

    more: dict[str, Any] = {"limits": LimitSettings(max_concurrent=1, max_concurrent_per_user=1)}
    async with world(tmp_path, script, **more) as (up, provider):
        async with tunnel(up) as client:
            await client.say(create("one"))
            await client.hear()
            if ending == "client leaves":
                client.reset()
        await up.ended(1)
        async with socket_client(up.url, PATH, headers(up)) as client:
            await client.say(create("two"))
            assert await hear_response(client) == events(1)
        await up.ended(2)


async def _end(peer: Peer, ending: str) -> None:
    if ending == "refused by the provider":
        await peer.say('{"type": "error", "status": 500, "error": {"message": "no"}}')
    else:
        for event in events(1)[: 4 if ending == "answered" else 1]:
            await peer.say(event)
    if ending == "provider breaks off":
        peer.reset()
    else:
        await peer.closed()
