"""`aibridge serve` as a process: from its start to its orderly end, with the other commands around it."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aibridge_adapters.cli.banner import banner, client_url
from aibridge_adapters.config import ProviderSettings, Settings
from aibridge_adapters.config_sources import Loaded
from integration.cli.running import Process

Serve = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def environment(process_environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return {
        **process_environment,
        "AIBRIDGE_HTTP_ADDRESS": "127.0.0.1:0",
        "AIBRIDGE_DATABASE_URL": f"sqlite:///{tmp_path / 'aibridge.db'}",
        "AIBRIDGE_ANTHROPIC_KEY": "sk-ant-secret-of-the-central-kind",
    }


@contextmanager
def _serving(environment: dict[str, str], directory: Path, **streams: Any) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "aibridge_adapters.cli.main", "serve"]
    with subprocess.Popen(command, env=environment, cwd=directory, text=True, **streams) as running:
        try:
            yield running
        finally:
            running.kill()


def _line(running: "subprocess.Popen[str]", message: str) -> dict[str, Any]:
    """The first log line that says this; the ones before it are JSON, too."""
    assert running.stderr is not None
    while True:
        line: dict[str, Any] = json.loads(running.stderr.readline())
        if line["msg"] == message:
            return line


def test_without_a_terminal_it_logs_json_lines_and_ends_in_good_order(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Every line is JSON: where it listens, and how to make the first user. SIGTERM ends it with 0."""
    with _serving(environment, tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        lines = [_line(running, "listening"), json.loads(running.stderr.readline())]
        running.send_signal(signal.SIGTERM)
        output, errors = running.communicate(timeout=60)

    assert running.returncode == 0
    assert output == ""
    assert [json.loads(line)["level"] for line in errors.splitlines()] == []
    assert lines[0]["msg"] == "listening"
    assert lines[0]["fields"]["providers"] == ["anthropic"]
    assert re.fullmatch(r"127\.0\.0\.1:[1-9]\d*", lines[0]["fields"]["addresses"][0])
    assert "aibridge users create ann --role admin --database-url " in lines[1]["msg"]
    assert "aibridge tokens create ann" in lines[1]["msg"]


def test_from_the_first_user_to_the_first_list(environment: dict[str, str], tmp_path: Path, process: Process) -> None:
    """The commands of the README in their order, the gateway running meanwhile; then a token that is revoked."""
    variables = {name: environment[name] for name in environment if name.startswith("AIBRIDGE")}
    with _serving(environment, tmp_path, stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        address = _line(running, "listening")["fields"]["addresses"][0]
        assert process("users", "create", "ann", **variables).returncode == 0
        token = process("tokens", "create", "ann", "--name", "laptop", **variables).stdout.strip()
        client = {"AIBRIDGE_URL": f"http://{address}", "AIBRIDGE_TOKEN": token}

        listed = process("interceptions", "list", **client)
        missing = process("interceptions", "show", "0190163d-8694-739b-aea5-966c26f8ad91", **client)
        refused = process("interceptions", "list", **{**client, "AIBRIDGE_TOKEN": "aib_wrong"})
        filtered = process("interceptions", "list", "--initiator", "nobody", "--status", "failed", **client)

    assert (listed.returncode, listed.stdout, listed.stderr) == (0, "[]\n", "")
    assert missing.returncode == 1
    assert missing.stderr.startswith("Error: show interception: ")
    assert refused.returncode == 1
    assert "AIBRIDGE_TOKEN" in refused.stderr
    assert filtered.returncode == 1
    assert 'user "nobody"' in filtered.stderr


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("AIBRIDGE_HTTP_ADDRESS", "192.0.2.1:4001", "192.0.2.1:4001"),
        ("AIBRIDGE_HTTP_ADDRESS", "nowhere", "AIBRIDGE_HTTP_ADDRESS"),
        ("AIBRIDGE_DATABASE_URL", "sqlite:////proc/none/aibridge.db", "/proc/none"),
        ("AIBRIDGE_DATABASE_URL", "mysql://db", "AIBRIDGE_DATABASE_URL"),
        ("https_proxy", "socks5://proxy:1080", "https_proxy: only proxies"),
    ],
)
def test_a_start_that_cannot_be(
    environment: dict[str, str], process: Process, variable: str, value: str, says: str
) -> None:
    """Exit code 1 and words that name what is at fault; never a traceback."""
    done = process("serve", **{**environment, variable: value})

    assert done.returncode == 1
    assert "Error: " in done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_on_a_terminal_it_greets_and_ctrl_c_ends_it(environment: dict[str, str], tmp_path: Path) -> None:
    """Where it listens, providers, database, how to connect; no secret. Ctrl-C is an orderly end."""
    here, there = pty.openpty()
    with _serving({**environment, "TERM": "xterm"}, tmp_path, stdin=there, stdout=there, stderr=there) as running:
        seen = b""
        while b"Ctrl-C" not in seen:
            assert select.select([here], [], [], 60)[0], seen
            seen += os.read(here, 65536)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=60) == 0
    os.close(here)
    os.close(there)

    text = re.sub(r"\x1b\[[0-9;]*m", "", seen.decode())
    assert "listens on 127.0.0.1:" in text
    assert "/anthropic  ->  https://api.anthropic.com/  (1 central key)" in text
    assert str(tmp_path / "aibridge.db") in text
    assert "ANTHROPIC_BASE_URL=http://127.0.0.1:" in text
    assert "sk-ant" not in text


def _banner(settings: Settings, *, has_users: bool = True) -> str:
    lines = banner("1.2.3", ["127.0.0.1:4001"], Loaded(settings=settings), has_users=has_users)
    return "\n".join(text for text, _ in lines)


OPENAI = ProviderSettings(type="openai", name="local", base_url="http://127.0.0.1:8000/v1", keys=("k1", "k2"))


def test_the_banner_speaks_of_what_is_configured() -> None:
    """With one OpenAI-compatible provider: Codex and a chat request, nothing for Claude Code."""
    text = _banner(Settings(providers=(OPENAI,), database_url="sqlite:///a.db"))

    assert "/local  ->  http://127.0.0.1:8000/v1  (2 central keys)" in text
    assert 'base_url = "http://127.0.0.1:4001/local/v1"' in text
    assert "http://127.0.0.1:4001/local/v1/chat/completions" in text
    assert "claude" not in text.lower()
    assert "no user yet" not in text


def test_the_banner_without_providers_or_users() -> None:
    """It says what to set and what to type."""
    text = _banner(Settings(database_url="sqlite:///a.db"), has_users=False)

    assert "AIBRIDGE_ANTHROPIC_KEY" in text
    assert "\n  aibridge users create ann --role admin\n" in text
    assert "\n  aibridge tokens create ann --name laptop\n" in text


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1:4001", "https://127.0.0.1:4001"),
        ("0.0.0.0:80", "https://127.0.0.1:80"),
        ("[::]:4001", "https://[::1]:4001"),
        ("[fe80::1]:9", "https://[fe80::1]:9"),
    ],
)
def test_where_a_client_finds_it(address: str, url: str) -> None:
    """Every interface means this machine; with a certificate it is https."""
    assert client_url([address], Settings(tls_cert_file=Path("cert.pem"), tls_key_file=Path("key.pem"))) == url
