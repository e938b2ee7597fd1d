"""`aibridge db` on both databases."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

import psycopg
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


@pytest.fixture
def run(url: str, tmp_path) -> Callable[[str], None]:
    """Does something to the database as any other program would."""

    def execute(statement: str) -> None:
        if url.startswith("sqlite"):
            with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
                connection.execute(statement)
        else:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(statement)

    return execute


@pytest.mark.parametrize(
    ("damage", "found", "wanted"),
    [
        ("DELETE FROM schema_migrations WHERE version = 3", "0004_tool_credentials", "0003_retention"),
        ("UPDATE schema_migrations SET name = 'of_a_branch' WHERE version = 2", "0002_of_a_branch", "0002_identity"),
    ],
    ids=["a step is not there", "a step of another program"],
)
def test_steps_that_are_not_this_programs(
    aibridge: Command, admin: Admin, url: str, run: Callable[[str], None], damage: str, found: str, wanted: str
) -> None:
    """The newest step's number doesn't make a schema one that fits: every command says which step is wrong."""
    admin("migrate")
    run(damage)
    shown = admin("status")
    assert (shown.exit_code, json.loads(admin("status", "-o", "json").stdout)["up_to_date"]) == (0, False)
    for done in (shown, admin("check"), admin("migrate"), aibridge("users", "list", AIBRIDGE_DATABASE_URL=url)):
        assert f"{found} where {wanted} should" in (done.stdout if done is shown else done.stderr)
        assert (done.exit_code == 0) == (done is shown)


@pytest.mark.parametrize("works", [True, False])
def test_a_newer_schema(admin: Admin, run: Callable[[str], None], newest: int, *, works: bool) -> None:
    """`check` lets an older program start only if the newer step says that it can."""
    admin("migrate")
    run(
        "INSERT INTO schema_migrations (version, name, applied_at, works_from) SELECT "
        f"version + 1, 'more', applied_at, {newest if works else newest + 1} FROM schema_migrations "
        f"WHERE version = {newest}"
    )
    checked = admin("check")
    assert checked.exit_code == (0 if works else 1)
    said = f"the schema has version {newest + 1}, newer than this program knows ({newest})"
    assert said in (checked.stdout if works else checked.stderr)
    shown = json.loads(admin("status", "-o", "json").stdout)
    assert (shown["up_to_date"], shown["fits"]) == (False, works)
    assert admin("migrate").exit_code == (0 if works else 1)


@pytest.mark.parametrize("command", ["status", "check", "migrate"])
def test_another_programs_ledger(admin: Admin, run: Callable[[str], None], command: str) -> None:
    """Many programs call their ledger as we do: such a database is left alone, and one line says what to do."""
    run("CREATE TABLE schema_migrations (version varchar(255))")
    run("INSERT INTO schema_migrations VALUES ('20240101120000')")
    done = admin(command)
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
    assert "schema_migrations is another program's: give aibridge a database of its own" in done.stderr


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
