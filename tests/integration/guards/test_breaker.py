"""Circuit breakers over real HTTP, for every API."""

import json
from pathlib import Path

import pytest

from aibridge_core.breaker import BreakerPolicy
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import Running, running_gateway

pytestmark = pytest.mark.anyio

POLICY = BreakerPolicy(enabled=True, failure_threshold=2, timeout=30)
MESSAGES = ("/anthropic/v1/messages", {"model": "m-1", "max_tokens": 9, "messages": []})
CHAT = ("/openai/v1/chat/completions", {"model": "m-1", "messages": []})
RESPONSES = ("/openai/v1/responses", {"model": "m-1", "input": "hi"})
OPENAI_BODY = {"message": "circuit breaker is open", "type": "server_error", "code": "service_unavailable"}


class Failing:
    """Answers with a status, and counts."""

    def __init__(self, status: int = 503) -> None:
        self.status = status
        self.calls = 0

    async def __call__(self, request: Received, answer: Answering) -> None:
        self.calls += 1
        if self.status:
            await answer.whole(b'{"error":{"message":"of the provider"}}', self.status)
        else:
            answer.reset()


async def ask(up: Running, path: str, body: dict[str, object]) -> tuple[int, dict[str, str], dict[str, object]]:
    async with up.client() as client:
        answer = await client.post(path, json=body, headers={**up.openai})
        return answer.status_code, dict(answer.headers), json.loads(answer.content)


@pytest.mark.parametrize(
    ("route", "error"),
    [
        (MESSAGES, {"type": "overloaded_error", "message": "circuit breaker is open"}),
        (CHAT, OPENAI_BODY),
        (RESPONSES, OPENAI_BODY),
    ],
)
async def test_an_open_breaker_answers_itself(
    tmp_path: Path, route: tuple[str, dict[str, object]], error: dict[str, str]
) -> None:
    """In the API's shape, saying when to come back; the provider is left alone, and the request is recorded."""
    provider = Failing()
    async with (
        raw_upstream(provider) as upstream,
        running_gateway(tmp_path, upstream.url, circuit_breaker=POLICY) as up,
    ):
        for _ in range(2):
            assert (await ask(up, *route))[0] == 503
        status, headers, body = await ask(up, *route)
        assert (status, provider.calls) == (503, 2)
        assert headers["retry-after"] in {"29", "30"}
        assert body["error"].items() >= error.items()  # type: ignore[attr-defined]
        newest = (await up.ended(3))[0]
        assert (newest["status"], newest["error_type"], newest["error_message"]) == (
            "failed",
            "overloaded",
            "circuit breaker is open",
        )


@pytest.mark.parametrize(
    ("route", "status", "opens"),
    [
        (MESSAGES, 429, True),
        (MESSAGES, 504, True),
        (MESSAGES, 529, True),
        (CHAT, 529, False),
        (MESSAGES, 500, False),
        (MESSAGES, 400, False),
        (MESSAGES, 0, True),
    ],
)
async def test_what_counts_as_a_failure(
    tmp_path: Path, route: tuple[str, dict[str, object]], status: int, opens: bool
) -> None:
    """Overload and connections that break; whatever else says nothing of the provider's health."""
    provider = Failing(status)
    async with (
        raw_upstream(provider) as upstream,
        running_gateway(tmp_path, upstream.url, circuit_breaker=POLICY, upstream_retries=0) as up,
    ):
        for _ in range(2):
            await ask(up, *route)
        await ask(up, *route)
        assert provider.calls == (2 if opens else 3)
        other = {**route[1], "model": "m-2"}
        await ask(up, route[0], other)
        assert provider.calls == (3 if opens else 4)


async def test_off_by_default(tmp_path: Path) -> None:
    """Nothing is refused."""
    provider = Failing()
    async with raw_upstream(provider) as upstream, running_gateway(tmp_path, upstream.url) as up:
        for _ in range(7):
            await ask(up, *MESSAGES)
        assert provider.calls == 7
