"""Habits that all commands share: help, exit codes, errors, pipes and interrupts."""

import importlib.metadata
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from aibridge_adapters.cli.main import cli
from integration.cli.api_server import ApiServer, interception
from integration.cli.running import Command, Process


@pytest.mark.parametrize("arguments", [[], ["interceptions"], ["users"], ["tokens"], ["config"]])
def test_a_group_alone_prints_its_help(aibridge: Command, arguments: list[str]) -> None:
    """On standard output, as a success: it was a question."""
    done = aibridge(*arguments)

    assert done.exit_code == 0
    assert done.stdout.startswith(f"Usage: {' '.join(['aibridge', *arguments])} ")
    assert done.stdout == aibridge(*arguments, "--help").stdout


def test_the_version(aibridge: Command) -> None:
    """Of the installed distribution."""
    assert aibridge("--version").stdout == f"aibridge, version {importlib.metadata.version('aibridge')}\n"


@pytest.mark.parametrize(
    "arguments", [["interception"], ["users", "creat"], ["users", "create"], ["interceptions", "list", "--nope"]]
)
def test_wrong_usage_is_2(process: Process, arguments: list[str]) -> None:
    """With a hint where to read on."""
    done = process(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert "--help" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failure_is_1_and_one_line(process: Process) -> None:
    """As a process too."""
    done = process("interceptions", "list", AIBRIDGE_TOKEN="x", AIBRIDGE_URL="http://127.0.0.1:1")

    assert done.returncode == 1
    assert re.fullmatch(r"Error: list interceptions: can't reach .*\n", done.stderr)


def test_a_reader_that_goes_away_is_no_error(
    api: ApiServer, process_environment: dict[str, str], tmp_path: Path
) -> None:
    """`aibridge interceptions list | head -1` ends quietly, however long the list."""
    api.body = {"count": 1000, "results": [interception()] * 1000}
    reader, writer = os.pipe()
    running = subprocess.Popen(
        [sys.executable, "-m", "aibridge_adapters.cli.main", "interceptions", "list"],
        env={**process_environment, "AIBRIDGE_TOKEN": "x", "AIBRIDGE_URL": api.url},
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert os.read(reader, 2) == b"[\n"
    os.close(reader)

    _, errors = running.communicate(timeout=60)

    assert (running.returncode, errors) == (141, "")


def test_ctrl_c_is_130_without_a_traceback(process_environment: dict[str, str], tmp_path: Path) -> None:
    """While a command waits for a gateway that doesn't answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        running = subprocess.Popen(
            [sys.executable, "-m", "aibridge_adapters.cli.main", "interceptions", "list"],
            env={
                **process_environment,
                "AIBRIDGE_TOKEN": "x",
                "AIBRIDGE_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            },
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        silent.settimeout(60)
        connection, _ = silent.accept()
        connection.recv(1)
        running.send_signal(signal.SIGINT)
        output, errors = running.communicate(timeout=60)
        connection.close()

    assert (running.returncode, output, errors.strip()) == (130, "", "")


def test_text_that_the_encoding_lacks_is_escaped(api: ApiServer, process: Process) -> None:
    """An ASCII terminal gets escapes, not a traceback."""
    api.body = {"count": 1, "results": [interception(model="größe")]}

    done = process(
        "interceptions", "list", "-o", "table",
        AIBRIDGE_TOKEN="x", AIBRIDGE_URL=api.url, PYTHONIOENCODING="ascii", PYTHONUTF8="0",
    )  # fmt: skip

    assert done.returncode == 0
    assert r"gr\xf6\xdfe" in done.stdout


def _on_a_terminal(arguments: list[str], environment: dict[str, str], directory: Path) -> str:
    """What a terminal of 80 columns would get of `aibridge`, until it ends."""
    here, there = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "aibridge_adapters.cli.main", *arguments],
        env={**environment, "COLUMNS": "80", "TERM": "xterm"},
        cwd=directory,
        stdin=there,
        stdout=there,
        stderr=there,
    )
    os.close(there)
    seen = b""
    while True:
        try:
            piece = os.read(here, 65536)
        except OSError:  # Linux says so when the last writer is gone
            break
        if not piece:
            break
        seen += piece
    os.close(here)
    assert running.wait(timeout=60) == 0
    return seen.decode()


@pytest.fixture
def terminal(process_environment: dict[str, str], tmp_path: Path, api: ApiServer) -> Callable[..., str]:
    def run(*arguments: str, **variables: str) -> str:
        environment = {**process_environment, "AIBRIDGE_TOKEN": "x", "AIBRIDGE_URL": api.url, **variables}
        environment = {name: value for name, value in environment.items() if name not in ("FORCE_COLOR", "NO_COLOR")}
        return _on_a_terminal(list(arguments), {**environment, **variables}, tmp_path)

    return run


def test_a_terminal_gets_a_table_that_fits(terminal: Callable[..., str], api: ApiServer) -> None:
    """In colour, at 80 columns, with the id whole; the least important columns are left out."""
    api.body = {"count": 1, "results": [interception(model="\x1b[2Jhidden", user_prompts=[{"prompt": "p" * 300}])]}

    seen = terminal("interceptions", "list")

    assert "\x1b[32mcompleted" in seen
    assert "\x1b[2J" not in seen
    plain = re.sub(r"\x1b\[[0-9;]*m", "", seen).splitlines()
    assert all(len(line) <= 80 for line in plain)
    assert plain[1].split() == ["2026-01-02", "03:04:05", "ann", "completed", "0190163d-8694-739b-aea5-966c26f8ad91"]


def test_no_color(terminal: Callable[..., str], api: ApiServer) -> None:
    """NO_COLOR is honoured (no-color.org)."""
    api.body = {"count": 1, "results": [interception()]}

    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", terminal("interceptions", "list", NO_COLOR="1"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    """Each shell that is here accepts its script."""
    script = CliRunner().invoke(cli, ["completion", shell], prog_name="aibridge")
    assert script.exit_code == 0
    assert "_AIBRIDGE_COMPLETE" in script.stdout
    program = shutil.which(shell)
    if program:
        subprocess.run([program, "-n"], input=script.stdout, text=True, check=True, timeout=60)


def test_completion_completes(process: Process) -> None:
    """What the script asks for while somebody types `aibridge interceptions l`."""
    done = process(_AIBRIDGE_COMPLETE="bash_complete", COMP_WORDS="aibridge interceptions l", COMP_CWORD="2")

    assert done.stdout.split() == ["plain,list"]
