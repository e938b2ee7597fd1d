"""What the tests of the command line share: a scripted REST API, and the command in this process or in its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aibridge_adapters.cli.main import cli
from integration.cli.api_server import ApiServer, api_server
from integration.cli.running import Command, Process


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with api_server() as server:
        yield server


@pytest.fixture
def aibridge() -> Command:
    """Runs `aibridge` in this process; variables of the gateway come from the call, never from outside."""

    def run(*arguments: str, **variables: str) -> Result:
        clean = {name: None for name in os.environ if "AIBRIDGE" in name}
        return CliRunner().invoke(cli, arguments, env={**clean, **variables}, prog_name="aibridge")

    return run


@pytest.fixture
def process_environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a process of its own: nothing of the gateway's, and a home of its own."""
    # PYTHONUNBUFFERED turns a write to a closed pipe into a silent loss (the text layer ignores short writes).
    left_out = ("AIBRIDGE", "PYTHONUNBUFFERED")
    inherited = {name: value for name, value in os.environ.items() if not any(part in name for part in left_out)}
    return {**inherited, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}


@pytest.fixture
def process(process_environment: dict[str, str], tmp_path: Path) -> Process:
    """Runs `aibridge` as a process, without a terminal."""

    def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "aibridge_adapters.cli.main", *arguments],
            env={**process_environment, **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    return run
