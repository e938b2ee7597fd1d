"""Responses over a WebSocket: what passes between a client and its provider, and what is recorded of it."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from aibridge_adapters.config import LimitSettings, ProviderSettings, Timeouts
from aibridge_core.headers import for_upstream
from integration.sockets.tunnels import KEY, PATH, answering, create, events, headers, hear_response, tunnel, world
from support.running import running_gateway
from support.sockets import Peer, Refused, socket_client

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
async def test_messages_pass_as_they_are_and_each_request_is_an_interception(tmp_path: Path, deflate: bool) -> None:
    """Both ways, to the last character; two requests on one connection are two interceptions of one session.

    Compression that a client offers is not agreed to.
    """
    heard: list[str] = []

    async def listening(peer: Peer) -> None:
        for number in (1, 2):
            heard.append(await peer.hear())
            for event in events(number):
                await peer.say(event)
        await peer.closed()

    async with world(tmp_path, listening) as (up, _):
        async with tunnel(up, deflate=deflate) as client:
            assert "sec-websocket-extensions" not in client.headers and not client.extensions
            for number, prompt in ((1, "Grüße"), (2, "and then?")):
                await client.say(create(prompt))
                assert await hear_response(client) == events(number)
                found = await up.interceptions()
                assert len(found) == number
                assert found[0]["ended_at"], "the last message came before the record"
            await client.close()
        assert heard == [create("Grüße"), create("and then?")]
        second, first = await up.ended(2)
        assert first["client"] == "Codex"
        assert first["client_session_id"] == second["client_session_id"] == "01a200e6-8cca-7d13-8124-5be1d5b3ae4e"
        assert (first["status"], first["model"], first["provider_name"]) == ("completed", "m-1", "openai")
        assert first["metadata"]["transport"] == "websocket"
        assert [usage["prompt"] for usage in first["user_prompts"]] == ["Grüße"]
        assert [(t["input_tokens"], t["output_tokens"]) for t in first["token_usages"]] == [(7, 3)]
        assert [tool["tool"] for tool in first["tool_usages"]] == ["shell"]


async def test_the_provider_sees_the_clients_headers_and_the_central_key(tmp_path: Path) -> None:
    """The deny-list is that of every request; what belongs to one connection or holds our token stays here."""
    answer = ((b"x-codex-turn-state", b"abc"), (b"x-request-id", b"req_1"))
    more = ((b"x-codex-window-id", b"w:0"), (b"x-forwarded-for", b"10.0.0.1"), (b"x-new-thing", b"1"))
    async with world(tmp_path, answer_headers=answer) as (up, provider), tunnel(up, *more) as client:
        await client.say(create("hi"))
        await hear_response(client)
        seen = provider.upgrades[0]
        assert seen["authorization"] == f"Bearer {KEY}"
        assert (seen["x-codex-window-id"], seen["x-new-thing"]) == ("w:0", "1")
        assert seen["openai-beta"] == "responses_websockets=2026-02-06"
        assert "x-forwarded-for" not in seen
        assert not any(up.token in value for value in seen.values())
        assert provider.peers[0].target == "/v1/responses"
        assert client.headers["x-codex-turn-state"] == "abc"
        assert client.headers["x-request-id"] == "req_1"


async def test_a_users_own_key_goes_upstream(tmp_path: Path) -> None:
    """And the interception says whose it was."""
    async with world(tmp_path) as (up, provider):
        own = [(b"authorization", b"Bearer sk-anns-own-key-0123456789"), (b"x-aibridge-token", up.token.encode())]
        async with socket_client(up.url, PATH, own) as client:
            await client.say(create("hi"))
            await hear_response(client)
        assert provider.upgrades[0]["authorization"] == "Bearer sk-anns-own-key-0123456789"
        (found,) = await up.ended(1)
        assert (found["credential_kind"], found["credential_hint"]) == ("byok", "sk-a...6789")


async def test_another_key_is_tried_where_one_is_at_its_limit(tmp_path: Path) -> None:
    """The interception names the key that the connection was opened with."""
    bad, good = "sk-bad-key-0123456789", "sk-good-key-987654321"

    async def choosy(peer: Peer) -> None:
        await answering(peer)

    async with world(tmp_path, choosy, keys=(bad, good)) as (up, provider):
        provider.refuse = (429, ((b"retry-after", b"600"),))
        with pytest.raises(Refused) as refused:
            async with tunnel(up):
                pass
        assert refused.value.status == 429
        assert [seen["authorization"] for seen in provider.upgrades] in (
            [f"Bearer {bad}", f"Bearer {good}"],
            [f"Bearer {good}", f"Bearer {bad}"],
        )


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"websockets": False}, 426), ({"refuse": (404, ())}, 426), ({"refuse": (403, ())}, 426)],
    ids=["off", "unknown to the provider", "forbidden by it"],
)
async def test_clients_are_sent_to_http_at_once(tmp_path: Path, changes: dict[str, Any], status: int) -> None:
    """Where there is no WebSocket, whoever says so; nothing is recorded, for nothing was asked."""
    async with world(tmp_path, **changes) as (up, _):
        began = anyio.current_time()
        with pytest.raises(Refused) as refused:
            async with tunnel(up):
                pass
        assert anyio.current_time() - began < 2
        assert refused.value.status == status
        assert json.loads(refused.value.body)["error"]["code"] == "upgrade_refused"
        assert await up.interceptions() == []


async def test_a_provider_that_is_not_there_means_http(tmp_path: Path) -> None:
    """Over HTTP the client is then told what is wrong."""
    gone = ProviderSettings(
        type="openai", name="openai", base_url="http://127.0.0.1:9/v1/", websockets=True, keys=("k",)
    )
    async with running_gateway(tmp_path, "http://127.0.0.1:9", providers=(gone,)) as up:
        with pytest.raises(Refused) as refused:
            async with tunnel(up):
                pass
        assert refused.value.status == 426


@pytest.mark.parametrize("path", [PATH, "/api/v2/aibridge" + PATH])
async def test_nobody_opens_one_without_a_token(tmp_path: Path, path: str) -> None:
    """And the provider doesn't hear of it; with one, every mount serves."""
    async with world(tmp_path) as (up, provider):
        for wrong in ((), ((b"authorization", b"Bearer wrong"),)):
            with pytest.raises(Refused) as refused:
                async with socket_client(up.url, path, wrong):
                    pass
            assert refused.value.status == 401
        assert provider.upgrades == []
        async with socket_client(up.url, path, headers(up)) as client:
            await client.say(create("hi"))
            assert await hear_response(client) == events(1)


@pytest.mark.parametrize("path", ["/openai/v1/chat/completions", "/openai/v1/responses/x", "/nosuch/v1/responses"])
async def test_only_the_responses_route_has_them(tmp_path: Path, path: str) -> None:
    """Everything else is refused at once."""
    async with world(tmp_path) as (up, provider):
        with pytest.raises(Refused) as refused:
            async with socket_client(up.url, path, headers(up)):
                pass
        assert (refused.value.status, provider.upgrades) == (426, [])


@pytest.mark.parametrize(
    "text",
    ["not json", "[]", '{"type": "response.create"}', '{"type": "session.update", "model": "m-1"}', '{"model": "m-1"}'],
)
async def test_what_can_not_be_recorded_is_not_relayed(tmp_path: Path, text: str) -> None:
    """The client gets an error and may go on; the provider sees nothing of it."""
    async with world(tmp_path) as (up, _), tunnel(up) as client:
        await client.say(text)
        error = json.loads(await client.hear())
        assert (error["type"], error["status"]) == ("error", 400)
        assert error["error"]["type"] == "invalid_request_error"
        await client.say(create("hi"))
        assert await hear_response(client) == events(1)
        assert len(await up.ended(1)) == 1


async def test_a_cancelled_response_goes_on_to_its_own_end(tmp_path: Path) -> None:
    """`response.cancel` passes while a response is under way; what the provider then says ends it."""

    async def cancellable(peer: Peer) -> None:
        await peer.hear()
        await peer.say(events(1)[0])
        assert json.loads(await peer.hear()) == {"type": "response.cancel"}
        await peer.say('{"type": "response.incomplete", "response": {"id": "resp_1", "model": "m-1"}}')
        await peer.closed()

    async with world(tmp_path, cancellable) as (up, _), tunnel(up) as client:
        await client.say(create("hi"))
        assert await client.hear() == events(1)[0]
        await client.say('{"type": "response.cancel"}')
        assert json.loads(await client.hear())["type"] == "response.incomplete"
        assert len(await up.ended(1)) == 1


async def test_an_error_of_the_provider_is_relayed_and_recorded(tmp_path: Path) -> None:
    """The connection goes on."""
    said = '{"type": "error", "status": 429, "error": {"type": "rate_limit_error", "message": "slow down"}}'

    async def limiting(peer: Peer) -> None:
        await peer.hear()
        await peer.say(said)
        await answering(peer)

    async with world(tmp_path, limiting) as (up, _), tunnel(up) as client:
        await client.say(create("one"))
        assert await client.hear() == said
        await client.say(create("two"))
        assert await hear_response(client) == events(1)
        second, first = await up.ended(2)
        assert (first["status"], first["error_type"], first["error_message"]) == ("failed", "rate_limited", "slow down")
        assert second["status"] == "completed"


async def test_a_client_that_leaves_cancels_its_response(tmp_path: Path) -> None:
    """The provider's side is closed, and what was seen is recorded."""
    left = anyio.Event()

    async def endless(peer: Peer) -> None:
        await peer.hear()
        for event in events(1)[:3]:
            await peer.say(event)
        await peer.closed()
        left.set()

    async with world(tmp_path, endless) as (up, _):
        async with tunnel(up) as client:
            await client.say(create("hi"))
            for event in events(1)[:3]:
                assert await client.hear() == event
            client.reset()
        with anyio.fail_after(10):
            await left.wait()
        (found,) = await up.ended(1)
        assert found["status"] == "cancelled"
        assert [tool["tool"] for tool in found["tool_usages"]] == ["shell"]


async def test_a_provider_that_breaks_off_is_an_error_and_a_close(tmp_path: Path) -> None:
    """The interception failed; the client is told by an event before the connection ends."""

    async def breaking(peer: Peer) -> None:
        await peer.hear()
        await peer.say(events(1)[0])
        peer.reset()

    async with world(tmp_path, breaking) as (up, _), tunnel(up) as client:
        await client.say(create("hi"))
        assert await client.hear() == events(1)[0]
        assert json.loads(await client.hear())["type"] == "error"
        assert (await client.closed())[0] == 1011
        (found,) = await up.ended(1)
        assert (found["status"], found["error_type"]) == ("failed", "connection_error")


async def test_a_silent_provider_is_given_up(tmp_path: Path) -> None:
    """After the time that a stream may be silent."""

    async def silent(peer: Peer) -> None:
        await peer.hear()
        await peer.closed()

    async with world(tmp_path, silent, timeouts=Timeouts(stream_idle=0.3)) as (up, _), tunnel(up) as client:
        await client.say(create("hi"))
        error = json.loads(await client.hear())
        assert error["type"] == "error"
        assert (await client.closed())[0] == 1011
        (found,) = await up.ended(1)
        assert found["error_type"] == "timeout"


async def test_limits_count_each_request(tmp_path: Path) -> None:
    """One more than allowed is refused with the time to wait; it is no interception, and the next one is served."""
    limits = LimitSettings(max_concurrent_per_user=1)
    go_on = anyio.Event()

    async def slow(peer: Peer) -> None:
        await peer.hear()
        await peer.say(events(1)[0])
        await go_on.wait()
        for event in events(1)[1:]:
            await peer.say(event)
        await answering(peer)

    async with world(tmp_path, slow, limits=limits) as (up, _), tunnel(up) as client:
        await client.say(create("one"))
        await client.hear()
        async with up.client() as http:
            other = await http.post(PATH, headers=up.openai, content=create("two"))
        assert (other.status_code, other.headers["retry-after"]) == (429, "1")
        go_on.set()
        for _ in range(3):
            await client.hear()
        await client.say(create("three"))
        assert await hear_response(client) == events(1)
        assert len(await up.ended(2)) == 2


async def test_a_refused_request_leaves_the_connection_open(tmp_path: Path) -> None:
    """Over the rate, the error says how long to wait, and nothing went to the provider."""
    async with world(tmp_path, limits=LimitSettings(max_rps=2)) as (up, _), tunnel(up) as client:
        await client.say(create("one"))
        await hear_response(client)
        await client.say(create("two"))
        error = json.loads(await client.hear())
        assert (error["type"], error["status"]) == ("error", 429)
        assert float(error["headers"]["retry-after"]) >= 1
        assert len(await up.ended(1)) == 1


async def test_a_providers_endless_message_is_refused(tmp_path: Path) -> None:
    """It would have to be held in memory until it is whole."""

    async def endless(peer: Peer) -> None:
        await peer.hear()
        await peer.say("x" * 20_000)
        await peer.closed()

    async with world(tmp_path, endless, max_body=10_000) as (up, _), tunnel(up) as client:
        await client.say(create("hi"))
        assert json.loads(await client.hear())["type"] == "error"
        await client.closed()
        (found,) = await up.ended(1)
        assert found["status"] == "failed"


def test_a_subprotocol_never_goes_upstream() -> None:
    """Browsers put credentials there, which would then pay for a request unseen."""
    sent = ((b"sec-websocket-protocol", b"openai-insecure-api-key.sk-1"), (b"x-a", b"1"))
    assert for_upstream(sent, central_key=True) == ((b"x-a", b"1"),)
