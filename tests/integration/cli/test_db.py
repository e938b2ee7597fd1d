"""`aibridge db` on both databases."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from aibridge_adapters.storage import postgres, sqlite
from integration.cli.running import Command

Admin = Callable[..., Result]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path) -> str:
    """An empty database, or none yet."""
    return f"sqlite:///{tmp_path}/a.db" if request.param == "sqlite" else request.getfixturevalue("empty_postgres_url")


@pytest.fixture
def newest(url: str) -> int:
    """How many steps this program knows; each storage has its own."""
    return len((sqlite if url.startswith("sqlite") else postgres).shipped_migrations())


@pytest.fixture
def admin(aibridge: Command, url: str) -> Admin:
    """Runs `aibridge db` on one database."""
    return lambda *arguments: aibridge("db", *arguments, AIBRIDGE_DATABASE_URL=url)


def test_from_nothing_to_up_to_date(admin: Admin, newest: int) -> None:
    """`check` fails until `migrate` has run, which says what it did and does nothing the second time."""
    before = admin("check")
    assert before.exit_code == 1
    assert "there is no schema yet" in before.stderr
    assert "aibridge db migrate" in before.stderr
    first = admin("migrate")
    assert first.exit_code == 0
    assert first.stdout.splitlines()[0] == "applied 0001_interceptions"
    assert f"up to date, version {newest}" in first.stdout
    assert "applied" not in admin("migrate").stdout
    assert admin("check").exit_code == 0


def test_looking_changes_nothing(admin: Admin, tmp_path) -> None:
    """`status` and `check` on nothing leave nothing."""
    for _ in range(2):
        assert admin("status").exit_code == 0
        assert admin("check").exit_code == 1
        assert json.loads(admin("status", "-o", "json").stdout)["version"] == 0
    assert list(tmp_path.iterdir()) == []


def test_status_as_json(admin: Admin, newest: int) -> None:
    """Every step with the time at which it was applied, or null."""
    missing = json.loads(admin("status", "-o", "json").stdout)
    assert (missing["version"], missing["known"], missing["up_to_date"]) == (0, newest, False)
    assert {step["applied_at"] for step in missing["steps"]} == {None}
    admin("migrate")
    there = json.loads(admin("status", "-o", "json").stdout)
    assert (there["version"], there["up_to_date"]) == (newest, True)
    assert [step["version"] for step in there["steps"]] == list(range(1, newest + 1))
    assert all(step["applied_at"].endswith("+00:00") for step in there["steps"])


def test_a_gateways_other_commands_find_what_migrate_made(aibridge: Command, admin: Admin, url: str) -> None:
    """Users are made in the database that `migrate` has prepared."""
    admin("migrate")
    assert aibridge("users", "create", "ann", AIBRIDGE_DATABASE_URL=url).exit_code == 0
    assert '"ann"' in aibridge("users", "list", "-o", "json", AIBRIDGE_DATABASE_URL=url).stdout


@pytest.mark.parametrize("command", ["status", "check", "migrate"])
def test_databases_that_cannot_be_used(aibridge: Command, tmp_path, command: str) -> None:
    """One line says why; a password is not in it."""
    broken = tmp_path / "not-a-database.db"
    broken.write_text("x" * 5000)
    for url, says in (
        (f"sqlite:///{broken}", "not a database"),
        ("sqlite:///:memory:", "in memory"),
        (f"postgresql://ann:hunter2@/trail?host={tmp_path}", "can't connect to the database"),
    ):
        done = aibridge("db", command, AIBRIDGE_DATABASE_URL=url)
        assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
        assert says in done.stderr
        assert "hunter2" not in done.output
