"""Amazon Bedrock as tests play it, and a gateway before it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aibridge_adapters.config import BedrockSettings, ProviderSettings
from support.aws import ANSWER, EVENT_STREAM, chunks
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import Running, running_gateway

SECRET = "the-secret-of-the-access-key"
KEYS = {"region": "eu-central-1", "access_key": "AKIAEXAMPLE0123456789", "access_key_secret": SECRET}
SONNET = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
HAIKU = "eu.anthropic.claude-haiku-4-5-20251001-v1:0"
BODY = {"model": "claude-sonnet-4-5", "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}
MESSAGE = {**ANSWER[0]["message"], "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn"}  # type: ignore[dict-item]
JSON = ("content-type", "application/json")


class Bedrock:
    """A provider that answers as Bedrock does, and remembers what it was asked."""

    def __init__(self, *pieces: bytes) -> None:
        """`pieces`: of each stream."""
        self.pieces = pieces or tuple(chunks(*ANSWER))
        self.asked: list[Received] = []

    async def __call__(self, request: Received, answer: Answering) -> None:
        self.asked.append(request)
        if request.target.endswith("/invoke-with-response-stream"):
            await answer.head(200, EVENT_STREAM, ("transfer-encoding", "chunked"))
            for piece in self.pieces:
                await answer.chunk(piece)
            await answer.raw(b"0\r\n\r\n")
        elif request.target.endswith("/count-tokens"):
            await answer.whole(b'{"inputTokens": 4711}', 200, JSON)
        elif request.target.startswith("/inference-profiles"):
            await self.profile(request, answer)
        else:
            await answer.whole(json.dumps(MESSAGE).encode(), 200, JSON)

    async def profile(self, request: Received, answer: Answering) -> None:
        """What the control plane says of a profile: Sonnet is behind every one."""
        model = f"arn:aws:bedrock:eu-central-1::foundation-model/{SONNET.removeprefix('eu.')}"
        said = {"inferenceProfileName": "team-a", "models": [{"modelArn": model}], "status": "ACTIVE"}
        await answer.whole(json.dumps(said).encode(), 200, JSON)


class Refusing:
    """One that refuses everything in the same words."""

    def __init__(self, status: int, name: str, body: Mapping[str, Any]) -> None:
        """`name`: of the exception, as the header has it; empty if there is no such header."""
        self.status = status
        self.named = (("x-amzn-errortype", name),) if name else ()
        self.body = json.dumps(body).encode()

    async def __call__(self, request: Received, answer: Answering) -> None:
        await answer.whole(self.body, self.status, JSON, ("x-amzn-requestid", "r-1"), *self.named)


@asynccontextmanager
async def bedrock(
    tmp_path: Path, provider: Bedrock | Refusing, type: str = "bedrock", *, tracer_provider: Any = None, **more: str
) -> AsyncIterator[Running]:
    """A gateway with a provider named `bedrock`; `more` goes into its settings for AWS."""
    async with raw_upstream(provider) as upstream:
        settings = {**KEYS, "model": SONNET, "small_fast_model": HAIKU, "control_url": upstream.url, **more}
        provider_settings = ProviderSettings(
            type=type, name="bedrock", base_url=upstream.url, bedrock=BedrockSettings(**settings)
        )
        async with running_gateway(
            tmp_path, upstream.url, tracer_provider=tracer_provider, providers=(provider_settings,)
        ) as up:
            yield up


async def ask(up: Running, path: str = "/bedrock/v1/messages?beta=true", **more: Any) -> tuple[int, str, bytes]:
    """Status, content type and body of an answer."""
    async with up.client() as client:
        answer = await client.post(path, json={**BODY, **more}, headers={**up.anthropic, "x-amz-security-token": "own"})
        return answer.status_code, answer.headers["content-type"], answer.content


def sse(body: bytes) -> list[dict[str, Any]]:
    """The events of a stream."""
    return [json.loads(line.removeprefix("data: ")) for line in body.decode().splitlines() if line.startswith("data: ")]
