"""Models that are asked through inference profiles: which model it was is recorded, and nobody waits for that."""

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import anthropic
import anyio
import pytest

from aibridge_adapters.aws import profiles
from support.aws import signed_by
from support.bedrock import JSON, SECRET, SONNET, Bedrock, ask, bedrock
from support.raw_upstream import Answering, Received
from support.running import Running

pytestmark = pytest.mark.anyio

ACCOUNT = "arn:aws:bedrock:eu-central-1:123456789012"
PROFILE = f"{ACCOUNT}:application-inference-profile/abc123def456"
MODEL = SONNET.removeprefix("eu.")
BODY = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is."""
    monkeypatch.setattr(profiles, "PATIENCE", 20.0)


async def invoke(up: Running, model: str) -> int:
    async with up.client() as client:
        path = f"/bedrock/model/{quote(model, safe='')}/invoke"
        return (await client.post(path, json=BODY, headers=up.anthropic)).status_code


def questions(provider: Bedrock) -> Sequence[str]:
    return [request.target for request in provider.asked if request.method == "GET"]


async def test_the_official_client_names_a_profile(tmp_path: Path) -> None:
    """Bedrock is asked through the profile, with a signature over its name; the model behind it is what is recorded."""
    provider = Bedrock()
    async with bedrock(tmp_path, provider) as up:
        client = anthropic.AsyncAnthropicBedrock(
            api_key=up.token, aws_region="eu-central-1", base_url=f"{up.url}/bedrock", max_retries=0
        )
        async with client:
            for _ in range(2):
                await client.messages.create(model=PROFILE, max_tokens=9, messages=[{"role": "user", "content": "hi"}])
        records = await up.ended(2)
    assert questions(provider) == [f"/inference-profiles/{quote(PROFILE, safe='')}"]
    for request in provider.asked:
        assert signed_by(request, SECRET)["service"] == "bedrock"
    asked = [request.target for request in provider.asked if request.method == "POST"]
    assert asked == [f"/model/{ACCOUNT}:application-inference-profile%2Fabc123def456/invoke"] * 2
    for record in records:
        assert (record["model"], record["metadata"]["inference_profile"]) == (MODEL, PROFILE)


async def test_a_profile_in_the_configuration(tmp_path: Path) -> None:
    """Clients of the Messages API are mapped to it, their bodies adapted to the model behind it, and so are counts."""
    provider = Bedrock()
    async with bedrock(tmp_path, provider, model=PROFILE) as up:
        status, _, _ = await ask(up, max_tokens=10_000, thinking={"type": "adaptive"})
        (record,) = await up.ended()
        async with up.client() as client:
            counted = await client.post(
                "/bedrock/v1/messages/count_tokens", json={"model": "m", "messages": []}, headers=up.anthropic
            )
    question, asked, counting = provider.asked
    assert (status, counted.json()) == (200, {"input_tokens": 4711})
    assert signed_by(asked, SECRET)["path"] == f"/model/{PROFILE}/invoke"
    assert json.loads(asked.body)["thinking"] == {"type": "enabled", "budget_tokens": 8000}
    assert signed_by(counting, SECRET)["path"] == f"/model/{MODEL}/count-tokens"
    assert question.header("authorization") is not None
    assert (record["model"], record["metadata"]["inference_profile"]) == (MODEL, PROFILE)


@pytest.mark.parametrize(
    ("named", "recorded"),
    [
        (f"arn:aws:bedrock:eu-central-1::foundation-model/{MODEL}", MODEL),
        (f"{ACCOUNT}:inference-profile/{SONNET}", SONNET),
        (f"global.{MODEL}", f"global.{MODEL}"),
        (f"{ACCOUNT}:provisioned-model/abcdefghijkl", f"{ACCOUNT}:provisioned-model/abcdefghijkl"),
        (PROFILE.replace("eu-central-1", "us-east-1"), PROFILE.replace("eu-central-1", "us-east-1")),
        (f"{PROFILE}/../../x", f"{PROFILE}/../../x"),
    ],
)
async def test_names_that_nobody_needs_to_be_asked_for(tmp_path: Path, named: str, recorded: str) -> None:
    """They say it themselves, or it isn't for this region's control plane to say; hosts never come from an ARN."""
    provider = Bedrock()
    async with bedrock(tmp_path, provider) as up:
        status = await invoke(up, named)
        found = await up.interceptions()
    assert questions(provider) == []
    if ".." in named:
        assert (status, found) == (404, [])
    else:
        assert (status, found[0]["model"]) == (200, recorded)
        assert signed_by(provider.asked[0], SECRET)["path"] == f"/model/{named}/invoke"


class Silent(Bedrock):
    """Its control plane says what the test wants, or nothing."""

    def __init__(self, status: int = 0, body: bytes = b"{}") -> None:
        super().__init__()
        self.status, self.body = status, body

    async def profile(self, request: Received, answer: Answering) -> None:
        if self.status:
            await answer.whole(self.body, self.status, JSON)
        else:
            await answer.hung_up()


@pytest.mark.parametrize(
    ("status", "body", "asked_again"),
    [
        (403, b'{"message":"no"}', True), (404, b"{}", True), (200, b"[]", True), (200, b'{"models":[]}', True),
        (500, b"{}", False), (429, b"{}", False), (200, b"x" * 70_000, False), (0, b"", False),
    ],
)  # fmt: skip
async def test_a_control_plane_that_doesnt_tell_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, *, asked_again: bool
) -> None:
    """Requests pass with the ARN as their model; one it doesn't know costs one question, one that fails rests."""
    if not status:
        monkeypatch.setattr(profiles, "PATIENCE", 0.2)
    provider = Silent(status, body)
    other = f"{PROFILE}0"
    async with bedrock(tmp_path, provider) as up:
        with anyio.fail_after(10):
            for name in (PROFILE, PROFILE, other):
                assert await invoke(up, name) == 200
        records = await up.ended(3)
        async with up.client() as client:
            counted = await client.post(
                "/bedrock/v1/messages/count_tokens", json={"model": "m", "messages": []}, headers=up.anthropic
            )
    assert [record["model"] for record in records] == [other, PROFILE, PROFILE]
    assert all("inference_profile" not in record["metadata"] for record in records)
    assert len(questions(provider)) == (2 if asked_again else 1)
    assert counted.json() == {"input_tokens": 4711}  # the configured model is no profile


async def test_tokens_of_an_unknown_model_arent_counted(tmp_path: Path) -> None:
    """The client is told that this gateway can't, so that it estimates."""
    provider = Silent(403)
    async with bedrock(tmp_path, provider, model=PROFILE) as up, up.client() as client:
        answer = await client.post(
            "/bedrock/v1/messages/count_tokens", json={"model": "m", "messages": []}, headers=up.anthropic
        )
    assert (answer.status_code, answer.json()["error"]["type"]) == (501, "not_supported")
    assert "bedrock:GetInferenceProfile" in answer.json()["error"]["message"]
    assert "123456789012" not in answer.text


async def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members may name any ARN; the oldest are forgotten, and asked for again when they come back."""
    monkeypatch.setattr(profiles, "KEPT", 2)
    provider = Bedrock()
    async with bedrock(tmp_path, provider) as up:
        for name in ("a", "b", "a", "c", "a", "b"):
            assert await invoke(up, f"{ACCOUNT}:application-inference-profile/{name}") == 200
    assert [target[-1] for target in questions(provider)] == ["a", "b", "c", "b"]


async def test_clients_in_bedrock_mode_ask_for_profiles_themselves(tmp_path: Path) -> None:
    """Claude Code does; it may read them, signed by the gateway, and nothing else of the control plane."""
    provider = Bedrock()
    path = f"/bedrock/inference-profiles/{quote(PROFILE, safe='')}"
    headers_of = {"authorization": "Bearer {}"}
    async with bedrock(tmp_path, provider) as up, up.client() as client:
        headers = {name: value.format(up.token) for name, value in headers_of.items()}
        one = await client.get(path, headers=headers)
        listed = await client.get("/bedrock/inference-profiles?type=APPLICATION", headers=headers)
        refused = [
            (await client.request(method, target, headers=headers)).status_code
            for method in ("DELETE", "POST", "PUT", "PATCH")
            for target in (path, "/bedrock/inference-profiles")
        ]
        deeper = await client.get(f"{path}/tags", headers=headers)
        assert await up.interceptions() == []
    assert one.json()["inferenceProfileName"] == "team-a"
    assert listed.status_code == 200
    assert (set(refused), deeper.status_code) == ({405}, 404)
    assert [request.target for request in provider.asked] == [
        path.removeprefix("/bedrock"), "/inference-profiles?type=APPLICATION"
    ]  # fmt: skip
    assert all(signed_by(request, SECRET) for request in provider.asked)


async def test_without_a_control_plane_there_are_no_profiles(tmp_path: Path) -> None:
    """An operator's own base URL says nothing of where another service is, so none is asked."""
    provider = Bedrock()
    async with bedrock(tmp_path, provider, control_url="") as up, up.client() as client:
        assert await invoke(up, PROFILE) == 200
        (record,) = await up.ended()
        answer = await client.get("/bedrock/inference-profiles", headers=up.anthropic)
    assert record["model"] == PROFILE
    assert (answer.status_code, answer.json()["__type"]) == (404, "ResourceNotFoundException")
    assert questions(provider) == []
