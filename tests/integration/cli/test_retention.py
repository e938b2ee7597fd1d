"""`aibridge retention` on a real SQLite file, with the system's clock."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from click.testing import Result

from aibridge_adapters.clock import SystemClock
from aibridge_adapters.storage import Storage, open_storage
from aibridge_adapters.storage.sqlite.schema import migrate, shipped_migrations
from aibridge_core.content import content_of
from aibridge_core.records import InterceptionFilter, Page
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.contract.purging import whole
from aibridge_core.testing.samples import Samples
from integration.cli.running import Command, Process

Admin = Callable[..., Result]
AGES = (100, 90, 80, 45, 44, 1)
"""In days."""


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'aibridge.db'}"


@pytest.fixture
def admin(aibridge: Command, database: str) -> Admin:
    """Runs `aibridge` on one database."""
    return lambda *arguments, **variables: aibridge(*arguments, AIBRIDGE_DATABASE_URL=database, **variables)


def on(database: str, work: Callable[[Storage], object]) -> list[bool]:
    """Do something there; then, newest first, whether each interception has content."""

    async def run() -> list[bool]:
        async with open_storage(database, clock=SystemClock(), owner="test") as storage:
            await work(storage)  # type: ignore[misc]
            found = await storage.store.list(InterceptionFilter(), Page())
            return [any(content_of(record.fact) for record in each.records) for each in found]

    return anyio.run(run)


async def nothing(storage: Storage) -> None:
    """Only look."""


@pytest.fixture(autouse=True)
def filled(database: str) -> None:
    """Interceptions of all ages, whole."""
    samples = Samples(clock=FakeClock(wall=SystemClock().now()))

    async def fill(storage: Storage) -> None:
        now = samples.clock.now()
        for age in AGES:
            await whole(storage, samples, started_at=now - timedelta(days=age))

    assert on(database, fill) == [True] * 6


def test_a_dry_run_counts_and_changes_nothing(admin: Admin, database: str) -> None:
    """The default period may be looked at; what would happen is said in one sentence."""
    result = admin("retention", "run", "--dry-run", "--prompt-retention", "30d")
    assert (result.exit_code, result.stdout) == (
        0,
        "Would delete 3 interceptions older than 60d, erase the content of 2 interceptions older than 30d. "
        "Nothing was changed.\n",
    )
    assert on(database, nothing) == [True] * 6


def test_a_dry_run_leaves_the_schema_alone(aibridge: Command, tmp_path: Path) -> None:
    """Neither is a file made nor a schema brought up to date for the sake of counting; the message says what to do."""
    for file, has in ((tmp_path / "none.db", "there is no schema yet"), (tmp_path / "old.db", "has version 5")):
        if "version" in has:
            with closing(sqlite3.connect(file, isolation_level=None)) as connection:
                migrate(connection, now=0, migrations=shipped_migrations()[:5])
        before = file.read_bytes() if file.exists() else None
        done = aibridge("retention", "run", "--dry-run", AIBRIDGE_DATABASE_URL=f"sqlite:///{file}")
        assert (done.exit_code, done.stdout) == (1, "")
        assert has in done.stderr
        assert "aibridge db migrate" in done.stderr
        assert (file.read_bytes() if file.exists() else None) == before


def test_a_run_removes_it(admin: Admin, database: str) -> None:
    """As much as the dry run said; a second one finds nothing."""
    result = admin("retention", "run", "--retention", "60d", "--prompt-retention", "30d")
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "Deleted 3 interceptions older than 60d, erased the content of 2 interceptions older than 30d, in "
    )
    assert on(database, nothing) == [True, False, False]
    again = admin("retention", "run", "--retention", "60d", "--prompt-retention", "30d")
    assert again.stdout.startswith("Deleted 0 interceptions")


def test_json_for_programs(admin: Admin) -> None:
    """The same fields whatever happened; the periods come from the environment too."""
    settings = {"AIBRIDGE_RETENTION": "12w", "AIBRIDGE_PROMPT_RETENTION": "0"}
    due = json.loads(admin("retention", "run", "--dry-run", "-o", "json", **settings).stdout)
    assert due == {
        "dry_run": True, "retention": "12w", "prompt_retention": "0", "interceptions_due": 2, "contents_due": 0,
        "network_calls_due": 0,
    }  # fmt: skip
    done = json.loads(admin("retention", "run", "-o", "json", **settings).stdout)
    assert done.pop("seconds") >= 0
    assert done == {
        "dry_run": False, "retention": "12w", "prompt_retention": "0", "outcome": "done", "deleted": 2, "erased": 0,
        "interceptions_left": 0, "contents_left": 0, "network_calls_deleted": 0, "network_calls_left": 0, "error": None,
    }  # fmt: skip


def test_nothing_is_deleted_on_the_strength_of_a_default(admin: Admin, database: str) -> None:
    """The service may have another period, in an environment that this shell doesn't share."""
    result = admin("retention", "run", "--prompt-retention", "30d")
    assert result.exit_code == 2
    assert "--retention 60d" in result.stderr
    assert on(database, nothing) == [True] * 6


def test_zero_keeps_everything(admin: Admin, database: str) -> None:
    """And says so."""
    result = admin("retention", "run", "--retention", "0")
    assert (result.exit_code, result.stdout) == (0, "Interceptions are kept for ever, and their contents with them.\n")
    assert on(database, nothing) == [True] * 6


def test_contents_alone(admin: Admin, database: str) -> None:
    """Rows for ever, texts for a while."""
    result = admin("retention", "run", "--retention", "0", "--prompt-retention", "30d")
    assert result.stdout.startswith("Erased the content of 5 interceptions older than 30d, in ")
    assert on(database, nothing) == [True] + [False] * 5


def test_while_another_process_is_at_it(admin: Admin, database: str) -> None:
    """The command fails, since what it was asked for was not done; a count is no purge."""

    async def claim(storage: Storage) -> None:
        assert storage.retention is not None
        assert await storage.retention.claim(SystemClock().now(), seconds=300)

    on(database, claim)
    result = admin("retention", "run", "--retention", "60d")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "another process is purging" in result.stderr
    as_json = admin("retention", "run", "--retention", "60d", "-o", "json")
    assert (as_json.exit_code, json.loads(as_json.stdout)["outcome"]) == (1, "elsewhere")
    assert admin("retention", "run", "--dry-run").exit_code == 0
    assert on(database, nothing) == [True] * 6


def test_time_that_is_over(admin: Admin) -> None:
    """The run ends in good order and says what it left."""
    result = admin("retention", "run", "--retention", "60d", "--time-limit", "0s", "-o", "json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert (report["outcome"], report["deleted"], report["interceptions_left"]) == ("out_of_time", 0, 3)
    in_words = admin("retention", "run", "--retention", "60d", "--time-limit", "0s").stdout
    assert "The time is over: 3 interceptions left to delete" in in_words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--retention", "60"), 'retention = "60": the unit is missing'),
        (("--retention", "30d", "--prompt-retention", "31d"), "allowed: at most 30d"),
        (("--retention", "30d", "--time-limit", "soon"), "not a duration such as 90s, 15m or 2h"),
        (("--retention", "30d", "--database-url", "sqlite:///:memory:"), "name a file with --database-url"),
    ],
)
def test_what_can_not_be_meant_is_refused(admin: Admin, database: str, arguments: tuple[str, ...], said: str) -> None:
    """Before anything is removed."""
    result = admin("retention", "run", *arguments)
    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert on(database, nothing) == [True] * 6


def test_as_a_process(process: Process, database: str) -> None:
    """Results on standard output, nothing on standard error, no bar where nobody watches."""
    done = process("retention", "run", "--retention", "60d", AIBRIDGE_DATABASE_URL=database)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Deleted 3 interceptions older than 60d, in ")
