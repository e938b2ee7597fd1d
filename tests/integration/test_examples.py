"""Every file in examples/ runs as its reader would run it, and shows what it promises."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def output(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        env=os.environ | {"no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_readme_names_every_example() -> None:
    """None is forgotten here either."""
    readme = (EXAMPLES / "README.md").read_text()
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == {"mount_in_starlette.py", "custom_recorder.py", "read_a_stream.py"}
    assert all(f"[{name}]({name})" in readme for name in names)


def test_the_host_application_lets_its_own_people_in_and_nobody_else() -> None:
    """Ann's question is answered and kept under her name; a wrong token is refused in the API's shape."""
    said = output("mount_in_starlette.py")
    assert "The host's own page." in said
    assert "as host-token-of-ann  ->  200" in said
    assert "as a-wrong-one  ->  401" in said
    assert '"type":"authentication_error","message":"This is not a token of our host application."' in said
    assert said.count("Kept:") == 1
    assert "Kept: ann asked claude-x: 'Good morning!' (completed" in said


def test_the_custom_recorder_writes_the_life_of_an_interception() -> None:
    """A line for its begin, each fact and its end, all of one interception, without the provider's key."""
    lines = [json.loads(line) for line in output("custom_recorder.py").splitlines()]
    assert [line["event"] for line in lines] == ["begin", "PromptUsage", "ModelThought", "TokenUsage", "end"]
    begin, *records, end = [line["value"] for line in lines]
    assert {begin["id"], end["id"], *(record["interception_id"] for record in records)} == {begin["id"]}
    assert end["status"] == "completed"
    assert "sk-central" not in json.dumps(lines)


def test_a_stream_is_read_without_being_changed() -> None:
    """Seven bytes at a time."""
    assert output("read_a_stream.py").splitlines() == [
        "Request   model claude-x, streaming True, prompt 'Read it'",
        "Tokens    12 in, 41 out, 2048 read from and 310 written to the cache",
        "Thought   The user wants “it” read; Read does that.",
        'Tool      Read with {"file_path":"it.txt"}',
        "Relayed   2150 bytes, the same that came in",
    ]


@pytest.mark.parametrize("events", [3, 9])
def test_a_stream_of_ones_own_that_breaks_off_is_told_as_such(tmp_path: Path, events: int) -> None:
    """What was seen comes out all the same."""
    whole = (EXAMPLES / "data" / "messages_stream.txt").read_bytes()
    part = tmp_path / "part.txt"
    part.write_bytes(b"\n\n".join(whole.split(b"\n\n")[:events]) + b"\n\n")
    said = output("read_a_stream.py", str(part))
    assert "Tokens    12 in" in said
    assert "Failed    incomplete" in said
