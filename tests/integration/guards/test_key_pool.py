"""Several central keys over real HTTP: failover, sessions, exhaustion, and what is recorded of it."""

import json
import logging
from pathlib import Path

import anyio
import httpx
import pytest

from aibridge_adapters.config import PrometheusSettings, ProviderSettings
from support.raw_upstream import Answering, RawUpstream, Received, raw_upstream
from support.running import Running, running_gateway

pytestmark = pytest.mark.anyio

KEYS = ("sk-ant-first-0123456789", "sk-ant-other-0123456789")
BODY = {"model": "m-1", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
ANSWER = json.dumps(
    {"id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": [], "stop_reason": "end_turn",
     "usage": {"input_tokens": 5, "output_tokens": 7}}
).encode()  # fmt: skip
JSON = ("content-type", "application/json")


class Account:
    """A provider that knows keys: by key, what it answers instead of a message."""

    def __init__(self) -> None:
        self.refuses: dict[str, tuple[int, tuple[tuple[str, str], ...]]] = {}
        self.used: list[str] = []

    async def __call__(self, request: Received, answer: Answering) -> None:
        key = request.header("x-api-key") or ""
        self.used.append(key)
        if key in self.refuses:
            status, headers = self.refuses[key]
            await answer.whole(b'{"type":"error","error":{"type":"x","message":"of the provider"}}', status, *headers)
        elif json.loads(request.body).get("stream"):
            await answer.stream(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
        else:
            await answer.whole(ANSWER, 200, JSON)


def pool(upstream: RawUpstream) -> dict[str, object]:
    of_two = ProviderSettings(type="anthropic", name="anthropic", base_url=f"{upstream.url}/", keys=KEYS)
    return {"providers": (of_two,), "prometheus": PrometheusSettings(enable=True)}


async def ask(up: Running, session: str = "", **more: object) -> tuple[int, dict[str, str], bytes]:
    headers = {**up.anthropic, **({"x-claude-code-session-id": session} if session else {})}
    headers |= {"user-agent": "claude-cli/2.1.0 (external, cli)"} if session else {}
    async with up.client() as client:
        answer = await client.post("/anthropic/v1/messages", json={**BODY, **more}, headers=headers)
        return answer.status_code, dict(answer.headers), answer.content


def seconds(text: str) -> tuple[tuple[str, str], ...]:
    return (("retry-after", text),)


@pytest.mark.parametrize(
    "refusal",
    [
        (429, seconds("30")),
        (429, (("retry-after-ms", "30000"),)),
        (429, seconds("Fri, 31 Dec 2100 23:59:59 GMT")),
        (429, ()),
        (401, ()),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_another_key_takes_over(
    tmp_path: Path, refusal: tuple[int, tuple[tuple[str, str], ...]], stream: bool
) -> None:
    """The client sees an answer and nothing else; the tired key is left alone by the requests that follow."""
    account = Account()
    async with raw_upstream(account) as upstream, running_gateway(tmp_path, upstream.url, **pool(upstream)) as up:
        await ask(up)
        tired = account.used[0]
        account.refuses[tired] = refusal
        for _ in range(3):
            assert (await ask(up, stream=stream))[0] == 200
        (other,) = set(KEYS) - {tired}
        assert account.used == [tired, tired, other, other, other]
        assert {each["status"] for each in await up.ended(4)} == {"completed"}


@pytest.mark.parametrize("status", [403, 500, 503, 529])
async def test_other_errors_are_the_clients(tmp_path: Path, status: int) -> None:
    """They come as the provider sent them, and no other key is tried."""
    account = Account()
    account.refuses = dict.fromkeys(KEYS, (status, ()))
    async with raw_upstream(account) as upstream, running_gateway(tmp_path, upstream.url, **pool(upstream)) as up:
        found, _, body = await ask(up)
        assert (found, len(account.used)) == (status, 1)
        assert b"of the provider" in body


async def test_all_keys_are_rate_limited(tmp_path: Path) -> None:
    """The client is told when to come back; until then nobody asks the provider, and each request is recorded."""
    account = Account()
    account.refuses = {KEYS[0]: (429, seconds("50")), KEYS[1]: (429, seconds("20"))}
    async with raw_upstream(account) as upstream, running_gateway(tmp_path, upstream.url, **pool(upstream)) as up:
        for _ in range(2):
            status, headers, body = await ask(up)
            assert (status, headers["retry-after"]) in {(429, "20"), (429, "19")}
            error = json.loads(body)["error"]
            assert error["type"] == "rate_limit_error"
            assert error["message"].startswith("all configured keys are rate-limited (retry after ")
        assert len(account.used) == 2
        assert [(each["status"], each["error_type"]) for each in await up.ended(2)] == [("failed", "rate_limited")] * 2


async def test_no_key_is_valid(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """That is for the administrator: the log names the keys by their hints, never more."""
    account = Account()
    account.refuses = dict.fromkeys(KEYS, (401, ()))
    with caplog.at_level(logging.WARNING, "aibridge.providers"):
        async with raw_upstream(account) as upstream, running_gateway(tmp_path, upstream.url, **pool(upstream)) as up:
            status, headers, body = await ask(up)
    assert (status, "retry-after" in headers, headers["x-should-retry"]) == (502, False, "false")
    assert json.loads(body)["error"] == {
        "type": "api_error",
        "message": "all configured keys failed authentication. Contact your Administrator",
    }
    lines = [record for record in caplog.records if record.message == "key marked temporary"]
    assert [vars(line)["api_key_hint"] for line in lines] == ["sk-a...6789"] * 2
    assert not any(key in caplog.text for key in KEYS)


async def test_a_session_keeps_its_key(tmp_path: Path) -> None:
    """Many sessions at once, each on one key, all keys in use; a session that had to move stays where it is."""
    account = Account()
    async with raw_upstream(account) as upstream, running_gateway(tmp_path, upstream.url, **pool(upstream)) as up:
        by_session: dict[str, set[str]] = {}
        for _ in range(3):
            for number in range(12):
                await ask(up, session=f"0000000{number:05}-0000-4000-8000-000000000000"[-36:])
                by_session.setdefault(str(number), set()).add(account.used[-1])
        assert all(len(used) == 1 for used in by_session.values())
        assert set.union(*by_session.values()) == set(KEYS)


async def test_a_users_own_key_is_not_part_of_it(tmp_path: Path) -> None:
    """Its 429 is the user's to see, with the provider's own words and Retry-After."""
    account = Account()
    account.refuses["sk-own"] = (429, seconds("7"))
    async with raw_upstream(account) as upstream, running_gateway(tmp_path, upstream.url, **pool(upstream)) as up:
        async with up.client() as client:
            answer = await client.post(
                "/anthropic/v1/messages", json=BODY, headers={"x-aibridge-token": up.token, "x-api-key": "sk-own"}
            )
        assert (answer.status_code, answer.headers["retry-after"], account.used) == (429, "7", ["sk-own"])


async def test_side_paths_fail_over_too(tmp_path: Path) -> None:
    """Passthrough routes use the same pool."""
    account = Account()
    async with raw_upstream(account) as upstream, running_gateway(tmp_path, upstream.url, **pool(upstream)) as up:
        async with up.client() as client:
            await client.post("/anthropic/v1/messages/count_tokens", json=BODY, headers=up.anthropic)
            account.refuses[account.used[0]] = (429, ())
            answer = await client.post("/anthropic/v1/messages/count_tokens", json=BODY, headers=up.anthropic)
        assert (answer.status_code, len(account.used)) == (200, 3)


async def test_a_provider_that_drops_the_connection_is_tried_again(tmp_path: Path) -> None:
    """Before an answer began; the client sees none of it, and there is one interception."""
    tries = 0

    async def second_time_lucky(request: Received, answer: Answering) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            answer.reset()
        else:
            await answer.whole(ANSWER, 200, JSON)

    async with raw_upstream(second_time_lucky) as upstream, running_gateway(tmp_path, upstream.url) as up:
        with anyio.fail_after(10):
            assert (await ask(up))[0] == 200
        assert tries == 3
        assert len(await up.ended(1)) == 1


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-"])
async def test_garbage_instead_of_an_answer_is_not_asked_for_again(tmp_path: Path, said: bytes) -> None:
    """Whoever says something has read the request: 502 at once, and the interception failed."""
    tries = 0

    async def garbage(request: Received, answer: Answering) -> None:
        nonlocal tries
        tries += 1
        await answer.raw(said)
        answer.reset()

    async with raw_upstream(garbage) as upstream, running_gateway(tmp_path, upstream.url) as up:
        status, _, body = await ask(up)
        assert (status, tries) == (502, 1)
        assert b"can't be read" in body
        (found,) = await up.ended(1)
        assert (found["status"], found["error_type"]) == ("failed", "connection_error")


async def test_an_answer_that_began_is_never_asked_for_again(tmp_path: Path) -> None:
    """Half a stream stays half a stream."""
    tries = 0

    async def half(request: Received, answer: Answering) -> None:
        nonlocal tries
        tries += 1
        await answer.head(200, ("content-type", "text/event-stream"), ("transfer-encoding", "chunked"))
        await answer.chunk(b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","usage":{}}}\n\n')
        answer.reset()

    async with raw_upstream(half) as upstream, running_gateway(tmp_path, upstream.url) as up:
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(up, stream=True)
        assert tries == 1
        assert (await up.ended(1))[0]["status"] == "failed"
