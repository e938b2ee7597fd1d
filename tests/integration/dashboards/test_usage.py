"""The dashboard on PostgreSQL: its queries on a trail that a gateway wrote, asked by the role that may only read."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from aibridge_adapters.clock import SystemClock
from support.grafana import FOLDER, Query, as_sql, dashboard, panel_queries, variable_queries
from support.markdown import Page
from support.running import Running

pytestmark = pytest.mark.anyio

SCRIPTS = FOLDER.parents[1] / "postgres"
PSQL = shutil.which("psql")
GUIDES = SCRIPTS.parents[1] / "docs" / "how-to"
USAGE = dashboard("usage")


def run_script(url: str, name: str, *flags: str) -> None:
    """As the script's own first lines say."""
    if PSQL is None:
        pytest.skip("psql is not installed; it runs the scripts of deploy/postgres")
    command = [PSQL, url, "--no-psqlrc", "-qv", "ON_ERROR_STOP=1", *flags, "-f", str(SCRIPTS / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def reader(served: Running, postgres_url: str) -> str:
    """How Grafana connects. Scripts are run twice, as after an upgrade."""
    for _ in range(2):
        run_script(postgres_url, "prices.sql")
        run_script(postgres_url, "reader.sql", "-v", "password=it's secret")
    return make_conninfo(postgres_url, user="aibridge_reader", password="it's secret")


class Asking:
    """Asks what Grafana would, for the last day."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        now = SystemClock().now()
        self._times = {"first": (now - timedelta(days=1)).isoformat(), "last": (now + timedelta(minutes=1)).isoformat()}
        self.variables: dict[str, Sequence[str]] = {}

    def rows(self, query: Query, **chosen: Sequence[str]) -> list[Mapping[str, Any]]:
        """The answer, by column."""
        cursor = self._connection.cursor(row_factory=psycopg.rows.dict_row)
        text = as_sql(query.text, **self._times, variables={**self.variables, **chosen})
        return cursor.execute(text.encode()).fetchall()

    def panel(self, title: str, **chosen: Sequence[str]) -> list[Mapping[str, Any]]:
        """The answer to the panel's only query."""
        (query,) = [each for each in panel_queries(USAGE) if each.asked_by == title]
        return self.rows(query, **chosen)


@pytest.fixture
def asking(reader: str) -> Any:
    """With "All" chosen everywhere: Grafana then sends every option."""
    with psycopg.connect(reader, autocommit=True) as connection:
        asking = Asking(connection)
        for name, query in variable_queries(USAGE).items():
            asking.variables[name] = [next(iter(row.values())) for row in asking.rows(query)]
        yield asking


async def test_every_query_answers(asking: Asking) -> None:
    """No panel errs and none is empty; so do the variables offer something."""
    empty = [query.asked_by for query in panel_queries(USAGE) if not asking.rows(query)]
    assert empty == []
    assert asking.variables["username"] == ["ann"]
    assert set(asking.variables) == {"username", "provider", "model", "client"}
    assert all(asking.variables.values())


async def test_the_numbers_are_those_of_the_trail(asking: Asking, served: Running) -> None:
    """Totals of the panels equal the sums over what the REST API shows."""
    rows = await served.interceptions(limit=100)
    usages = [usage for row in rows for usage in row["token_usages"]]
    (total,) = asking.panel("Total usage")
    assert total["Input"] == sum(usage["input_tokens"] for usage in usages) > 0
    assert total["Cache read"] == sum(usage["cache_read_input_tokens"] for usage in usages) > 0
    (count,) = asking.panel("Interceptions")
    failed = sum(row["status"] == "failed" for row in rows)
    assert (count["Interceptions"], count["People"], count["Failed"]) == (len(rows), 2, failed)
    assert sum(row["value"] for row in asking.panel("Top clients")) == len(rows)
    assert len(asking.panel("Tool calls")) == sum(len(row["tool_usages"]) for row in rows)


async def test_failed_tools_and_stopped_calls_stand_out(asking: Asking) -> None:
    """The columns by which Grafana colours rows."""
    outcomes = {row["Tool"]: row["Outcome"] for row in asking.panel("Tool calls")}
    assert outcomes.pop("wiki_search") == "failed"
    assert set(outcomes.values()) == {""}
    (stopped,) = asking.panel("Network calls that a firewall stopped")
    assert (stopped["User"], stopped["URL"]) == ("ann", "https://paste.example.net/")


async def test_costs(asking: Asking, postgres_url: str) -> None:
    """Tokens times price, by the longest name that fits; a model without a price has none, not zero."""
    with psycopg.connect(postgres_url, autocommit=True) as owner:
        owner.execute("DELETE FROM dashboards.model_prices WHERE provider = 'openai'")
        owner.execute("UPDATE dashboards.model_prices SET input = 100 WHERE model = 'claude-sonnet-4'")
        owner.execute("INSERT INTO dashboards.model_prices VALUES ('anthropic', 'claude-sonnet-4-5', 2, 3, 5, 7)")
    costs = {(row["Provider"], row["Model"]): row for row in asking.panel("Approximate cost")}
    sampled = costs["anthropic", "claude-sonnet-4-5-20250929"]
    expected = (1200 * 2, 34 * 3, 5600 * 5, 78 * 7)
    shown = tuple(sampled[name] * 1_000_000 for name in ("Input", "Output", "Cache read", "Cache write"))
    assert shown == expected
    assert sampled["Total"] == Decimal(sum(expected)) / 1_000_000
    assert {row["Total"] for (provider, _), row in costs.items() if provider == "openai"} == {None}


async def test_variables_narrow_every_panel(asking: Asking) -> None:
    """Quotes in a value are no danger, and what doesn't match is not counted."""
    queries = list(panel_queries(USAGE))
    for name in ("username", "provider", "model", "client"):
        nobody = {name: ["it's nobody's"]}
        left = [query.asked_by for query in queries if any(any(row.values()) for row in asking.rows(query, **nobody))]
        assert left == []


async def test_the_reader_can_only_read(reader: str) -> None:
    """Neither write nor see credentials, even if it asks for a transaction that writes."""
    with psycopg.connect(reader, autocommit=True) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("30s",)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM interceptions")
        connection.execute("SET default_transaction_read_only = off")
        for forbidden in (
            "DELETE FROM interceptions",
            "UPDATE user_prompts SET prompt = ''",
            "INSERT INTO dashboards.model_prices VALUES ('a', 'b', 1, 1, 1, 1)",
            "SELECT * FROM api_tokens",
            "SELECT * FROM users",
            "SELECT * FROM tool_credentials",
            "CREATE TABLE public.mine (x int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)


@pytest.mark.parametrize("page", ["watch-usage", "see-network-calls"])
async def test_queries_of_the_guides_answer(reader: str, page: str) -> None:
    """Each SQL query finds something, asked by the role that may only read."""
    queries = [block for block in Page(GUIDES / f"{page}.md").blocks if block.language == "sql"]
    assert queries
    with psycopg.connect(reader, autocommit=True) as connection:
        empty = [block.line for block in queries if not connection.execute(block.text.encode()).fetchall()]
    assert empty == []


def test_files_are_what_grafana_expects() -> None:
    """Each dashboard has a uid of its own, panels that don't overlap, and a data source that can be chosen."""
    uids = set()
    for file in sorted(Path(FOLDER).glob("*.json")):
        found = dashboard(file.stem)
        uids.add(found["uid"])
        cells = [
            (x, y)
            for panel in found["panels"]
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        assert len(cells) == len(set(cells))
        assert {x for x, _ in cells} <= set(range(24))
        assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
        sources = {panel["datasource"]["uid"] for panel in found["panels"] if "datasource" in panel}
        assert sources == {"${datasource}"}
    assert len(uids) == len(list(Path(FOLDER).glob("*.json"))) >= 2
