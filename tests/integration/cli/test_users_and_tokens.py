"""`aibridge users` and `aibridge tokens` on a real SQLite file."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import Result

from integration.cli.running import Command, Process

Admin = Callable[..., Result]
TOKEN = re.compile(r"aib_[0-9A-Za-z]{10}_[0-9A-Za-z]{43}\n")


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'aibridge.db'}"


@pytest.fixture
def admin(aibridge: Command, database: str) -> Admin:
    """Runs `aibridge` on one database."""
    return lambda *arguments: aibridge(*arguments, AIBRIDGE_DATABASE_URL=database)


def test_the_first_user_and_a_token(admin: Admin) -> None:
    """The two commands that `aibridge serve` prints; standard output of the second is the token alone."""
    made = admin("users", "create", "ann", "--name", "Ann Lee", "--role", "admin")
    token = admin("tokens", "create", "ann", "--name", "laptop")

    assert (made.exit_code, token.exit_code) == (0, 0)
    assert made.stdout.startswith("Created ann (admin), id ")
    assert "aibridge tokens create ann" in made.stderr
    assert TOKEN.fullmatch(token.stdout)
    assert "shown this once" in token.stderr


def test_a_token_is_never_shown_again(admin: Admin, tmp_path: Path) -> None:
    """Neither lists nor the file hold its secret; the file holds its hash."""
    admin("users", "create", "ann")
    text = admin("tokens", "create", "ann").stdout.strip()
    secret = text.split("_")[2]

    for output in ("json", "jsonl", "table"):
        assert secret not in admin("tokens", "list", "--output", output).output
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert secret.encode() not in kept
    assert sha256(text.encode()).digest() in kept


def test_users_are_listed_as_json(admin: Admin) -> None:
    """Away from a terminal, with every field, by username."""
    admin("users", "create", "bob", "--role", "auditor")
    admin("users", "create", "ann", "--name", "Ann Lee")
    admin("users", "suspend", "bob")

    ann, bob = json.loads(admin("users", "list").stdout)

    assert (ann["username"], ann["name"], ann["role"], ann["suspended"]) == ("ann", "Ann Lee", "member", False)
    assert (bob["username"], bob["role"], bob["suspended"]) == ("bob", "auditor", True)
    assert datetime.fromisoformat(ann["created_at"]).tzinfo


def test_users_are_listed_as_a_table(admin: Admin) -> None:
    """For people."""
    admin("users", "create", "ann", "--name", "[bold]Ann[/]", "--role", "admin")

    head, line = admin("users", "list", "-o", "table").stdout.splitlines()

    assert head.split() == ["USERNAME", "NAME", "ROLE", "STATE", "CREATED", "ID"]
    assert line.split()[:4] == ["ann", "[bold]Ann[/]", "admin", "active"]


def test_nobody_yet(admin: Admin) -> None:
    """An empty organisation is an empty array."""
    assert admin("users", "list").stdout == "[]\n"
    assert admin("tokens", "list").stdout == "[]\n"


def test_the_life_of_a_user(admin: Admin) -> None:
    """Suspend, resume, change of role, delete: each says what it did."""
    admin("users", "create", "ann")

    said = [
        admin("users", *arguments).stdout
        for arguments in (["suspend", "ann"], ["resume", "ann"], ["role", "ann", "auditor"], ["delete", "ann", "-y"])
    ]

    assert [text.split(":")[0].split(".")[0] for text in said] == [
        "Suspended ann", "Resumed ann", "ann is now auditor", "Deleted ann",
    ]  # fmt: skip
    assert json.loads(admin("users", "list").stdout) == []


def test_deleting_asks_first(admin: Admin) -> None:
    """Where nobody can be asked, `--yes` has to be said."""
    admin("users", "create", "ann")

    done = admin("users", "delete", "ann")

    assert (done.exit_code, done.stderr) == (2, "Error: nobody can be asked here; say --yes\n")
    assert len(json.loads(admin("users", "list").stdout)) == 1


def test_tokens_are_listed_and_revoked(admin: Admin) -> None:
    """By id, or by owner and name."""
    for user in ("ann", "bob"):
        admin("users", "create", user)
        admin("tokens", "create", user, "--name", "laptop")
    admin("tokens", "create", "ann", "--name", "ci", "--expires", "90d")
    laptop, ci = json.loads(admin("tokens", "list", "ann").stdout)
    assert (laptop["username"], laptop["name"], laptop["expires_at"], laptop["last_used_at"]) == (
        "ann", "laptop", None, None,
    )  # fmt: skip
    lasts = datetime.fromisoformat(ci["expires_at"]) - datetime.fromisoformat(ci["created_at"])
    assert timedelta(days=89) < lasts < timedelta(days=91)

    assert admin("tokens", "revoke", ci["id"]).exit_code == 0
    assert admin("tokens", "revoke", "ann/laptop").exit_code == 0

    assert [token["username"] for token in json.loads(admin("tokens", "list").stdout)] == ["bob"]


def test_a_token_as_json(admin: Admin) -> None:
    """Text and facts in one object, for automation."""
    admin("users", "create", "ann")

    made = json.loads(admin("tokens", "create", "ann", "-o", "json", "--expires", "2199-01-31T00:00:00+01:00").stdout)

    assert made["token"].split("_")[1] == made["id"]
    assert (made["username"], made["name"], made["expires_at"]) == ("ann", "default", "2199-01-30T23:00:00Z")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (["users", "create", "ann"], 1, "ann"),
        (["users", "create", "a b"], 1, "a-z A-Z 0-9"),
        (["users", "create", "me"], 1, "me"),
        (["users", "create", "x", "--role", "boss"], 2, "boss"),
        (["users", "suspend", "bob"], 1, "bob"),
        (["users", "role", "bob", "admin"], 1, "aibridge users list"),
        (["tokens", "create", "bob"], 1, "bob"),
        (["tokens", "create", "ann"], 1, "default"),
        (["tokens", "create", "ann", "--name", "x", "--expires", "soon"], 2, "90d"),
        (["tokens", "create", "ann", "--name", "x", "--expires", "2001-01-01T00:00:00Z"], 1, "past"),
        (["tokens", "create", "ann", "--name", "x", "--expires", "9999999w"], 2, "range"),
        (["tokens", "list", "bob"], 1, "bob"),
        (["tokens", "revoke", "0123456789"], 1, "aibridge tokens list"),
        (["users", "list", "--database-url", "mysql://x"], 1, "mysql"),
        (["users", "list", "--database-url", "sqlite:///:memory:"], 1, "memory"),
    ],
)
def test_what_is_refused_says_why(admin: Admin, arguments: list[str], exit_code: int, says: str) -> None:
    """Errors go to standard error; the exit code tells a failure (1) from wrong usage (2)."""
    admin("users", "create", "ann")
    admin("tokens", "create", "ann")

    done = admin(*arguments)

    assert (done.exit_code, done.stdout) == (exit_code, "")
    assert "Error: " in done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_database(admin: Admin, tmp_path: Path) -> None:
    """One line, and the file stays as it is."""
    (tmp_path / "aibridge.db").write_text("not a database at all, rather a letter" * 100)

    done = admin("users", "list")

    assert done.exit_code == 1
    assert re.fullmatch(r"Error: .*\n", done.stderr)
    assert (tmp_path / "aibridge.db").read_text().startswith("not a database")


def test_the_flag_wins_over_the_variable(admin: Admin, tmp_path: Path) -> None:
    """As everywhere: flags, then environment, then file."""
    admin("users", "create", "ann", "--database-url", f"sqlite:///{tmp_path / 'other.db'}")

    assert json.loads(admin("users", "list").stdout) == []
    assert (tmp_path / "other.db").exists()


def test_in_a_shell(process: Process, database: str) -> None:
    """As processes of their own, as a script would use them; variables for other commands disturb nobody."""
    variables = {"AIBRIDGE_DATABASE_URL": database, "AIBRIDGE_TOKEN": "x", "AIBRIDGE_URL": "http://127.0.0.1:1"}
    assert process("users", "create", "ann", **variables).returncode == 0

    token = process("tokens", "create", "ann", "--name", "laptop", **variables)

    assert TOKEN.fullmatch(token.stdout)
    assert process("users", "list", **variables).stderr == ""


def test_times_are_in_utc(admin: Admin) -> None:
    """Whatever the machine's zone."""
    admin("users", "create", "ann")

    created = json.loads(admin("users", "list").stdout)[0]["created_at"]

    assert created.endswith("Z")
    assert abs(datetime.fromisoformat(created) - datetime.now(UTC)) < timedelta(minutes=5)  # noqa: TID251
