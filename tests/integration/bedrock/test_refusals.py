"""What clients hear and what is recorded when Amazon Bedrock refuses."""

import json
from pathlib import Path
from typing import Any

import anthropic
import pytest

from support.bedrock import SONNET, Refusing, ask, bedrock

pytestmark = pytest.mark.anyio

DENIED = (
    "User: arn:aws:sts::123456789012:assumed-role/aibridge/aibridge is not authorized to perform: bedrock:InvokeModel "
    "on resource: arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.x because no policy "
    "allows it"
)
REFUSALS: dict[str, tuple[int, str, dict[str, Any], str, str]] = {
    "throttled": (
        429, "ThrottlingException:http://x/", {"message": "Too many tokens"}, "rate_limit_error", "rate_limited",
    ),
    "too long": (
        400, "ValidationException", {"message": "Input is too long for requested model."},
        "invalid_request_error", "bad_request",
    ),
    "no access": (403, "AccessDeniedException", {"Message": "denied"}, "permission_error", "unauthorized"),
    "bad signature": (403, "InvalidSignatureException", {"message": "clock"}, "authentication_error", "unauthorized"),
    "named in the body": (404, "", {"__type": "a.b#ResourceNotFoundException"}, "not_found_error", "bad_request"),
    "not ready": (429, "ModelNotReadyException", {"message": "warming up"}, "overloaded_error", "rate_limited"),
    "model took too long": (408, "ModelTimeoutException", {"message": "slow"}, "timeout_error", "timeout"),
    "no name": (503, "", {"text": "?"}, "overloaded_error", "overloaded"),
}  # fmt: skip


@pytest.mark.parametrize(("status", "name", "said", "type", "recorded"), REFUSALS.values(), ids=REFUSALS.keys())
@pytest.mark.parametrize("stream", [False, True], ids=["blocking", "streaming"])
async def test_errors_come_in_the_shape_of_the_messages_api(
    tmp_path: Path, status: int, name: str, said: dict[str, Any], type: str, recorded: str, *, stream: bool
) -> None:
    """Same status, same words, the API's own type; the interception has failed with them."""
    async with bedrock(tmp_path, Refusing(status, name, said)) as up:
        got, kind, body = await ask(up, stream=stream)
        (record,) = await up.ended()
    answer = json.loads(body)
    assert (got, kind, answer["type"], answer["error"]["type"]) == (status, "application/json", "error", type)
    expected = said.get("message") or said.get("Message") or f"Amazon Bedrock answered with status {status}"
    assert answer["error"]["message"] == expected
    assert (record["status"], record["error_type"], record["error_message"]) == ("failed", recorded, expected)


async def test_messages_that_name_the_account_are_told_without_it(tmp_path: Path) -> None:
    """Who was refused is the gateway: its role and account stay with its operator; the rest says what to do."""
    async with bedrock(tmp_path, Refusing(403, "AccessDeniedException", {"message": DENIED})) as up:
        _, _, body = await ask(up)
        (record,) = await up.ended()
    told = json.loads(body)["error"]["message"]
    assert told == (
        "User: [withheld] is not authorized to perform: bedrock:InvokeModel on resource: [withheld] because no policy "
        "allows it"
    )
    assert record["error_message"] == told


async def test_the_official_client_knows_its_errors(tmp_path: Path) -> None:
    """The SDK raises what it raises for Anthropic's own API, and AWS's request id is there to ask AWS with."""
    async with (
        bedrock(tmp_path, Refusing(429, "ThrottlingException", {"message": "slow down"})) as up,
        anthropic.AsyncAnthropic(api_key=up.token, base_url=f"{up.url}/bedrock", max_retries=0) as client,
    ):
        with pytest.raises(anthropic.RateLimitError, match="slow down") as raised:
            await client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    assert raised.value.response.headers["x-amzn-requestid"] == "r-1"


async def test_errors_that_are_the_apis_own_stay_as_they_are(tmp_path: Path) -> None:
    """Byte for byte."""
    said = {"error": {"message": "m", "type": "overloaded_error"}, "type": "error", "request_id": "q"}
    async with bedrock(tmp_path, Refusing(529, "", said)) as up:
        status, _, body = await ask(up)
    assert (status, body) == (529, json.dumps(said).encode())


async def test_clients_in_bedrock_mode_get_awss_own(tmp_path: Path) -> None:
    """Byte for byte, with the header that names the exception."""
    said = {"message": "Too many tokens"}
    async with bedrock(tmp_path, Refusing(429, "ThrottlingException", said)) as up, up.client() as client:
        answer = await client.post(f"/bedrock/model/{SONNET}/invoke", json={"max_tokens": 1}, headers=up.anthropic)
        (record,) = await up.ended()
    assert (answer.status_code, answer.content) == (429, json.dumps(said).encode())
    assert answer.headers["x-amzn-errortype"] == "ThrottlingException"
    assert (record["status"], record["error_type"], record["error_message"]) == (
        "failed",
        "rate_limited",
        said["message"],
    )


async def test_safeguards_are_not_left_out_in_silence(tmp_path: Path) -> None:
    """A policy that Bedrock doesn't know is refused by name; tags, which are no policy, are left out."""
    async with bedrock(tmp_path, Refusing(200, "", {})) as up:
        status, _, body = await ask(up, safeguards={"x": 1})
    assert (status, json.loads(body)["error"]["type"]) == (400, "invalid_request_error")
    assert "safeguards" in json.loads(body)["error"]["message"]
