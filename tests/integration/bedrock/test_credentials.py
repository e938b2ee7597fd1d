"""The gateway's credentials on AWS: roles, their renewal, and what is said when there are none."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import anyio
import pytest

from support.aws import signed_by
from support.bedrock import SECRET, Bedrock, ask, bedrock
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import Running

pytestmark = pytest.mark.anyio

ROLE = "arn:aws:iam::123456789012:role/aibridge"
ANSWER = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIAROLE{number}</AccessKeyId><SecretAccessKey>secret-of-the-role</SecretAccessKey>
<SessionToken>token-{number}</SessionToken><Expiration>{expires}</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>"""
REFUSED = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>arn:aws:iam::1234</Message></Error></ErrorResponse>"


class Sts:
    """Gives a role's credentials, numbered, which expire after so many seconds; may hold or refuse."""

    def __init__(self, lifetime: float) -> None:
        self.lifetime = lifetime
        self.asked: list[Received] = []
        self.open = anyio.Event()
        self.open.set()
        self.refuses = False

    async def __call__(self, request: Received, answer: Answering) -> None:
        self.asked.append(request)
        number = len(self.asked)
        await self.open.wait()
        if self.refuses:
            await answer.whole(REFUSED, 403, ("content-type", "text/xml"))
            return
        expires = (datetime.now(UTC) + timedelta(seconds=self.lifetime)).isoformat()  # noqa: TID251 (botocore's clock)
        body = ANSWER.format(number=number, expires=expires)
        await answer.whole(body.encode(), 200, ("content-type", "text/xml"))


async def key_of_next_request(up: Running, provider: Bedrock) -> str:
    """Which credentials Bedrock sees."""
    assert (await ask(up))[0] == 200
    scope = signed_by(provider.asked[-1], "secret-of-the-role")
    assert provider.asked[-1].header("x-amz-security-token") == f"token-{scope['key_id'][-1]}"
    return scope["key_id"]


async def test_a_role_is_taken_with_its_external_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """STS is asked once, with the configured key; requests are signed with what it gave."""
    provider, sts = Bedrock(), Sts(lifetime=3600)
    async with raw_upstream(sts) as issuer:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", issuer.url)
        async with bedrock(tmp_path, provider, role_arn=ROLE, external_id="ours-7") as up:
            assert [await key_of_next_request(up, provider) for _ in range(2)] == ["ASIAROLE1"] * 2
    (question,) = sts.asked
    form = {name: value for name, (value,) in parse_qs(question.body.decode()).items()}
    assert (form["Action"], form["RoleArn"], form["ExternalId"]) == ("AssumeRole", ROLE, "ours-7")
    assert form["RoleSessionName"] == "aibridge"
    assert signed_by(question, SECRET)["service"] == "sts"


async def test_credentials_are_renewed_beside_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While STS is slow, requests go on with what is still good; afterwards they have the new ones."""
    provider, sts = Bedrock(), Sts(lifetime=300)
    async with raw_upstream(sts) as issuer:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", issuer.url)
        async with bedrock(tmp_path, provider, role_arn=ROLE) as up:
            with anyio.fail_after(20):
                assert await key_of_next_request(up, provider) == "ASIAROLE1"
                sts.open, sts.lifetime = anyio.Event(), 3600
                for _ in range(5):
                    assert await key_of_next_request(up, provider) == "ASIAROLE1"
                sts.open.set()
                while await key_of_next_request(up, provider) != "ASIAROLE2":
                    await anyio.sleep(0.01)
    assert len(sts.asked) == 2


async def test_a_renewal_that_fails_harms_nobody_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests go on for as long as AWS takes what there is, and STS isn't asked for each."""
    provider, sts = Bedrock(), Sts(lifetime=300)
    async with raw_upstream(sts) as issuer:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", issuer.url)
        async with bedrock(tmp_path, provider, role_arn=ROLE) as up:
            assert await key_of_next_request(up, provider) == "ASIAROLE1"
            sts.refuses = True
            with anyio.fail_after(20):
                while len(sts.asked) < 2:
                    assert await key_of_next_request(up, provider) == "ASIAROLE1"
            for _ in range(3):
                assert await key_of_next_request(up, provider) == "ASIAROLE1"
    assert len(sts.asked) == 2


async def test_credentials_that_are_about_to_expire_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signature that comes too late would be refused; the request waits for others."""
    provider, sts = Bedrock(), Sts(lifetime=30)
    async with raw_upstream(sts) as issuer:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", issuer.url)
        async with bedrock(tmp_path, provider, role_arn=ROLE) as up:
            assert [await key_of_next_request(up, provider) for _ in range(2)] == ["ASIAROLE1", "ASIAROLE2"]


async def test_a_refused_role_is_an_error_that_names_no_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client learns AWS's code; the interception has failed; Bedrock isn't asked."""
    provider, sts = Bedrock(), Sts(lifetime=3600)
    sts.refuses = True
    async with raw_upstream(sts) as issuer:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", issuer.url)
        async with bedrock(tmp_path, provider, role_arn=ROLE) as up:
            status, _, body = await ask(up)
            (record,) = await up.ended()
    assert (status, provider.asked, record["status"]) == (502, [], "failed")
    assert "AccessDenied" in body.decode()
    assert "1234" not in body.decode()


async def test_without_any_credentials_the_first_request_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default chain finds nothing: no variable, no profile, no machine role."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    provider = Bedrock()
    async with bedrock(tmp_path, provider, access_key="", access_key_secret="") as up:
        status, _, body = await ask(up)
    assert (status, provider.asked) == (502, [])
    assert "no AWS credentials found" in body.decode()


async def test_the_default_chain_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a profile of the shared file, with a token."""
    (tmp_path / "credentials").write_text(
        "[team]\naws_access_key_id=AKIATEAM\naws_secret_access_key=secret-of-the-role\naws_session_token=token-M\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    provider = Bedrock()
    async with bedrock(tmp_path, provider, access_key="", access_key_secret="", profile="team") as up:
        assert await key_of_next_request(up, provider) == "AKIATEAM"
