"""`aibridge providers list|check`: what is configured, and whether it answers."""

import json
from collections.abc import Mapping
from typing import Any

import anyio.to_thread
import pytest
from click.testing import Result

from integration.cli.running import Command
from support.raw_upstream import Answering, Received, raw_upstream

pytestmark = pytest.mark.anyio

GOOD, BAD = "sk-ant-good-0123456789", "sk-ant-bad-00123456789"


async def models(request: Received, answer: Answering) -> None:
    """Takes one key; quotes the others, as some providers do."""
    key = request.header("x-api-key") or (request.header("authorization") or "").removeprefix("Bearer ")
    if key != GOOD:
        await answer.whole(json.dumps({"error": {"message": f"wrong key {key}"}}).encode(), 401)
    elif request.target.endswith("/models"):
        await answer.whole(b'{"data":[]}', 200, ("content-type", "application/json"))
    else:
        await answer.whole(b"", 404)


def one(number: int, **fields: str) -> Mapping[str, str]:
    return {f"AIBRIDGE_PROVIDER_{number}_{name.upper()}": value for name, value in fields.items()}


async def run(aibridge: Command, *arguments: str, **environ: str) -> Result:
    return await anyio.to_thread.run_sync(lambda: aibridge("providers", *arguments, **environ))


def states(result: Result) -> list[tuple[Any, ...]]:
    return [(row["name"], row["key"], row["state"], row["status"]) for row in json.loads(result.stdout)]


async def test_each_key_is_tried(aibridge: Command) -> None:
    """One that is refused fails the check, named by its hint and in the provider's words, never by itself."""
    async with raw_upstream(models) as upstream:
        environ = one(0, type="anthropic", base_url=upstream.url, keys=f"{GOOD},{BAD}")
        result = await run(aibridge, "check", "-o", "json", **environ)
        assert result.exit_code == 1
        assert states(result) == [
            ("anthropic", "sk-a...6789", "ok", 200),
            ("anthropic", "sk-a...6789", "refused", 401),
        ]
        assert "anthropic: wrong key sk-a...6789" in result.stderr
        assert BAD not in result.stdout + result.stderr
        assert [request.target for request in upstream.requests] == ["/v1/models"] * 2


async def test_all_is_well(aibridge: Command) -> None:
    """OpenAI's path is below the version in the base URL; without a key, that it answers is all there is to learn."""
    async with raw_upstream(models) as upstream:
        environ = {
            **one(0, type="openai", base_url=f"{upstream.url}/v1", key=GOOD),
            **one(1, type="openai", name="own", base_url=f"{upstream.url}/v1"),
            **one(2, type="openai", name="off", base_url=f"{upstream.url}/v1", key=GOOD, enabled="false"),
        }
        result = await run(aibridge, "check", "-o", "json", **environ)
        assert result.exit_code == 0, result.stderr
        assert states(result) == [
            ("openai", "sk-a...6789", "ok", 200),
            ("own", "", "reachable", 401),
            ("off", "sk-a...6789", "disabled", None),
        ]
        assert [request.target for request in upstream.requests] == ["/v1/models"] * 2


async def test_nobody_is_there(aibridge: Command) -> None:
    """The error says which host, and why."""
    async with raw_upstream(models) as upstream:
        gone = upstream.url
    environ = {
        **one(0, type="openai", base_url=f"{gone}/v1", key=GOOD),
        **one(1, type="openai", name="nowhere", base_url="https://nowhere.invalid/v1", key=GOOD),
    }
    result = await run(aibridge, "check", "-o", "json", **environ)
    assert result.exit_code == 1
    assert [row["state"] for row in json.loads(result.stdout)] == ["failed", "failed"]
    assert f"{gone.removeprefix('http://')} can't be reached" in result.stderr
    assert "nowhere.invalid can't be reached" in result.stderr


async def test_a_silent_provider(aibridge: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It isn't waited for as a model would be, whatever the settings allow models."""

    async def silent(request: Received, answer: Answering) -> None:
        await answer.hung_up()

    monkeypatch.setattr("aibridge_adapters.cli.provider_check_command._PATIENCE", 0.2)
    async with raw_upstream(silent) as upstream:
        environ = {**one(0, type="openai", base_url=f"{upstream.url}/v1", key=GOOD), "AIBRIDGE_READ_IDLE_TIMEOUT": "0"}
        with anyio.fail_after(10):
            result = await run(aibridge, "check", "-o", "json", **environ)
    assert [row["state"] for row in json.loads(result.stdout)] == ["failed"]
    assert "was silent for 0.2 s" in result.stderr or "did not finish its answer" in result.stderr


async def test_list(aibridge: Command) -> None:
    """What is configured, in a table for people; nobody is asked."""
    environ = {
        **one(0, type="anthropic", base_url="https://a.example", keys=f"{GOOD},{BAD}"),
        **one(1, type="copilot", base_url="https://c.example", enabled="false"),
    }
    listed = await run(aibridge, "list", "-o", "table", **environ)
    assert listed.exit_code == 0, listed.stderr
    lines = [line.split() for line in listed.stdout.splitlines()]
    assert lines[1][:3] == ["anthropic", "anthropic", "enabled"]
    assert lines[2][:4] == ["copilot", "copilot", "disabled", "-"]
    assert GOOD not in listed.stdout
