"""Counting tokens on Amazon Bedrock, for clients of the Messages API and for those in Bedrock mode."""

import json
import zlib
from base64 import b64decode
from pathlib import Path
from typing import Any

import anthropic
import pytest

from support.aws import signed_by
from support.bedrock import SECRET, Bedrock, Refusing, bedrock
from support.raw_upstream import Received
from support.running import Running

pytestmark = pytest.mark.anyio

FOUNDATION = "anthropic.claude-sonnet-4-5-20250929-v1:0"
HI = [{"role": "user", "content": "hi"}]


async def count(up: Running, **more: Any) -> tuple[int, Any]:
    async with up.client() as client:
        answer = await client.post(
            "/bedrock/v1/messages/count_tokens?beta=true", json={"messages": HI, **more}, headers=up.anthropic
        )
        return answer.status_code, answer.json()


def counted(request: Received) -> Any:
    """The body whose tokens are asked for."""
    asked = json.loads(request.body)
    assert asked.keys() == {"input"}
    assert asked["input"].keys() == {"invokeModel"}
    return json.loads(b64decode(asked["input"]["invokeModel"]["body"], validate=True))


async def test_the_official_client_counts(tmp_path: Path) -> None:
    """It gets a number from Bedrock, which is asked of the foundation model behind the profile; nothing is recorded."""
    provider = Bedrock()
    async with bedrock(tmp_path, provider) as up:
        async with anthropic.AsyncAnthropic(api_key=up.token, base_url=f"{up.url}/bedrock", max_retries=0) as client:
            answer = await client.messages.count_tokens(model="claude-sonnet-4-5", messages=HI, system="s")  # type: ignore[arg-type]
        assert answer.input_tokens == 4711
        assert await up.interceptions() == []
    (request,) = provider.asked
    assert (request.method, request.header("content-type")) == ("POST", "application/json")
    assert signed_by(request, SECRET)["path"] == f"/model/{FOUNDATION}/count-tokens"
    assert counted(request) == {
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 8192, "messages": HI, "system": "s",
    }  # fmt: skip


async def test_the_body_is_what_invoke_model_would_get(tmp_path: Path) -> None:
    """Betas go into it as far as Bedrock knows them, the limit is above the thinking, an empty list of tools is out."""
    provider = Bedrock()
    betas = {"anthropic-beta": "token-counting-2024-11-01,context-1m-2025-08-07"}
    asked = {
        "model": "claude-haiku-4-5", "messages": HI, "metadata": {}, "tools": [ ],
        "thinking": {"type": "enabled", "budget_tokens": 31_999},
    }  # fmt: skip
    coded = zlib.compress(json.dumps(asked).encode())
    async with bedrock(tmp_path, provider) as up, up.client() as client:
        headers = {**up.anthropic, **betas, "content-encoding": "deflate"}
        answer = await client.post("/bedrock/v1/messages/count_tokens", content=coded, headers=headers)
        assert answer.json() == {"input_tokens": 4711}
    (request,) = provider.asked
    assert request.header("content-encoding") is None
    assert "haiku" in request.target
    assert counted(request) == {
        "anthropic_version": "bedrock-2023-05-31", "anthropic_beta": ["context-1m-2025-08-07"], "messages": HI,
        "max_tokens": 32_000, "thinking": asked["thinking"],
    }  # fmt: skip


@pytest.mark.parametrize("body", [b"[]", b"", b'{"messages":[]}', b'{"model":7,"messages":[]}', b'{"model":"m"'])
async def test_a_body_that_names_no_model_is_refused(tmp_path: Path, body: bytes) -> None:
    """In the shape of the Messages API, before anything is asked of AWS."""
    provider = Bedrock()
    async with bedrock(tmp_path, provider) as up, up.client() as client:
        answer = await client.post("/bedrock/v1/messages/count_tokens", content=body, headers=up.anthropic)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert provider.asked == []


async def test_a_model_that_cant_count(tmp_path: Path) -> None:
    """Bedrock's words reach the client as an error of the Messages API."""
    said = {"message": "The provided model doesn't support counting tokens."}
    async with bedrock(tmp_path, Refusing(400, "ValidationException", said)) as up:
        status, body = await count(up, model="claude-3-haiku")
    error = {"type": "invalid_request_error", "message": said["message"]}
    assert (status, body) == (400, {"type": "error", "error": error})


async def test_an_answer_without_a_number_is_an_error(tmp_path: Path) -> None:
    """No number is made up, and the status says that it failed."""
    async with bedrock(tmp_path, Refusing(200, "", {"inputTokens": "many"})) as up:
        status, body = await count(up, model="claude-sonnet-4-5")
    assert (status, body["error"]["type"]) == (502, "api_error")
    assert "no number" in body["error"]["message"]


async def test_clients_in_bedrock_mode_count_for_themselves(tmp_path: Path) -> None:
    """Their own route passes as it is, both ways, and is signed."""
    provider = Bedrock()
    source = b'{"input":{ "invokeModel":{"body":"e30="}}}'
    async with bedrock(tmp_path, provider) as up, up.client() as client:
        answer = await client.post(
            f"/bedrock/model/{FOUNDATION}/count-tokens", content=source, headers={"authorization": f"Bearer {up.token}"}
        )
    assert answer.content == b'{"inputTokens": 4711}'
    assert provider.asked[0].body == source
    assert signed_by(provider.asked[0], SECRET)["path"] == f"/model/{FOUNDATION}/count-tokens"
