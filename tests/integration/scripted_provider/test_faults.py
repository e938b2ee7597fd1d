"""The scripted provider goes wrong on demand, in the way that each real API does."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import anthropic
import anyio
import httpx
import openai
import pytest

from aibridge_adapters.scripted_provider import RunningProvider, scripted_provider

pytestmark = pytest.mark.anyio

ANTHROPIC = {"x-api-key": "any", "anthropic-version": "2023-06-01"}
OPENAI = {"authorization": "Bearer any"}


@pytest.fixture
async def http(provider: RunningProvider) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=provider.base_url) as client:
        yield client


def messages(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": prompt}], **more}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (429, anthropic.RateLimitError),
        (529, anthropic.APIStatusError),
    ],
)
async def test_anthropic_statuses(
    claude: anthropic.AsyncAnthropic, status: int, error: type[anthropic.APIStatusError]
) -> None:
    """The SDK finds type, message and request id where it looks for them."""
    with pytest.raises(error) as caught:
        await claude.messages.create(**messages(f"error {status}"))
    assert caught.value.status_code == status
    assert caught.value.request_id
    assert caught.value.body["error"]["message"].endswith(f"{status}.")


async def test_openai_statuses(gpt: openai.AsyncOpenAI) -> None:
    """With a code, and the seconds to wait."""
    with pytest.raises(openai.RateLimitError) as caught:
        await gpt.responses.create(model="m", input="error 429")
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.response.headers["retry-after"] == "1"


async def test_once_lets_a_retry_through(provider: RunningProvider) -> None:
    """The SDK's own retry gets the answer."""
    async with anthropic.AsyncAnthropic(base_url=provider.base_url, api_key="any", max_retries=1) as client:
        await client.messages.create(**messages("error 500 once"))
    assert [request.status for request in provider.requests] == [500, 200]


async def messages_stream(claude: anthropic.AsyncAnthropic, gpt: openai.AsyncOpenAI, prompt: str) -> None:
    async for _ in await claude.messages.create(**messages(prompt, stream=True)):
        pass


async def chat_stream(claude: anthropic.AsyncAnthropic, gpt: openai.AsyncOpenAI, prompt: str) -> None:
    said = [{"role": "user", "content": prompt}]
    async for _ in await gpt.chat.completions.create(model="m", messages=said, stream=True):  # type: ignore[call-overload]
        pass


async def responses_stream(claude: anthropic.AsyncAnthropic, gpt: openai.AsyncOpenAI, prompt: str) -> None:
    async for event in await gpt.responses.create(model="m", input=prompt, stream=True):
        if event.type == "response.failed":
            raise openai.OpenAIError(event.response.error.message)


@pytest.mark.parametrize("stream", [messages_stream, chat_stream, responses_stream])
async def test_an_error_in_the_middle_of_a_stream_is_one_that_the_sdk_sees(
    stream: Callable[..., Any], claude: anthropic.AsyncAnthropic, gpt: openai.AsyncOpenAI
) -> None:
    """The error event has the form of its API."""
    with pytest.raises((anthropic.APIError, openai.OpenAIError), match="break off here"):
        await stream(claude, gpt, "error mid-stream")


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_cut_breaks_the_connection_off(http: httpx.AsyncClient, streaming: bool) -> None:
    """A part arrives, then the connection closes before the answer is whole."""
    received = b""
    with pytest.raises(httpx.RemoteProtocolError):
        async with http.stream(
            "POST", "/v1/messages", headers=ANTHROPIC, json=messages("cut", stream=streaming)
        ) as answer:
            assert answer.status_code == 200
            async for piece in answer.aiter_raw():
                received += piece
    assert received
    assert b"message_stop" not in received


async def test_a_client_that_leaves_is_noticed(provider: RunningProvider, http: httpx.AsyncClient) -> None:
    """The provider stops sending and remembers that nobody waited."""
    async with http.stream("POST", "/v1/messages", headers=ANTHROPIC, json=messages("slow", stream=True)) as answer:
        await anext(answer.aiter_raw())
    with anyio.fail_after(5):
        await provider.requests[0].ended()
    assert provider.requests[0].abandoned


async def test_a_provider_that_stops_breaks_running_answers_off() -> None:
    """A test doesn't wait for a stream that it forgot."""
    async with httpx.AsyncClient(headers=ANTHROPIC) as client:
        with anyio.fail_after(5):
            async with scripted_provider() as provider:
                url = f"{provider.base_url}/v1/messages"
                request = client.build_request("POST", url, json=messages("slow", stream=True))
                answer = await client.send(request, stream=True)
        with pytest.raises(httpx.HTTPError):
            await answer.aread()


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "says"),
    [
        ("POST", "/v1/messages", {"anthropic-version": "2023-06-01"}, messages("Hi"), 401, "No API key"),
        ("POST", "/v1/messages", {"x-api-key": "any"}, messages("Hi"), 400, "anthropic-version"),
        ("POST", "/v1/messages", ANTHROPIC, {"model": "m", "max_tokens": 1}, 400, "messages: Field required"),
        ("POST", "/v1/messages", ANTHROPIC, {"model": "m", "messages": []}, 400, "max_tokens: Field required"),
        ("POST", "/v1/messages", ANTHROPIC, [], 400, "JSON object"),
        ("POST", "/v1/chat/completions", OPENAI, {"messages": []}, 400, "model: Field required"),
        ("POST", "/v1/responses", OPENAI, {"model": "m", "input": [{"role": "x"}]}, 400, "Unexpected role"),
        ("GET", "/v1/messages", ANTHROPIC, None, 405, "takes POST"),
        ("POST", "/v1/nothing", OPENAI, {}, 404, "/v1/nothing"),
    ],
)
async def test_what_the_real_api_would_refuse_is_refused(
    http: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], body: Any, status: int, says: str
) -> None:
    """With a message that names the fault, in the API's error shape."""
    answer = await http.request(method, path, headers=headers, json=body)
    assert answer.status_code == status
    assert says in answer.json()["error"]["message"]
    assert ("type" in answer.json()) == path.startswith("/v1/messages")


async def test_a_websocket_upgrade_is_refused_so_that_codex_goes_on_at_once(http: httpx.AsyncClient) -> None:
    """426, not 403."""
    upgrade = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer = await http.get("/v1/responses", headers=OPENAI | upgrade)
    assert answer.status_code == 426
