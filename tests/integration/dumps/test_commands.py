"""`aibridge dumps`, by the command line as a user has it."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from aibridge_adapters.cli.main import cli
from aibridge_adapters.dumps import Folder

IDS = ("0192f0c1-7d5e-7b7a-8a52-6d0a4a8f1c11", "0192f0c1-7d5e-7b7a-8a52-6d0a4a8f1c22")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two exchanges of two interceptions; and a working directory without a configuration."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "dumps"
    for number, interception in enumerate(IDS):
        for suffix, text in (
            (".req.txt", "POST /v1/messages HTTP/1.1\r\n"),
            (".resp.txt", "HTTP/1.1 200 OK\x1b[2J\r\n"),
        ):
            name = Path("anthropic", "m-1", f"{1_700_000_000_000 + number}-{interception}-{number:04x}{suffix}")
            with os.fdopen(Folder(path).create(name), "w", newline="") as file:
                file.write(text)
    return path


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output of a command."""
    result = CliRunner().invoke(cli, ["dumps", *arguments])
    return result.exit_code, result.output


def test_listing(folder: Path) -> None:
    """Oldest first, by name and size; a text narrows it."""
    code, output = run("list", "--dump-dir", str(folder))
    rows = json.loads(output)
    assert code == 0
    assert [row["file"].rpartition("-")[0].rpartition("/")[2][14:] for row in rows] == [IDS[0]] * 2 + [IDS[1]] * 2
    assert {row["size"] for row in rows} == {28, 21}
    assert len(json.loads(run("list", "--dump-dir", str(folder), "--contains", IDS[1])[1])) == 2


def test_showing_an_interception(folder: Path) -> None:
    """Its request and its answer, each under its name; control characters don't reach the terminal."""
    code, output = run("show", IDS[1], "--dump-dir", str(folder))
    assert code == 0
    assert output.count("==> anthropic/m-1/") == 2
    assert IDS[0] not in output
    assert "POST /v1/messages HTTP/1.1" in output
    assert "HTTP/1.1 200 OK" in output
    assert "\x1b" not in output


def test_nothing_to_show(folder: Path) -> None:
    """Each failure says what to do."""
    assert run("show", "nothing-like-it", "--dump-dir", str(folder))[0] == 1
    assert "aibridge dumps list" in run("show", "nothing-like-it", "--dump-dir", str(folder))[1]
    assert "AIBRIDGE_DUMP_DIR" in run("list")[1]
