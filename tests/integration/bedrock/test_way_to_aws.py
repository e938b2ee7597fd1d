"""The whole way to AWS through a company's proxy: the role, the profile and the model."""

import ssl
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import trustme

from aibridge_adapters.aws import profiles
from aibridge_adapters.config import BedrockSettings, ProviderSettings
from integration.bedrock.test_credentials import ANSWER, ROLE
from integration.bedrock.test_profiles import MODEL, PROFILE
from integration.upstream.peers import listening, tunnelling
from support.aws import signed_by
from support.bedrock import KEYS, Bedrock, ask
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import running_gateway

pytestmark = pytest.mark.anyio


class Aws(Bedrock):
    """All of AWS that is needed."""

    async def __call__(self, request: Received, answer: Answering) -> None:
        if (request.header("host") or "").startswith("sts."):
            assert parse_qs(request.body.decode())["Action"] == ["AssumeRole"]
            body = ANSWER.format(number=1, expires="2099-01-01T00:00:00Z")
            await answer.whole(body.encode(), 200, ("content-type", "text/xml"))
        else:
            await super().__call__(request, answer)


async def test_everything_goes_through_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By AWS's own host names, with the company's certificates, signed for those hosts."""
    monkeypatch.setattr(profiles, "PATIENCE", 20.0)
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("*.eu-central-1.amazonaws.com").configure_cert(tls)
    aws = Aws()
    provider = ProviderSettings(
        type="bedrock", name="bedrock", base_url="https://bedrock-runtime.eu-central-1.amazonaws.com",
        bedrock=BedrockSettings(
            **KEYS, model=PROFILE, role_arn=ROLE, control_url="https://bedrock.eu-central-1.amazonaws.com"
        ),
    )  # fmt: skip
    async with raw_upstream(aws, tls=tls) as server, listening(tunnelling(server.port)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with running_gateway(tmp_path, server.url, providers=(provider,), ca_bundle=bundle) as up:
            status, _, _ = await ask(up, stream=True)
            (record,) = await up.ended()
    assert (status, record["status"], record["model"]) == (200, "completed", MODEL)
    assert [request.header("host") for request in aws.asked] == [
        "bedrock.eu-central-1.amazonaws.com", "bedrock-runtime.eu-central-1.amazonaws.com"
    ]  # fmt: skip
    for request in aws.asked:
        assert signed_by(request, "secret-of-the-role")["key_id"] == "ASIAROLE1"
    hosts = {request.split(b" ")[1] for request in proxy.requests}
    assert hosts == {
        b"sts.eu-central-1.amazonaws.com:443", b"bedrock.eu-central-1.amazonaws.com:443",
        b"bedrock-runtime.eu-central-1.amazonaws.com:443",
    }  # fmt: skip
