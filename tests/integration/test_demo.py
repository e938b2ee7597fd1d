"""`aibridge demo`, run as a newcomer runs it."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

DEMO = [sys.executable, "-m", "aibridge_adapters.cli.main", "demo"]


def environment(folder: Path) -> dict[str, str]:
    """No settings of this machine, a proxy that leads nowhere, and an own folder for temporary files."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIBRIDGE_", "CODER_"))}
    nowhere = "http://127.0.0.1:9"
    return kept | {"TMPDIR": str(folder), "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "ALL_PROXY": nowhere}


def run(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*DEMO, *flags], env=environment(folder), capture_output=True, text=True, timeout=60, check=False
    )


def table(output: str) -> list[dict[str, str]]:
    """The rows under their titles, cut where the titles begin; numbers end where their titles do."""
    lines = output.splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("TIME"))
    body = lines[head + 1 : lines.index("", head)]
    columns = [(found.group(), found.start()) for found in re.finditer(r"\S+(?: \S+)*", lines[head])]
    edges = [start for _, start in columns[1:]] + [None]
    return [
        {title: line[start:edge].strip() for (title, start), edge in zip(columns, edges, strict=True)} for line in body
    ]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `aibridge demo --once` prints; it succeeds and leaves nothing behind."""
    folder = tmp_path_factory.mktemp("demo")
    done = run(folder, "--once", "--port", "0")
    assert (done.returncode, done.stderr) == (0, "")
    assert list(folder.iterdir()) == []
    return done.stdout


def test_what_was_kept_of_every_turn_is_shown(once: str) -> None:
    """Seven requests of three clients: five complete, one fails, one is abandoned."""
    rows = table(once)
    assert [(row["USER"], row["CLIENT"], row["PROVIDER"], row["STATUS"]) for row in rows] == [
        ("ann", "Claude Code", "anthropic", "completed"),
        ("ann", "Claude Code", "anthropic", "completed"),
        ("ann", "Codex", "openai", "completed"),
        ("ann", "Codex", "openai", "completed"),
        ("ann", "OpenCode", "openai", "completed"),
        ("ann", "Codex", "openai", "failed"),
        ("ann", "Claude Code", "anthropic", "cancelled"),
    ]
    assert [row["PROMPT"] for row in rows[:3]] == ["Which files are here?", "", "Run the tests."]
    assert [row["TOOLS"] for row in rows] == ["Bash", "", "exec_command", "", "", "", ""]
    assert [row["MODEL"] for row in rows[1::2]] == ["claude-sonnet-4-5", "gpt-5-codex", "gpt-5-codex"]
    assert rows[0]["REASONING"].startswith("The user wants something done.")


def test_the_table_tells_tokens_once_and_none_where_none_were_told(once: str) -> None:
    """The second request of a conversation reads what the first one cost from the cache; a refused one has no count."""
    rows = table(once)
    asked, answered = rows[:2]
    assert int(answered["CACHE R"]) == int(asked["IN"]) + int(asked["CACHE W"])
    assert all(int(row["OUT"]) > 0 for row in rows[:5])
    refused = rows[5]
    assert [refused[kind] for kind in ("IN", "OUT", "CACHE R", "CACHE W")] == ["-"] * 4


@contextmanager
def serving(folder: Path, *, begin: list[str] = DEMO, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demo that stays, and all that it printed."""
    with subprocess.Popen(
        [*begin, "--port", "0"], env=environment(folder) | variables, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            printed = ""
            for line in process.stdout:
                printed += line
                if line.startswith("Ctrl-C"):
                    break
            yield process, printed
        finally:
            process.kill()


def test_it_serves_on_until_ctrl_c_and_its_token_works(tmp_path: Path) -> None:
    """The lines to copy hold a real address and a real token; Ctrl-C ends it in good order."""
    with serving(tmp_path) as (process, printed):
        url, token = re.search(r"AIBRIDGE_URL=(\S+) AIBRIDGE_TOKEN=(\S+)", printed).groups()  # type: ignore[union-attr]
        assert f"ANTHROPIC_BASE_URL={url}/anthropic ANTHROPIC_AUTH_TOKEN={token}" in printed
        assert f'base_url = "{url}/openai/v1"' in printed
        assert f"curl {url}/" in printed

        with httpx.Client(base_url=url, headers={"authorization": f"Bearer {token}"}, trust_env=False) as http:
            said = {"model": "m", "messages": [{"role": "user", "content": 'say "it works"'}]}
            answer = http.post("/openai/v1/chat/completions", json=said)
            kept = http.get("/api/v2/aibridge/interceptions").json()
        assert answer.json()["choices"][0]["message"]["content"] == "it works"
        assert kept["count"] == 8
        assert kept["results"][0]["user_prompts"][0]["prompt"] == 'say "it works"'

        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    assert list(tmp_path.iterdir()) == []


def test_the_commands_to_copy_are_as_it_was_typed(tmp_path: Path) -> None:
    """`make demo` runs a program that no path leads to; a bare `aibridge` would not be found."""
    program = Path(sys.executable).parent / "aibridge"
    with serving(tmp_path, begin=[str(program), "demo"], PATH="/usr/bin:/bin") as (_, printed):
        assert f"  {program} interceptions show ID\n" in printed


def test_records_can_be_kept_and_a_second_demo_adds_to_them(tmp_path: Path) -> None:
    """With --database; ann and her records are there already the second time."""
    temporary, database = tmp_path / "temporary", tmp_path / "demo.db"
    temporary.mkdir()
    for _ in range(2):
        done = run(temporary, "--once", "--port", "0", "--database", f"sqlite:///{database}")
        assert (done.returncode, done.stderr) == (0, "")
        assert len(table(done.stdout)) == 7
    assert database.exists()


def test_a_port_of_ones_own_that_is_taken_is_an_error(tmp_path: Path) -> None:
    """Only the usual port has a stand-in."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run(tmp_path, "--once", "--port", str(port))
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr
