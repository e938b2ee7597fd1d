"""Each type of provider over real HTTP: where its routes go, how credentials travel, what is recorded."""

import json
from pathlib import Path

import httpx
import pytest
from backports import zstd

from aibridge_adapters.config import PrometheusSettings, ProviderSettings
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import Running, running_gateway

pytestmark = pytest.mark.anyio

OWN = "gho_the-users-own-token"
JSON = ("content-type", "application/json")
SPENT = {"input_tokens": 3, "output_tokens": 2}
CHAT_SPENT = {"prompt_tokens": 3, "completion_tokens": 2}
ANSWERS: dict[str, dict[str, object]] = {
    "/chat/completions": {"id": "c", "object": "chat.completion", "model": "m", "choices": [], "usage": CHAT_SPENT},
    "/responses": {"id": "r", "status": "completed", "model": "m", "output": [], "usage": SPENT},
    "/v1/messages": {"id": "m", "type": "message", "model": "m", "content": [], "usage": SPENT},
}
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "input": "hi", "max_tokens": 9}


class Provider:
    """Answers every API, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Received] = []

    async def __call__(self, request: Received, answer: Answering) -> None:
        self.asked.append(request)
        path = request.target.partition("?")[0].removeprefix("/base")
        await answer.whole(json.dumps(ANSWERS.get(path, {"path": path})).encode(), 200, JSON)


def own(up: Running) -> dict[str, str]:
    """Headers of a client with a credential of its own."""
    return {"authorization": f"Bearer {OWN}", "x-aibridge-token": up.token, "content-type": "application/json"}


def settings(type: str, url: str, **more: object) -> dict[str, object]:
    one = ProviderSettings(type=type, name=str(more.pop("name", type)), base_url=f"{url}/base", **more)  # type: ignore[arg-type]
    return {"providers": (one,), "prometheus": PrometheusSettings(enable=True)}


async def test_copilots_three_apis_and_everything_else(tmp_path: Path) -> None:
    """Bridged routes are recorded with the user's own token, whatever else Copilot asks passes unrecorded."""
    provider = Provider()
    async with raw_upstream(provider) as upstream:
        copilot = settings("copilot", upstream.url)
        async with running_gateway(tmp_path, upstream, **copilot) as up, up.client() as client:
            headers = {**own(up), "copilot-integration-id": "vscode-chat", "editor-version": "vscode/1.99"}
            for path in ANSWERS:
                assert (await client.post(f"/copilot{path}", json=BODY, headers=headers)).status_code == 200
            for path in ("/models", "/_ping", "/agents/swe/jobs?x=1", "/mcp/readonly"):
                assert (await client.get(f"/copilot{path}", headers=headers)).status_code == 200
            records = await up.ended(3)
    assert [request.target for request in provider.asked[3:]] == [
        "/base/models", "/base/_ping", "/base/agents/swe/jobs?x=1", "/base/mcp/readonly"
    ]  # fmt: skip
    for request in provider.asked:
        assert request.header("authorization") == f"Bearer {OWN}"
        assert request.header("copilot-integration-id") == "vscode-chat"
        assert request.header("x-aibridge-token") is None
    assert {(record["provider"], record["credential_kind"]) for record in records} == {("copilot", "byok")}
    assert all(record["token_usages"][0]["output_tokens"] == 2 for record in records)


async def test_copilot_without_the_users_own_token(tmp_path: Path) -> None:
    """The gateway token alone is refused with what to do, and never goes to Copilot."""
    provider = Provider()
    async with raw_upstream(provider) as upstream:
        copilot = settings("copilot", upstream.url)
        async with running_gateway(tmp_path, upstream, **copilot) as up, up.client() as client:
            answer = await client.post("/copilot/chat/completions", json=BODY, headers=up.openai)
    assert (answer.status_code, provider.asked) == (502, [])
    assert "each user's own token only" in answer.json()["error"]["message"]


async def test_azures_key_travels_in_its_own_header(tmp_path: Path) -> None:
    """Central as `api-key`, users' tokens of Entra as bearer tokens; the query goes on."""
    provider = Provider()
    async with raw_upstream(provider) as upstream:
        azure = settings("azure", upstream.url, keys=("azure-key-0123456789",))
        async with running_gateway(tmp_path, upstream, **azure) as up, up.client() as client:
            path = "/azure/v1/responses?api-version=preview"
            await client.post(path, json=BODY, headers={**up.openai, "api-key": "of the client"})
            await client.post(path, json=BODY, headers=own(up))
            records = await up.ended(2)
    central, entra = provider.asked
    assert central.target == "/base/responses?api-version=preview"
    assert [value for name, value in central.headers if name == "api-key"] == ["azure-key-0123456789"]
    assert central.header("authorization") is None
    assert (entra.header("authorization"), entra.header("api-key")) == (f"Bearer {OWN}", None)
    assert [record["credential_kind"] for record in records] == ["byok", "centralized"]


async def test_codex_with_a_chatgpt_login(tmp_path: Path) -> None:
    """Compressed bodies go on as they came and are recorded; the account passes; side paths answer 404."""
    provider = Provider()
    async with raw_upstream(provider) as upstream:
        chatgpt = settings("openai", upstream.url, name="chatgpt")
        async with running_gateway(tmp_path, upstream, **chatgpt) as up, up.client() as client:
            headers = {**own(up), "content-encoding": "zstd", "chatgpt-account-id": "acc-1"}
            packed = zstd.compress(json.dumps({"model": "gpt-x", "input": "build it"}).encode())
            assert (await client.post("/chatgpt/v1/responses", content=packed, headers=headers)).status_code == 200
            assert (await client.get("/chatgpt/v1/models?client_version=1", headers=own(up))).status_code == 200
            assert (await client.get("/chatgpt/v1/ps/plugins/installed", headers=own(up))).status_code == 404
            logged_out = await client.post("/chatgpt/v1/responses", json=BODY, headers=up.openai)
            (record,) = await up.ended()
    assert logged_out.status_code == 502
    assert "takes each user's own token only" in logged_out.json()["error"]["message"]
    assert provider.asked[0].body == packed
    assert provider.asked[0].header("chatgpt-account-id") == "acc-1"
    assert record["user_prompts"][0]["prompt"] == "build it"


async def test_byok_off_for_one_provider(tmp_path: Path) -> None:
    """A user's own credential is refused there, in words; the central key serves everybody."""
    provider = Provider()
    async with raw_upstream(provider) as upstream:
        closed = settings("openai", upstream.url, keys=("sk-central-0123456789",), allow_byok=False)
        async with running_gateway(tmp_path, upstream, **closed) as up, up.client() as client:
            refused = await client.post("/openai/v1/responses", json=BODY, headers=own(up))
            served = await client.post("/openai/v1/responses", json=BODY, headers=up.openai)
    assert (refused.status_code, served.status_code, len(provider.asked)) == (403, 200, 1)
    assert "not enabled for provider" in refused.json()["error"]["message"]


async def test_a_disabled_provider(tmp_path: Path) -> None:
    """503 on every path below it, known or not; metrics say so, and nothing goes out."""
    provider = Provider()
    async with raw_upstream(provider) as upstream:
        off = settings("openai", upstream.url, enabled=False)
        async with running_gateway(tmp_path, upstream, **off) as up, up.client() as client:
            answers = [
                await client.post("/openai/v1/responses", json=BODY, headers=up.openai),
                await client.get("/openai/anything", headers=up.openai),
            ]
            assert (await client.get("/openai/v1/models")).status_code == 401
            assert up.gateway.metrics is not None
            transport = httpx.ASGITransport(app=up.gateway.metrics)
            async with httpx.AsyncClient(transport=transport, base_url="http://metrics") as prometheus:
                page = (await prometheus.get("/metrics")).text
    assert [answer.status_code for answer in answers] == [503, 503]
    assert 'provider_disabled: AI provider "openai" is disabled' in answers[0].json()["error"]["message"]
    assert provider.asked == []
    assert 'provider_name="openai",provider_type="openai",status="disabled"} 1' in page


@pytest.mark.parametrize("enabled", [True, False])
async def test_a_disabled_provider_takes_no_socket(tmp_path: Path, enabled: bool) -> None:
    """An upgrade is sent to HTTP at once; of an enabled one the provider is asked (this one knows no sockets)."""
    provider = Provider()
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    async with raw_upstream(provider) as upstream:
        off = settings("openai", upstream.url, enabled=enabled, websockets=True, keys=("sk-central-0123456789",))
        async with running_gateway(tmp_path, upstream, **off) as up, up.client() as client:
            headers = {**up.openai, **upgrade, "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
            answer = await client.get("/openai/v1/responses", headers=headers)
    assert answer.status_code == 426
    assert bool(provider.asked) is enabled
