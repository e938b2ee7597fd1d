"""A test brings its own script and asserts on what the provider received."""

import gzip

import httpx
import pytest
import zstandard

from aibridge_adapters.scripted_provider import (
    Answer,
    Fault,
    HttpFailure,
    Script,
    ScriptedProvider,
    Stop,
    Text,
    Thought,
    ToolCall,
    Turn,
    Usage,
    in_order,
    magic_words,
    scripted_provider,
)
from aibridge_adapters.scripted_provider.wire import to_json

pytestmark = pytest.mark.anyio

HEADERS = {"x-api-key": "secret", "anthropic-version": "2023-06-01", "content-type": "application/json"}
REQUEST = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}


def client_of(provider: ScriptedProvider) -> httpx.AsyncClient:
    """No socket: the ASGI application itself."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(provider), base_url="http://provider", headers=HEADERS)


async def answers(script: Script, times: int = 1) -> list[httpx.Response]:
    async with client_of(ScriptedProvider(script)) as client:
        return [await client.post("/v1/messages", json=REQUEST) for _ in range(times)]


async def test_a_function_of_the_turn_decides() -> None:
    """It sees the request and says everything about the answer."""

    def script(turn: Turn) -> Answer:
        assert (turn.api, turn.prompt, turn.model) == ("messages", "Hi", "m")
        return Answer(
            parts=[Thought("Hm."), Text("So."), ToolCall("look", {"at": "it"})],
            usage=Usage(input=7, output=5, cache_read=3),
            stop=Stop.LENGTH,
        )

    (answer,) = await answers(script)
    message = answer.json()
    assert [block["type"] for block in message["content"]] == ["thinking", "text", "tool_use"]
    assert message["stop_reason"] == "max_tokens"
    assert (message["usage"]["input_tokens"], message["usage"]["cache_read_input_tokens"]) == (7, 3)


async def test_answers_in_order_and_no_more() -> None:
    """What was not scripted is an error that says so."""
    script = in_order(Answer.saying("one"), HttpFailure(status=529), Answer.saying("two"))
    received = await answers(script, times=4)
    assert [answer.status_code for answer in received] == [200, 529, 200, 500]
    assert "asked once more" in received[-1].json()["error"]["message"]


async def test_a_script_that_fails_shows_why() -> None:
    """The test's author reads the exception in the answer."""

    def script(turn: Turn) -> Answer:
        raise LookupError("no such thing")

    (answer,) = await answers(script)
    assert answer.status_code == 500
    assert "no such thing" in answer.text


async def test_an_error_before_a_whole_answer_is_a_status() -> None:
    """There is no middle of an answer that isn't a stream."""
    (answer,) = await answers(in_order(Answer(parts=[Text("So.")], fault=Fault.ERROR)))
    assert answer.status_code == 500


async def test_attempts_at_the_same_prompt_are_counted() -> None:
    """A script can let a retry through."""
    seen: list[int] = []

    def script(turn: Turn) -> Answer:
        seen.append(turn.attempt)
        return Answer.saying("So.")

    await answers(script, times=3)
    assert seen == [1, 2, 3]


async def test_the_same_requests_get_the_same_bytes() -> None:
    """Ids included, unless the seed differs."""
    first, again = [[answer.content for answer in await answers(magic_words, times=2)] for _ in range(2)]
    assert first == again
    assert first[0] != first[1]
    async with client_of(ScriptedProvider(seed="other")) as client:
        assert (await client.post("/v1/messages", json=REQUEST)).content not in first


async def test_what_was_received_is_remembered() -> None:
    """Method, path, query, headers and body, byte for byte."""
    provider = ScriptedProvider()
    body = b'{"model": "m",  "max_tokens": 9, "messages": []}'
    async with client_of(provider) as client:
        await client.post("/base/v1/messages?beta=true", content=body)
    (request,) = provider.requests
    assert (request.method, request.path, request.query) == ("POST", "/base/v1/messages", "beta=true")
    assert request.header("X-Api-Key") == "secret"
    assert request.body == body
    assert request.json["model"] == "m"
    assert request.status == 200


@pytest.mark.parametrize(
    ("coding", "compress"), [("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress)]
)
async def test_compressed_requests_are_read(coding: str, compress: object) -> None:
    """Codex sends zstd."""
    assert callable(compress)
    async with client_of(ScriptedProvider()) as client:
        answer = await client.post(
            "/v1/messages", content=compress(to_json(REQUEST)), headers={"content-encoding": coding}
        )
    assert "Hi" in answer.json()["content"][0]["text"]


async def test_only_known_keys_are_accepted() -> None:
    """If the test says which."""
    async with scripted_provider(keys={"right"}) as provider, httpx.AsyncClient(base_url=provider.base_url) as client:
        wrong = await client.post("/v1/messages", json=REQUEST, headers=HEADERS)
        right = await client.post("/v1/messages", json=REQUEST, headers=HEADERS | {"x-api-key": "right"})
        bearer = {"authorization": "Bearer right"}
        models = await client.get("/v1/models", headers=bearer)
    assert (wrong.status_code, right.status_code, models.status_code) == (401, 200, 200)


async def test_a_failing_test_fails_with_its_own_error() -> None:
    """Nothing is wrapped in a group."""
    with pytest.raises(LookupError, match="mine"):
        async with scripted_provider():
            raise LookupError("mine")
