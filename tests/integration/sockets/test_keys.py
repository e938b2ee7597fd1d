"""Keys over sockets: what a provider says of a key inside a message counts as it would over HTTP."""

import json
import logging
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from attrs import evolve

from aibridge_adapters.config import ActorHeaderSettings, PrometheusSettings, ProviderSettings, Settings
from aibridge_core.breaker import BreakerPolicy
from integration.sockets.tunnels import PATH, answering, create, events, hear_response, tunnel, world
from support.running import Running
from support.sockets import Peer, Refused

pytestmark = pytest.mark.anyio

KEYS = ("sk-first-key-0123456789", "sk-other-key-987654321")
LIMITED = (
    '{"type":  "error", "status": 429, "headers": {"retry-after": "600"},'
    ' "error": {"code": "rate_limit_exceeded", "message": "slow down"}}'
)
LAPSED = '{"type": "response.failed", "response": {"id": "r", "error": {"code": "invalid_api_key", "message": "no"}}}'


def key_of(upgrade: dict[str, str]) -> str:
    return upgrade["authorization"].removeprefix("Bearer ")


def refusing(said: str) -> Any:
    """A provider that says this to the first request of all, and serves every other."""
    left = [said]

    async def script(peer: Peer) -> None:
        if left:
            await peer.hear()
            await peer.say(left.pop())
        await answering(peer)

    return script


@pytest.mark.parametrize(
    ("said", "state", "cooldown"), [(LIMITED, "rate_limited", 600.0), (LAPSED, "unauthorized", 60.0)]
)
async def test_a_key_that_is_refused_in_a_message_rests(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, said: str, state: str, cooldown: float
) -> None:
    """The client gets the message as it is and is asked to connect again, which then is with another key."""
    with caplog.at_level(logging.WARNING, "aibridge.providers"):
        async with world(tmp_path, refusing(said), keys=KEYS) as (up, provider):
            async with tunnel(up) as client:
                await client.say(create("one"))
                assert await client.hear() == said
                assert (await client.closed())[0] == 1012
            async with tunnel(up) as client:
                await client.say(create("one"))
                assert await hear_response(client) == events(1)
            first, second = (key_of(each) for each in provider.upgrades)
            assert {first, second} == set(KEYS)
            ok, failed = await up.ended(2)
    assert (failed["status"], ok["status"]) == ("failed", "completed")
    assert ok["credential_hint"] != failed["credential_hint"]
    (line,) = [record.__dict__ for record in caplog.records if record.message == "key marked temporary"]
    assert (line["provider"], line["status"], line["cooldown"]) == ("openai", state, cooldown)
    assert line["api_key_hint"] == f"{first[:4]}...{first[-4:]}"


async def test_the_metrics_are_those_of_http(tmp_path: Path) -> None:
    """A rest is counted, and the state of the keys shown."""
    metrics = PrometheusSettings(enable=True, address="127.0.0.1:0")
    async with world(tmp_path, refusing(LIMITED), keys=KEYS, prometheus=metrics) as (up, _), tunnel(up) as client:
        await client.say(create("one"))
        await client.hear()
        await client.closed()
        shown = await _metrics(up)
    counted = [line for line in shown.splitlines() if line.startswith("aibridge_key_pool")]
    assert 'aibridge_key_pool_state_transitions_total{provider="openai",reason="rate_limited"} 1.0' in counted
    assert 'aibridge_key_pool_state{provider="openai",state="rate_limited"} 1.0' in counted
    # One key was tried for the upgrade, one for the request.
    assert 'aibridge_key_pool_failover_attempts_count{provider="openai"} 2.0' in counted


async def _metrics(up: Running) -> str:
    assert up.gateway.metrics
    transport = httpx.ASGITransport(app=up.gateway.metrics)
    async with httpx.AsyncClient(transport=transport, base_url="http://metrics.test") as client:
        return (await client.get("/metrics")).text


async def test_http_requests_spare_the_key_as_well(tmp_path: Path) -> None:
    """Both ways share one pool: with every key at rest, whoever asks is told when to come back."""
    both = [LIMITED, LIMITED]

    async def script(peer: Peer) -> None:
        await peer.hear()
        await peer.say(both.pop())
        await answering(peer)

    async with world(tmp_path, script, keys=KEYS) as (up, provider):
        async with tunnel(up) as client:
            await client.say(create("one"))
            assert await client.hear() == LIMITED
            assert (await client.closed())[0] == 1012
        async with tunnel(up) as client:
            await client.say(create("one"))
            assert await client.hear() == LIMITED
            await client.say(create("two"))
            refused = json.loads(await client.hear())
            assert (refused["status"], refused["headers"]["retry-after"]) == (429, "600")
            assert refused["error"]["message"] == "all configured keys are rate-limited (retry after 600s)"
        async with up.client() as http:
            answer = await http.post(PATH, headers=up.openai, content=create("three"))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "600")
        with pytest.raises(Refused) as upgrade:
            async with tunnel(up):
                pass
        assert upgrade.value.status == 429
        assert len(provider.upgrades) == 2
        assert [each["status"] for each in await up.ended(4)] == ["failed"] * 4


async def test_the_only_key_never_rests(tmp_path: Path) -> None:
    """As over HTTP: what a provider says of it is the client's to hear, and the connection goes on."""
    async with world(tmp_path, refusing(LIMITED)) as (up, _), tunnel(up) as client:
        await client.say(create("one"))
        assert await client.hear() == LIMITED
        await client.say(create("two"))
        assert await hear_response(client) == events(1)


async def test_a_reload_moves_tunnels_to_the_new_configuration(tmp_path: Path) -> None:
    """A response that runs is finished by the old one; then the client is asked to connect again."""
    settings: list[Any] = []
    more: dict[str, Any] = {"reread": lambda: settings[0]}
    reloaded = anyio.Event()

    async def script(peer: Peer) -> None:
        await peer.hear()
        first, *others = events(1)
        await peer.say(first)
        await reloaded.wait()
        for event in others:
            await peer.say(event)
        await peer.closed()

    async with world(tmp_path, script, **more) as (up, provider):
        async with tunnel(up) as client:
            await client.say(create("one"))
            await client.hear()
            new = ProviderSettings(
                type="openai",
                name="openai",
                base_url=f"{provider.url}/v1/",
                keys=("sk-new-key-1234567",),
                websockets=True,
            )
            settings.append(evolve(Settings(), providers=(new,)))
            done = await up.gateway.providers.reload()
            assert done.changed == ["openai"]
            reloaded.set()
            assert [await client.hear() for _ in range(3)] == events(1)[1:]
            assert (await client.closed())[0] == 1012
        async with tunnel(up) as client:
            await client.say(create("two"))
            assert await hear_response(client) == events(1)
        assert key_of(provider.upgrades[1]) == "sk-new-key-1234567"


@pytest.mark.parametrize("failing", ["503", "breaks off"])
async def test_a_circuit_breaker_sees_what_messages_say(tmp_path: Path, failing: str) -> None:
    """An error in place of a response counts by its status; then requests are refused in words, and recorded."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.hear()
            if failing == "breaks off":
                peer.reset()
                return
            await peer.say('{"type": "error", "status": 503, "error": {"code": "server_is_overloaded"}}')

    breaker = BreakerPolicy(enabled=True, failure_threshold=2)
    async with world(tmp_path, script, circuit_breaker=breaker) as (up, provider):
        for _ in range(2):
            async with tunnel(up) as client:
                await client.say(create("one"))
                assert json.loads(await client.hear())["type"] == "error"
        async with tunnel(up) as client:
            await client.say(create("one"))
            refused = json.loads(await client.hear())
            assert refused["status"] == 503 and int(refused["headers"]["retry-after"]) >= 1
        assert [each["status"] for each in await up.ended(3)] == ["failed"] * 3
        assert len(provider.peers) == 3


CLAIMED = ((b"x-ai-bridge-actor-id", b"root"), (b"x-who", b"root"))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (ActorHeaderSettings(), {"x-who": "root"}),
        (
            ActorHeaderSettings(send=True),
            {"x-ai-bridge-actor-id": "ID", "x-ai-bridge-actor-metadata-username": "ann", "x-who": "root"},
        ),
        (ActorHeaderSettings(send=True, id="", username="X-Who"), {"x-who": "ann"}),
    ],
)
async def test_who_asks(tmp_path: Path, settings: ActorHeaderSettings, told: dict[str, str]) -> None:
    """The upgrade says it if the gateway is told to; never what the client claims."""
    async with world(tmp_path, actor_headers=settings) as (up, provider), tunnel(up, *CLAIMED):
        (seen,) = provider.upgrades
        ann = await up.gateway.users.find_user("ann")
        found = {name: value for name, value in seen.items() if name.startswith(("x-ai-bridge", "x-who"))}
        assert found == {name: ann if value == "ID" else value for name, value in told.items()}


async def test_what_a_provider_refuses_is_not_sent(tmp_path: Path) -> None:
    """Its header filter is that of its other requests."""
    sent = ((b"x-odd", b"1"), (b"anthropic-beta", b"a-1,b-2"), (b"x-fine", b"1"))
    filtered = {"drop_headers": ("X-Odd",), "drop_betas": ("b-2",)}
    async with world(tmp_path, provider=filtered) as (up, provider), tunnel(up, *sent):
        (seen,) = provider.upgrades
        assert (seen.get("x-odd"), seen["anthropic-beta"], seen["x-fine"]) == (None, "a-1", "1")
