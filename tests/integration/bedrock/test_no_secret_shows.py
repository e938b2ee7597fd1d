"""Secrets of AWS are looked for in everything that a real gateway leaves behind."""

from pathlib import Path

import httpx
import pytest

from integration.bedrock.test_credentials import ANSWER, ROLE
from integration.logs.serving import HEADERS, body, serving
from support.aws import signed_by
from support.bedrock import Bedrock, Refusing
from support.raw_upstream import Answering, Received, raw_upstream

pytestmark = pytest.mark.anyio

KEY_SECRET = "canary-of-the-access-key-0123456789"
KEY_SESSION = "canary-of-its-session-0123456789"
ROLE_SECRET = "canary-of-the-role-0123456789"
ROLE_SESSION = "canary-token-of-the-role-0123456789"
SECRETS = (KEY_SECRET, KEY_SESSION, ROLE_SECRET, ROLE_SESSION)


async def sts(request: Received, answer: Answering) -> None:
    """Gives the role's credentials."""
    text = ANSWER.format(number=1, expires="2099-01-01T00:00:00Z")
    text = text.replace("secret-of-the-role", ROLE_SECRET).replace("token-1", ROLE_SESSION)
    await answer.whole(text.encode(), 200, ("content-type", "text/xml"))


class Quoting(Bedrock):
    """Answers once, then refuses with what it was sent in its words, as some servers do."""

    async def __call__(self, request: Received, answer: Answering) -> None:
        if not self.asked:
            await super().__call__(request, answer)
            return
        self.asked.append(request)
        said = {"message": f"bad token {request.header('x-amz-security-token')}"}
        await Refusing(403, "UnrecognizedClientException", said)(request, answer)


async def test_secrets_of_aws_are_found_nowhere(tmp_path: Path) -> None:
    """Not in the log at its most talkative, the trail, nor dumps, also where AWS itself quotes one."""
    provider, dumps = Quoting(), tmp_path / "dumps"
    async with raw_upstream(provider) as upstream, raw_upstream(sts) as issuer:
        settings = {
            "TYPE": "bedrock", "NAME": "aws", "BASE_URL": upstream.url, "BEDROCK_REGION": "eu-central-1",
            "BEDROCK_ACCESS_KEY": "AKIAEXAMPLE0123456789", "BEDROCK_ACCESS_KEY_SECRET": KEY_SECRET,
            "BEDROCK_SESSION_TOKEN": KEY_SESSION, "BEDROCK_ROLE_ARN": ROLE, "BEDROCK_MODEL": "anthropic.claude-x",
            "DUMP_DIR": str(dumps),
        }  # fmt: skip
        variables = {f"AIBRIDGE_PROVIDER_1_{name}": value for name, value in settings.items()}
        with (tmp_path / "stderr").open("wb") as stderr:
            talkative = {"AIBRIDGE_LOG_LEVEL": "debug", "AIBRIDGE_STRUCTURED_LOGGING": "true"}
            async with serving(
                tmp_path, upstream.url, stderr=stderr, AWS_ENDPOINT_URL_STS=issuer.url, **talkative, **variables
            ) as up:
                async with httpx.AsyncClient(timeout=20) as client:
                    answers = [
                        await client.post(f"{up.url}/aws/v1/messages", content=body("hi"), headers=HEADERS)
                        for _ in range(2)
                    ]
                assert await up.stop() == 0
    assert [answer.status_code for answer in answers] == [200, 403]
    assert all(signed_by(request, ROLE_SECRET)["key_id"] == "ASIAROLE1" for request in provider.asked)
    assert len(list(dumps.rglob("*"))) >= 2
    left = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    found = [secret for secret in SECRETS if any(secret.encode() in data for data in left)]
    assert found == []
