"""Secrets are planted wherever one may stand, and looked for in everything that a real gateway leaves behind."""

import base64
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import httpx
import pytest

from integration.logs.serving import Serving, answering, serving, until
from support.otlp_receiver import grpc_collector
from support.process import AIBRIDGE, environment
from support.raw_upstream import Answering, Received, raw_upstream
from support.running import ADMIN_TOKEN, UPSTREAM_KEY

pytestmark = pytest.mark.anyio


def canary(name: str) -> str:
    """A secret that is found again wherever it goes."""
    return f"canary-{name}-0123456789abcdefghijklmnopqrstuvwxyz"


SECRETS_KEY = base64.b64encode(bytes(range(32))).decode()
SETTINGS = {
    "AIBRIDGE_CONTENT_HASH_KEY": canary("hash-key"),
    "AIBRIDGE_MCP_0_NAME": "dead",
    "AIBRIDGE_MCP_0_URL": "http://127.0.0.1:1/mcp",
    "AIBRIDGE_MCP_0_TOKEN": canary("mcp-token"),
    "AIBRIDGE_MCP_1_NAME": "gone",
    "AIBRIDGE_MCP_1_URL": "http://127.0.0.1:1/mcp",
    "AIBRIDGE_MCP_1_HEADERS": json.dumps({"X-Key": canary("mcp-header")}),
    "AIBRIDGE_MCP_2_NAME": "private",
    "AIBRIDGE_MCP_2_AUTH": "user",
    "AIBRIDGE_SECRETS_KEY": SECRETS_KEY,
}
POOL = {
    "AIBRIDGE_PROVIDER_1_TYPE": "anthropic",
    "AIBRIDGE_PROVIDER_1_NAME": "pool",
    "AIBRIDGE_PROVIDER_1_KEYS": f"{canary('pool-one')},{canary('pool-two')}",
}
TELEMETRY = {
    "AIBRIDGE_LOG_LEVEL": "debug",
    "AIBRIDGE_STRUCTURED_LOGGING": "true",
    "AIBRIDGE_PROMETHEUS_ENABLE": "true",
    "AIBRIDGE_PROMETHEUS_ADDRESS": "127.0.0.1:0",
    "AIBRIDGE_TRACE_ENABLE": "true",
    "AIBRIDGE_TRACE_LOGS": "true",
    "AIBRIDGE_TRACE_CONTENT": "true",
    "OTEL_EXPORTER_OTLP_HEADERS": f"x-collector={canary('collector')}",
    "OTEL_BSP_SCHEDULE_DELAY": "50",
}
HEADERS = {
    "cookie": canary("cookie"),
    "proxy-authorization": canary("proxy"),
    "api-key": canary("api-key"),
    "x-auth-token": canary("auth-token"),
    "x-amz-security-token": canary("amz"),
    "x-goog-api-key": canary("goog"),
    "x-something-new": canary("new-header"),
}
BODY = {
    "model": "claude-x",
    "messages": [{"role": "user", "content": "hi"}],
    "metadata": {"note": canary("metadata")},
    "mcp_servers": [{"type": "url", "url": "https://x.example", "authorization_token": canary("mcp-server")}],
}
USERS_TOKEN = canary("users-token")
SET_TOKEN = ["mcp", "token", "set", "--user", "admin", "--server", "private"]
OWN_KEY = canary("own-key")
CANARIES = [UPSTREAM_KEY, ADMIN_TOKEN, SECRETS_KEY, "canary-"]


async def echoing(request: Received, answer: Answering) -> None:
    """A provider that quotes credentials in its errors: that is for its client, and for nobody else."""
    message = f"invalid credential: {request.header('x-api-key')} {request.header('authorization')}"
    error = json.dumps({"type": "error", "error": {"type": "authentication_error", "message": message}})
    await answer.whole(error.encode(), 401, ("content-type", "application/json"))


async def broken(request: Received, answer: Answering) -> None:
    """A provider that breaks off."""
    answer.reset()


async def play(up: Serving) -> None:
    """Requests that go well and in every way wrong, each with all canaries."""
    token = {"x-aibridge-token": ADMIN_TOKEN}
    query = f"?key={canary('query')}&api_key={canary('query-too')}"
    whole = json.dumps(BODY).encode()
    asked: list[tuple[str, Mapping[str, str], bytes]] = [
        ("/anthropic/v1/messages", {"x-api-key": ADMIN_TOKEN}, whole),
        ("/anthropic/v1/messages", {**token, "x-api-key": OWN_KEY}, whole),
        ("/pool/v1/messages", {"x-api-key": ADMIN_TOKEN}, whole),
        ("/anthropic/v1/messages", {"x-api-key": ADMIN_TOKEN}, whole[:-1]),
        ("/anthropic/v1/messages", {"x-api-key": canary("wrong-token")}, whole),
        ("/anthropic/v1/nothing", {"x-api-key": ADMIN_TOKEN}, whole),
        ("/anthropic/v1/models", {**token, "x-api-key": OWN_KEY}, b""),
        ("/nobody/v1/messages", {"authorization": f"Bearer {ADMIN_TOKEN}"}, whole),
    ]
    async with httpx.AsyncClient(timeout=20) as client:
        for path, headers, content in asked:
            method = "GET" if path.endswith("models") else "POST"
            await client.request(method, up.url + path + query, headers={**HEADERS, **headers}, content=content)


async def metrics_of(up: Serving) -> str:
    """The page that Prometheus reads."""
    (heard,) = [line for line in up.lines() if line["msg"] == "listening for Prometheus"]
    async with httpx.AsyncClient(timeout=20) as client:
        return (await client.get(f"http://{heard['fields']['addresses'][0]}/metrics")).text


async def read_back(up: Serving) -> str:
    """Everything that the REST API shows."""
    text = ""
    async with httpx.AsyncClient(timeout=20, headers={"authorization": f"Bearer {ADMIN_TOKEN}"}) as client:
        for path in ("interceptions", "sessions", "models", "clients", "providers"):
            text += (await client.get(f"{up.url}/api/v2/aibridge/{path}")).text
    return text


def leaks(text: str) -> list[str]:
    """Where canaries are, with what is before them."""
    found = []
    for secret in CANARIES:
        begin, _, rest = text.partition(secret)
        found += [begin[-80:] + secret] if rest else []
    return found


async def test_no_secret_is_left_anywhere(tmp_path: Path) -> None:
    """Not in logs and spans with all detail, the database, the REST API, metrics or what commands print."""
    errors = tmp_path / "stderr"
    with errors.open("wb") as stderr, grpc_collector() as collected:
        async with raw_upstream(answering) as upstream:
            variables = {**SETTINGS, **POOL, **TELEMETRY, **places(upstream.url, collected.endpoint)}
            async with serving(tmp_path, upstream.url, stderr=stderr, **variables) as up:
                commands = await anyio.to_thread.run_sync(
                    run, tmp_path, upstream.url, variables, SET_TOKEN, USERS_TOKEN
                )
                for script in (answering, echoing, broken):
                    upstream.script = script
                    await play(up)
                await until(lambda: len(up.records("interception_end")) == 9)
                shown, metrics = await read_back(up), await metrics_of(up)
                for form in ("text", "json", "toml"):
                    show = ["config", "show", "--output", form]
                    commands += await anyio.to_thread.run_sync(run, tmp_path, upstream.url, variables, show)
                assert await up.stop() == 0
    sent = str([request.headers for request in upstream.requests])
    used = (UPSTREAM_KEY, OWN_KEY, canary("new-header"), canary("pool-one"), canary("pool-two"), USERS_TOKEN)
    assert all(secret in sent for secret in used)  # they were really there
    assert collected.headers[0]["x-collector"] == canary("collector")
    sinks = {
        "stderr": errors.read_text(),
        "log file": up.log.read_text(),
        "REST": shown,
        "spans": "\n".join(str(request) for request in collected.requests),
        "metrics": metrics,
        "commands": commands,
        **{file.name: file.read_bytes().decode("latin-1") for file in tmp_path.glob("aibridge.db*")},
    }
    assert '"status":"failed"' in sinks["log file"]
    assert sinks["spans"].count('"Intercept"') >= 9
    assert "aibridge_interceptions_total" in sinks["metrics"]
    assert len(sinks) >= 7
    assert {name: leaks(text) for name, text in sinks.items() if leaks(text)} == {}


def places(upstream_url: str, collector: str) -> Mapping[str, str]:
    """Where everybody is. The server that wants a token of each user quotes whatever the provider quotes."""
    return {
        "AIBRIDGE_PROVIDER_1_BASE_URL": upstream_url,
        "AIBRIDGE_MCP_2_URL": f"{upstream_url}/mcp",
        "AIBRIDGE_TRACE_ENDPOINT": collector,
    }


def run(
    folder: Path, upstream_url: str, variables: Mapping[str, str], arguments: Sequence[str], given: str = ""
) -> str:
    """All that a command prints."""
    done = subprocess.run(
        [str(AIBRIDGE), *arguments],
        env=environment(folder, upstream_url, **variables),
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout + done.stderr


def test_the_password_of_a_database_shows_nowhere(tmp_path: Path) -> None:
    """Neither while it can't be reached, nor among the settings."""
    url = f"postgresql://ann:{canary('password')}@127.0.0.1:1/db?sslpassword={canary('ssl')}"
    env = environment(tmp_path, "http://127.0.0.1:1", AIBRIDGE_DATABASE_URL=url, AIBRIDGE_LOG_LEVEL="debug")
    for command in (["serve"], ["config", "show"], ["config", "check"], ["db", "status"]):
        done = subprocess.run(
            [str(AIBRIDGE), *command],
            env={**os.environ, **env},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.stdout or done.stderr) and leaks(done.stdout + done.stderr) == []
