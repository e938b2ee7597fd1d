"""What a provider's message refuses with, and when it says to come back."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from aibridge_core.cooldown import DEFAULT, cooldown
from aibridge_core.dialects.responses.refusals import refusal

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = "Rate limit reached for m-1 on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000."


def failed(**error: Any) -> dict[str, Any]:
    return {"type": "response.failed", "response": {"id": "r", "status": "failed", "error": error}}


@pytest.mark.parametrize(
    ("message", "status", "seconds"),
    [
        ({"type": "error", "status": 429, "headers": {"Retry-After": "7"}}, 429, 7.0),
        ({"type": "error", "status_code": 429, "headers": {"retry-after-ms": 1500, "retry-after": 9}}, 429, 1.5),
        ({"type": "error", "status": 429, "error": {"type": "x", "resets_in_seconds": 30}}, 429, 30.0),
        ({"type": "error", "status": 401, "error": {"code": "rate_limit_exceeded"}}, 401, DEFAULT),
        ({"type": "error", "status": 429, "headers": {"retry-after": ["7"]}}, 429, DEFAULT),
        ({"type": "error", "code": "rate_limit_exceeded", "message": f"{LIMIT} Please try again in 6ms."}, 429, 0.006),
        ({"type": "error", "error": {"type": "tokens", "code": None}}, 429, DEFAULT),
        ({"type": "error", "error": {"code": "invalid_api_key"}}, 401, DEFAULT),
        (failed(code="rate_limit_exceeded", message=f"{LIMIT} Please try again in 1m2.5s."), 429, 62.5),
        (failed(code="rate_limit_exceeded", message="try again in a while"), 429, DEFAULT),
    ],
)
def test_a_refusal(message: dict[str, Any], status: int, seconds: float) -> None:
    """A status that is said counts, else what its code stands for; hints as over HTTP, then those of the error."""
    found = refusal(json.dumps(message).encode())
    assert found is not None
    assert (found.status, cooldown(found.headers, NOW)) == (status, pytest.approx(seconds))


@pytest.mark.parametrize(
    "message",
    [
        {"type": "response.completed", "status": 429},
        {"type": "response.completed", "response": {"error": {"code": "rate_limit_exceeded"}}},
        {"type": "error", "error": {"code": "invalid_prompt"}},
        {"type": "error", "status": "429"},
        {"type": "error", "status": True},
        {"type": "error", "error": "rate_limit_exceeded"},
        failed(code="server_error"),
        {"type": ["error"], "status": 429},
        [],
        {"error": {"code": "rate_limit_exceeded"}},
    ],
)
def test_anything_else_is_none(message: Any) -> None:
    """A key rests for what its provider says of it, and for nothing that merely looks like it."""
    assert refusal(json.dumps(message).encode()) is None


def test_nonsense_is_none() -> None:
    """Whatever bytes there are."""
    for message in (
        b"",
        b"\xff",
        b"[" * 100_000,
        b'{"type":"error","status":1e400}',
        b'{"type":"error","headers":{"\xff":1}}',
    ):
        assert refusal(message) is None
