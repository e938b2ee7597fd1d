"""`aibridge boundaries import` on a real SQLite file, and how `interceptions show` tells of the calls."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from click.testing import Result

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.storage import open_storage
from aibridge_core.boundaries import NetworkCall
from aibridge_core.boundary_lines import MAX_LINE
from integration.cli.api_server import ApiServer, interception
from integration.cli.running import Command

SESSION = "f17e0000-0000-4000-8000-00000000000a"


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'aibridge.db'}"


@pytest.fixture
def importing(aibridge: Command, database: str, tmp_path: Path) -> Callable[..., Result]:
    """Imports a file of these lines."""

    def run(*lines: bytes, flags: tuple[str, ...] = ()) -> Result:
        (tmp_path / "audit.jsonl").write_bytes(b"".join(lines))
        file = str(tmp_path / "audit.jsonl")
        return aibridge("boundaries", "import", file, *flags, AIBRIDGE_DATABASE_URL=database)

    return run


def line(number: int) -> bytes:
    fields = {
        "session_id": SESSION,
        "sequence_number": number,
        "event_time": "2026-01-16T00:11:39Z",
        "decision": "deny",
        "http_method": "GET",
        "http_url": "https://example.com/",
    }
    return json.dumps({"msg": "boundary_request", "fields": fields}).encode() + b"\n"


def kept(database: str) -> list[NetworkCall]:
    async def read() -> list[NetworkCall]:
        async with open_storage(database, clock=SystemClock(), owner="test") as storage:
            assert storage.network_log is not None
            return list(await storage.network_log.calls(SESSION, limit=10_000))

    return anyio.run(read)


def test_a_log_is_imported_once(importing: Callable[..., Result], database: str) -> None:
    """More lines than are kept at once; a second time nothing is new."""
    lines = [line(number) for number in range(1203)]
    first = importing(*lines, b"\n", b'{"msg": "started"}\n')
    assert (first.exit_code, first.output) == (
        0,
        "Imported 1,203 network calls; 2 lines are about something else.\n",
    )
    assert [call.place.sequence_number for call in kept(database)] == list(range(1203))
    again = importing(*lines, line(1203).rstrip())
    assert again.output == "Imported 1 network call; 1,203 were there already.\n"


def test_wrong_lines_are_named_and_the_others_imported(importing: Callable[..., Result], database: str) -> None:
    """With their numbers, on standard error; the command fails, and importing the mended log goes on from there."""
    result = importing(
        line(1), b"boundary_request owner=joe\n", b"x" * (3 * MAX_LINE) + b"\n", line(2), b'{"a": "\x1b"}'
    )
    assert result.exit_code == 1
    assert result.stdout == "Imported 2 network calls.\n"
    assert result.stderr.splitlines() == [
        "line 2: not a JSON object",
        f"line 3: the line is longer than {MAX_LINE} bytes",
        "line 5: not a JSON object",
        "Error: 3 of 5 lines were wrong and are not imported",
    ]
    assert len(kept(database)) == 2


def test_not_every_wrong_line_is_named(importing: Callable[..., Result]) -> None:
    """The wrong file is recognised by its first lines."""
    errors = importing(*[b"{}\n"] * 100).stderr.splitlines()
    assert errors[19:] == [
        "line 20: session_id is missing",
        "further wrong lines are not named",
        "Error: 100 of 100 lines were wrong and are not imported",
    ]


def test_the_summary_as_json(importing: Callable[..., Result]) -> None:
    """For a timer that watches it."""
    result = importing(line(1), line(1), b"\n", flags=("--output", "json"))
    assert json.loads(result.stdout) == {"new": 1, "known": 1, "skipped": 1, "wrong": 0}


def test_standard_input(database: str) -> None:
    """A log can be piped; without a terminal there is no bar."""
    done = subprocess.run(
        [sys.executable, "-m", "aibridge_adapters.cli.main", "boundaries", "import", "-", "--database-url", database],
        input=line(1) + line(2),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Imported 2 network calls.\n", b"")


def test_a_missing_file(aibridge: Command, database: str) -> None:
    """Wrong usage, in one line."""
    result = aibridge("boundaries", "import", "no-such.jsonl", AIBRIDGE_DATABASE_URL=database)
    assert result.exit_code == 2
    assert "no-such.jsonl" in result.stderr


def test_an_interception_shows_its_network_calls(aibridge: Command, api: ApiServer) -> None:
    """When, whether it was allowed, what, and by which rule; control characters can't hide anything."""
    call = {"made_at": "2026-01-02T03:04:07.000000Z", "method": "GET", "allowed": True}
    api.body = interception(
        agent_firewall_session_id=SESSION,
        agent_firewall_sequence_number=0,
        network_calls=[
            {**call, "url": "https://pypi.example.com/", "matched_rule": "domain=pypi.example.com"},
            {**call, "url": "https://evil.example.com/\x1b[2K", "matched_rule": "", "allowed": False},
        ],
    )
    shown = aibridge("interceptions", "show", api.body["id"], AIBRIDGE_URL=api.url, AIBRIDGE_TOKEN="t").stdout
    assert f"  Firewall    session {SESSION}, number 0\n" in shown
    assert shown.endswith(
        "\nNetwork calls until the next request\n"
        "  2026-01-02 03:04:07  allowed  GET https://pypi.example.com/  (domain=pypi.example.com)\n"
        "  2026-01-02 03:04:07  denied   GET https://evil.example.com/\\x1b[2K\n"
    )
