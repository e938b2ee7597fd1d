"""Limits on requests over real HTTP: who is refused how, and that a place is free again however a request ends."""

from pathlib import Path

import anyio
import httpx
import pytest

from aibridge_adapters.config import LimitSettings, PrometheusSettings
from support.raw_upstream import Answering, Received, Script, raw_upstream
from support.running import Running, running_gateway

pytestmark = pytest.mark.anyio

MESSAGES = b'{"model":"m-1","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'
STREAMED = b'{"model":"m-1","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"hi"}]}'
RESPONSES = b'{"model":"m-1","input":"hi"}'
ANSWER = b'{"id":"x","model":"m-1","usage":{"input_tokens":5,"output_tokens":1},"content":[]}'

APIS = {
    "messages": ("/anthropic/v1/messages", MESSAGES, lambda body: (body["type"], body["error"]["type"])),
    "chat completions": ("/openai/v1/chat/completions", MESSAGES, lambda body: ("error", body["error"]["type"])),
    "responses": ("/openai/v1/responses", RESPONSES, lambda body: ("error", body["error"]["type"])),
}


async def answering(request: Received, answer: Answering) -> None:
    """A provider that answers at once."""
    await answer.whole(ANSWER, 200, ("content-type", "application/json"))


class Gated:
    """A provider that waits, so that a request runs for as long as a test likes."""

    def __init__(self) -> None:
        self.asked = anyio.Event()
        self.go_on = anyio.Event()

    async def __call__(self, request: Received, answer: Answering) -> None:
        self.asked.set()
        await self.go_on.wait()
        await answering(request, answer)


async def ask(up: Running, path: str = "/anthropic/v1/messages", body: bytes = MESSAGES) -> httpx.Response:
    """One request of ann."""
    async with up.client() as client:
        return await client.post(path, content=body, headers=up.openai)


@pytest.mark.parametrize("api", APIS)
async def test_over_the_rate(tmp_path: Path, api: str) -> None:
    """429 in the API's own shape with the time to wait; of many at once exactly as many as allowed are let in."""
    path, body, error = APIS[api]
    async with (
        raw_upstream(answering) as upstream,
        running_gateway(tmp_path, upstream.url, limits=LimitSettings(max_rps=3)) as up,
        up.client() as client,
    ):
        answers: list[httpx.Response] = []

        async def one() -> None:
            answers.append(await client.post(path, content=body, headers=up.openai))

        began = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(one)
        windows = int(anyio.current_time() - began) + 1
        refused = [answer for answer in answers if answer.status_code == 429]
        assert 3 <= 8 - len(refused) <= 3 * windows
        for answer in refused:
            assert int(answer.headers["retry-after"]) >= 1
            assert error(answer.json()) == ("error", "rate_limit_error")
        assert len(await up.ended(8 - len(refused))) == len(upstream.requests)


@pytest.mark.parametrize("api", APIS)
async def test_at_capacity(tmp_path: Path, api: str) -> None:
    """503 in the API's own shape with the time to wait; nothing is recorded of it, and metrics count it."""
    path, body, error = APIS[api]
    provider = Gated()
    async with (
        raw_upstream(provider) as upstream,
        running_gateway(
            tmp_path,
            upstream.url,
            limits=LimitSettings(max_concurrent=1),
            prometheus=PrometheusSettings(enable=True),
        ) as up,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(ask, up)
        await provider.asked.wait()
        refused = await ask(up, path, body)
        assert (refused.status_code, error(refused.json())[0]) == (503, "error")
        assert int(refused.headers["retry-after"]) >= 1
        provider.go_on.set()
        assert len(await up.ended(1)) == 1
        page = httpx.ASGITransport(up.gateway.metrics)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=page, base_url="http://metrics") as metrics:
            text = (await metrics.get("/metrics")).text
        assert [line for line in text.splitlines() if line.startswith("aibridge_refused_requests_total{")] != []


async def test_each_person_has_places_of_their_own(tmp_path: Path) -> None:
    """One who is at their limit keeps nobody else out."""
    provider = Gated()
    async with (
        raw_upstream(provider) as upstream,
        running_gateway(tmp_path, upstream.url, limits=LimitSettings(max_concurrent_per_user=1)) as up,
    ):
        bob = await up.gateway.users.create("bob")
        token = (await up.gateway.users.create_token(bob.id, name="test")).text
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, up)
            await provider.asked.wait()
            assert (await ask(up)).status_code == 429
            provider.go_on.set()
            async with up.client() as client:
                other = await client.post("/anthropic/v1/messages", content=MESSAGES, headers={"x-api-key": token})
            assert other.status_code == 200


async def refusing(request: Received, answer: Answering) -> None:
    await answer.whole(b'{"error":{"message":"no"}}', 500, ("content-type", "application/json"))


async def resetting(request: Received, answer: Answering) -> None:
    answer.reset()


async def breaking_off(request: Received, answer: Answering) -> None:
    await answer.head(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
    await answer.chunk(b'event: message_start\ndata: {"type":"message_start"}\n\n')
    answer.reset()


ENDS: dict[str, tuple[Script, str, bytes]] = {
    "answered": (answering, "/anthropic/v1/messages", MESSAGES),
    "the provider says no": (refusing, "/anthropic/v1/messages", MESSAGES),
    "the provider hangs up": (resetting, "/anthropic/v1/messages", MESSAGES),
    "the answer breaks off": (breaking_off, "/anthropic/v1/messages", STREAMED),
    "not a request": (answering, "/anthropic/v1/messages", b"nonsense"),
    "no such route": (answering, "/anthropic/v1/nothing", MESSAGES),
    "a side path": (answering, "/anthropic/v1/models", b""),
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_place_is_free_again_however_a_request_ends(tmp_path: Path, end: str) -> None:
    """There is one place; whoever comes afterwards gets it."""
    script, path, body = ENDS[end]
    async with (
        raw_upstream(script) as upstream,
        running_gateway(tmp_path, upstream.url, limits=LimitSettings(max_concurrent=1), upstream_retries=0) as up,
    ):
        for _ in range(3):
            try:
                assert (await ask(up, path, body)).status_code != 503
            except httpx.RemoteProtocolError:
                assert script is breaking_off
        await _all_free(up)


async def test_a_client_that_leaves_gives_its_place_back(tmp_path: Path) -> None:
    """As soon as its request is cancelled."""
    provider = Gated()
    async with (
        raw_upstream(provider) as upstream,
        running_gateway(tmp_path, upstream.url, limits=LimitSettings(max_concurrent=1)) as up,
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, up)
            await provider.asked.wait()
            tasks.cancel_scope.cancel()
        await up.ended(1)
        await _all_free(up)
        provider.go_on.set()
        assert (await ask(up)).status_code == 200


async def _all_free(up: Running) -> None:
    """The server may be a step behind what the client has read."""
    with anyio.fail_after(10):
        while up.gateway.asgi.gate.running:
            await anyio.sleep(0.01)


async def test_the_rest_api_has_no_limit(tmp_path: Path) -> None:
    """Auditors read while agents are kept out."""
    provider = Gated()
    async with (
        raw_upstream(provider) as upstream,
        running_gateway(tmp_path, upstream.url, limits=LimitSettings(max_concurrent=1, max_rps=1)) as up,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(ask, up)
        await provider.asked.wait()
        for _ in range(5):
            assert len(await up.interceptions()) == 1
        provider.go_on.set()
