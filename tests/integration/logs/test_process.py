"""Logs of a real gateway process: where they go, how they are rotated, and what happens if nobody takes them."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import anyio
import pytest

from integration.logs.serving import Serving, answering, serving, until
from support.process import AIBRIDGE, environment
from support.raw_upstream import raw_upstream

pytestmark = pytest.mark.anyio

STRUCTURED = {"AIBRIDGE_STRUCTURED_LOGGING": "true"}
ONE_REQUEST = ["interception_start", "prompt_usage", "token_usage", "tool_usage", "interception_end"]


def types(up: Serving) -> list[str]:
    return [fields["record_type"] for fields in up.records()]


@pytest.mark.parametrize("name", ["AIBRIDGE_STRUCTURED_LOGGING", "CODER_AIBRIDGE_STRUCTURED_LOGS"])
async def test_records_stand_in_file_and_on_stderr(tmp_path: Path, name: str) -> None:
    """The same JSON lines in both places, under either name of the setting, to the last one before the end."""
    errors = tmp_path / "stderr"
    with errors.open("wb") as stderr:
        async with (
            raw_upstream(answering) as upstream,
            serving(tmp_path, upstream.url, stderr=stderr, **{name: "true"}) as up,
        ):
            assert (await up.ask("what is in a.py?")).status_code == 200
            assert await up.stop() == 0
    assert types(up) == ONE_REQUEST
    assert errors.read_bytes() == up.log.read_bytes()
    assert up.records("prompt_usage")[0]["prompt"] == "what is in a.py?"
    assert up.log.stat().st_mode & 0o777 == 0o600


async def test_without_the_setting_no_record_is_logged(tmp_path: Path) -> None:
    """Not even on the level of most detail does content show."""
    async with raw_upstream(answering) as upstream, serving(tmp_path, upstream.url, AIBRIDGE_LOG_LEVEL="debug") as up:
        await up.ask("a quiet prompt")
        assert await up.stop() == 0
    assert types(up) == []
    messages = [line["msg"] for line in up.lines() if "interception_id" in line.get("fields", {})]
    assert messages == [
        "interception started",
        "recorded interception",
        "recorded prompt usage",
        "recorded token usage",
        "recorded tool usage",
        "interception ended",
        "recorded interception ended",
    ]
    assert "quiet" not in up.log.read_text()


async def test_content_in_the_log_has_a_policy_of_its_own(tmp_path: Path) -> None:
    """Hashed there, while client and provider get every word."""
    async with (
        raw_upstream(answering) as upstream,
        serving(
            tmp_path,
            upstream.url,
            **STRUCTURED,
            AIBRIDGE_LOG_CONTENT="hashed",
            AIBRIDGE_CONTENT_HASH_KEY="k" * 32,
        ) as up,
    ):
        answer = await up.ask("my secret plan")
        assert answer.json()["content"][0]["input"] == {"path": "a.py"}
        assert b"my secret plan" in upstream.requests[0].body
        assert await up.stop() == 0
    assert up.records("prompt_usage")[0]["prompt"].startswith("hmac-sha256:")
    assert up.records("tool_usage")[0]["input"].startswith("hmac-sha256:")
    assert "my secret plan" not in up.log.read_text()


async def test_a_rotated_log_file_begins_anew_after_sighup(tmp_path: Path) -> None:
    """Nothing is lost: what was logged before stands in the old file, the rest in the new one."""
    old = tmp_path / "gateway.log.1"
    async with raw_upstream(answering) as upstream, serving(tmp_path, upstream.url, **STRUCTURED) as up:
        await up.ask("one")
        await until(lambda: types(up) == ONE_REQUEST)
        up.log.rename(old)
        up.process.send_signal(signal.SIGHUP)
        await until(up.log.exists)
        await up.ask("two")
        assert await up.stop() == 0
    assert types(up) == ONE_REQUEST
    assert up.records("prompt_usage")[0]["prompt"] == "two"
    assert b'"prompt":"one"' in old.read_bytes()


async def test_nobody_reads_stderr(tmp_path: Path) -> None:
    """Requests go on, the file has every line, and whoever reads stderr afterwards is told what is missing."""
    async with (
        raw_upstream(answering) as upstream,
        serving(tmp_path, upstream.url, stderr=subprocess.PIPE, **STRUCTURED) as up,
    ):
        for _ in range(12):
            assert (await up.ask("x" * 2**20)).status_code == 200
        await until(lambda: len(up.records("interception_end")) == 12)
        text = await anyio.to_thread.run_sync(until_dropped, up.process)
    seen = [json.loads(line) for line in text.splitlines()]
    (said,) = [line for line in seen if line["msg"] == "log lines were dropped"]
    there = sum(line["msg"] == "interception log" for line in seen)
    assert said["fields"]["sink"] == "stderr"
    assert said["fields"]["dropped"] + there == 12 * len(ONE_REQUEST)


def until_dropped(process: "subprocess.Popen[bytes]") -> bytes:
    """Everything on standard error up to the line that says so."""
    assert process.stderr is not None
    text = b""
    for line in process.stderr:
        text += line
        if b"log lines were dropped" in line:
            break
    return text


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full on this system")  # noqa: PTH110
async def test_the_disk_is_full(tmp_path: Path) -> None:
    """Requests go on; standard error says why the file is empty."""
    errors = tmp_path / "stderr"
    with errors.open("wb") as stderr:
        async with (
            raw_upstream(answering) as upstream,
            serving(
                tmp_path, upstream.url, stderr=stderr, AIBRIDGE_LOG_FILE="/dev/full", log=errors, **STRUCTURED
            ) as up,
        ):
            assert (await up.ask("hi")).status_code == 200
            await until(lambda: types(up) == ONE_REQUEST)
            assert await up.stop() == 0
    (said,) = [line for line in up.lines() if line["msg"] == "log lines can't be written"]
    assert said["fields"] == {"sink": "/dev/full", "error": "No space left on device"}


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"AIBRIDGE_LOG_FILE": "/proc/none/log"}, "its folder does not exist"),
        ({"AIBRIDGE_LOG_FILE": "/proc/log"}, "can't write the log file /proc/log"),
        ({"AIBRIDGE_LOG_STDERR": "false"}, "AIBRIDGE_LOG_FILE"),
        ({"AIBRIDGE_LOG_CONTENT": "hashed"}, "AIBRIDGE_CONTENT_HASH_KEY"),
    ],
)
def test_settings_that_lead_nowhere_refuse_the_start(tmp_path: Path, variables: dict[str, Any], says: str) -> None:
    """In words, with exit code 1."""
    done = subprocess.run(
        [str(AIBRIDGE), "serve"],
        check=False,
        env=environment(tmp_path, "http://127.0.0.1:1", **variables),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert says in done.stderr
