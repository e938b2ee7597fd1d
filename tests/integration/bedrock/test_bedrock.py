"""Amazon Bedrock over real HTTP: signed requests, event streams, and what is recorded of them."""

import json
from pathlib import Path

import anthropic
import pytest

from aibridge_adapters.config import BedrockSettings, ProviderSettings
from support.aws import ANSWER, EVENT_STREAM, chunks, signed_by
from support.bedrock import HAIKU, KEYS, MESSAGE, SECRET, SONNET, Bedrock, ask, bedrock, sse
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import Running, running_gateway

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("asked", "mapped"), [("claude-sonnet-4-5", SONNET), ("claude-haiku-4-5", HAIKU)])
async def test_a_stream_of_the_messages_api(tmp_path: Path, asked: str, mapped: str) -> None:
    """The client gets server-sent events, Bedrock a signed request for the mapped model, which is recorded."""
    provider = Bedrock()
    async with bedrock(tmp_path, provider, type="anthropic") as up:
        status, kind, body = await ask(up, stream=True, model=asked)
        assert (status, kind, sse(body)) == (200, "text/event-stream", ANSWER)
        assert body.startswith(b'event: message_start\ndata: {"type":"message_start"')
        (record,) = await up.ended()
    (request,) = provider.asked
    scope = signed_by(request, SECRET)
    assert scope == {
        "key_id": KEYS["access_key"], "region": "eu-central-1", "service": "bedrock",
        "path": f"/model/{mapped}/invoke-with-response-stream",
    }  # fmt: skip
    assert request.header("x-amz-security-token") is None
    assert json.loads(request.body).keys() == {"anthropic_version", "max_tokens", "messages"}
    assert (record["status"], record["model"], record["provider"]) == ("completed", mapped, "anthropic")
    assert [(usage["input_tokens"], usage["output_tokens"]) for usage in record["token_usages"]] == [(10, 7)]
    assert SECRET not in json.dumps(record)


async def test_a_blocking_answer(tmp_path: Path) -> None:
    """Bedrock's JSON goes to the client as it is."""
    provider = Bedrock()
    async with bedrock(tmp_path, provider) as up:
        status, _, body = await ask(up)
        assert (status, json.loads(body)) == (200, MESSAGE)
    assert signed_by(provider.asked[0], SECRET)["path"] == f"/model/{SONNET}/invoke"


whole = b"".join(chunks(*ANSWER))
BROKEN = {
    "cut inside a message": whole[:-9],
    "cut between two messages": b"".join(chunks(*ANSWER[:4])),
    "a byte changed": whole[:900] + bytes([whole[900] ^ 1]) + whole[901:],
}


@pytest.mark.parametrize("stream", BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_event_stream_is_an_error_inside_the_answer(tmp_path: Path, stream: bytes) -> None:
    """The client hears of it by an error event behind what came whole, and the interception has failed."""
    async with bedrock(tmp_path, Bedrock(stream)) as up:
        status, _, body = await ask(up, stream=True)
        (record,) = await up.ended()
    assert status == 200
    *events, last = sse(body)
    assert events == ANSWER[: len(events)]
    assert (last["type"], last["error"]["type"]) == ("error", "api_error")
    assert "event stream" in last["error"]["message"]
    assert record["status"] == "failed"
    assert record["token_usages"][0]["input_tokens"] == 10


async def test_a_throttled_stream_says_so(tmp_path: Path) -> None:
    """Bedrock's exceptions inside a stream are the API's error events."""
    from aibridge_core.bedrock.events import exception_of
    from aibridge_core.eventstream import encode

    pieces = [*chunks(*ANSWER[:3]), encode(exception_of("throttlingException", "Too many tokens"))]
    async with bedrock(tmp_path, Bedrock(*pieces)) as up:
        _, _, body = await ask(up, stream=True)
        (record,) = await up.ended()
    assert sse(body)[-1] == {"type": "error", "error": {"type": "rate_limit_error", "message": "Too many tokens"}}
    assert (record["status"], record["error_type"]) == ("failed", "rate_limited")


def client_of(up: Running) -> anthropic.AsyncAnthropicBedrock:
    return anthropic.AsyncAnthropicBedrock(
        api_key=up.token, aws_region="eu-central-1", base_url=f"{up.url}/bedrock", max_retries=0
    )


async def test_the_official_client_in_bedrock_mode(tmp_path: Path) -> None:
    """Both native routes: bytes as they came both ways, and recorded as any other exchange."""
    provider = Bedrock()
    model = "us.anthropic.claude-opus-4-5-20251101-v1:0"
    async with bedrock(tmp_path, provider) as up, client_of(up) as client:
        asked = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "pins"}]}
        blocking = await client.messages.create(**asked)  # type: ignore[call-overload]
        stream = await client.messages.create(**asked, stream=True)  # type: ignore[call-overload]
        events = [event.type async for event in stream]
        records = await up.ended(2)
    assert blocking.content[0].text == "Hello"
    assert events == [event["type"] for event in ANSWER]
    for request, record in zip(provider.asked, reversed(records), strict=True):
        assert signed_by(request, SECRET)["path"].startswith(f"/model/{model}/invoke")
        assert b'"model"' not in request.body
        assert (record["status"], record["model"], record["provider"]) == ("completed", model, "bedrock")
        assert record["user_prompts"][0]["prompt"] == "pins"
    assert [record["token_usages"][0]["output_tokens"] for record in records] == [7, 1]


@pytest.mark.parametrize("stream", BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_native_stream_reaches_the_client_as_it_is(tmp_path: Path, stream: bytes) -> None:
    """Its own decoder finds the damage; the interception has failed."""
    async with bedrock(tmp_path, Bedrock(stream)) as up:
        _, kind, body = await ask(up, f"/bedrock/model/{SONNET}/invoke-with-response-stream")
        (record,) = await up.ended()
    assert (kind, body) == (EVENT_STREAM[1], stream)
    assert record["status"] == "failed"


async def test_what_a_body_says_of_model_and_stream_is_not_recorded(tmp_path: Path) -> None:
    """On native routes the path says both; a body can't make the trail tell of another model."""
    source = b'{"messages":[],"model":"cheap","stream":true}'
    provider = Bedrock()
    async with bedrock(tmp_path, provider) as up, up.client() as client:
        await client.post(f"/bedrock/model/{SONNET}/invoke", content=source, headers=up.anthropic)
        (record,) = await up.ended()
    assert record["model"] == SONNET
    assert provider.asked[0].body == source


async def test_refusals_on_native_routes_are_in_awss_shape(tmp_path: Path) -> None:
    """Clients of AWS read `message`."""
    async with bedrock(tmp_path, Bedrock()) as up, up.client() as client:
        answer = await client.post(
            f"/bedrock/model/{SONNET}/invoke", content=b"[]", headers={**up.anthropic, "content-length": "2"}
        )
    assert (answer.status_code, answer.json()["__type"]) == (400, "ValidationException")
    assert "not a JSON object" in answer.json()["message"]


async def test_mantle_gets_the_clients_bytes(tmp_path: Path) -> None:
    """Same path, same body, ordinary events; only the signature is ours."""
    asked: list[Received] = []

    async def mantle(request: Received, answer: Answering) -> None:
        asked.append(request)
        await answer.stream(*(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in ANSWER))

    source = b'{ "model" : "m-1", "stream":true,"messages":[ ],"metadata": {} }'
    async with raw_upstream(mantle) as upstream:
        settings = BedrockSettings(**KEYS, protocol="mantle")
        provider = ProviderSettings(type="bedrock", name="bedrock", base_url=upstream.url, bedrock=settings)
        async with running_gateway(tmp_path, upstream, providers=(provider,)) as up, up.client() as client:
            answer = await client.post("/bedrock/v1/messages", content=source, headers=up.anthropic)
            (record,) = await up.ended()
    assert sse(answer.content) == ANSWER
    assert asked[0].body == source
    assert signed_by(asked[0], SECRET) == {
        "key_id": KEYS["access_key"], "region": "eu-central-1", "service": "bedrock-mantle", "path": "/v1/messages"
    }  # fmt: skip
    assert (record["status"], record["model"]) == ("completed", "m-1")


async def test_a_bedrock_api_key_travels_as_a_bearer_token(tmp_path: Path) -> None:
    """With KEY nothing is signed, and botocore isn't needed."""
    provider = Bedrock()
    async with raw_upstream(provider) as upstream:
        keyed = ProviderSettings(
            type="bedrock", name="bedrock", base_url=upstream.url, keys=("bedrock-api-key-1",),
            bedrock=BedrockSettings(model=SONNET),
        )  # fmt: skip
        async with running_gateway(tmp_path, upstream, providers=(keyed,)) as up:
            assert (await ask(up, stream=True))[0] == 200
    assert provider.asked[0].header("authorization") == "Bearer bedrock-api-key-1"


async def test_without_botocore_the_start_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    from aibridge_adapters import aws

    monkeypatch.setattr(aws, "find_spec", lambda name: None)
    with pytest.raises(aws.AwsUnusable, match=r"pip install 'aibridge\[bedrock\]'"):
        async with bedrock(tmp_path, Bedrock()):
            pass
