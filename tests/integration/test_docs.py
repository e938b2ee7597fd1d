"""The documentation is true as far as a machine can tell: links, commands, names, code and queries."""

import json
import os
import re
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
from attrs import evolve

from aibridge_adapters.cli.connecting import recipes
from aibridge_adapters.clock import SystemClock
from aibridge_adapters.config import ProviderSettings
from aibridge_adapters.config_sources.environment import read_environment
from aibridge_adapters.config_sources.names import OWN_PREFIX, dormant
from aibridge_adapters.config_sources.provider_types import FIELDS
from aibridge_adapters.config_sources.report import Report
from aibridge_adapters.config_sources.table import SETTINGS
from aibridge_adapters.storage.sqlite import open_sqlite
from aibridge_core.actors import CredentialKind
from aibridge_core.clients import RULES
from aibridge_core.records import ErrorType, Status
from aibridge_core.testing.clock import FakeClock
from aibridge_core.testing.samples import FACTS, Samples
from support.command_lines import aibridge_commands, mistake
from support.markdown import Block, Page

PROJECT = Path(__file__).parents[2]
FOLDERS = ("docs", "examples", "deploy", "bench", "src")
PAGES = [
    Page(path)
    for path in sorted([*PROJECT.glob("*.md"), *(path for name in FOLDERS for path in (PROJECT / name).rglob("*.md"))])
]
DEPLOYED = sorted(path for path in (PROJECT / "deploy").rglob("*") if path.is_file())
SHELLS = ("sh", "bash", "console")

by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.path.relative_to(PROJECT)))


def docs(name: str) -> Page:
    return Page(PROJECT / "docs" / name)


def code(page: Page, *languages: str) -> Iterator[Block]:
    return (block for block in page.blocks if block.language in languages)


@by_page
def test_links_lead_somewhere(page: Page) -> None:
    """Each relative link names a file or folder of the project, and each anchor a heading in it."""
    broken = []
    for link in page.links:
        target, _, anchor = link.partition("#")
        path = page.path.parent / unquote(target) if target else page.path
        if re.match(r"[a-z]+:", link):
            continue
        if not path.exists() or (anchor and anchor not in Page(path).anchors):
            broken.append(link)
    assert broken == []


def test_every_page_is_on_the_map() -> None:
    """Whoever begins at docs/README.md finds each page of docs/, the decisions by way of their own list."""
    linked = {
        (page.path.parent / link.partition("#")[0]).resolve()
        for page in (docs("README.md"), docs("decisions/README.md"))
        for link in page.links
    }
    pages = {path.resolve() for path in (PROJECT / "docs").rglob("*.md")} - {docs("README.md").path}
    assert {str(path.relative_to(PROJECT)) for path in pages - linked} == set()


@by_page
def test_commands_exist(page: Page) -> None:
    """Commands of aibridge, in shell code and in sentences, have subcommands, flags and choices that exist."""
    scripts = [*(block.text for block in code(page, *SHELLS)), *page.indented]
    scripts += [span for span in page.code_spans if re.match(r"(\.venv/bin/)?aibridge ", span)]
    commands = [command for script in scripts for command in aibridge_commands(script.replace("\\|", "|"))]
    mistakes = {" ".join(command): wrong for command in commands if (wrong := mistake(command))}
    assert mistakes == {}


def test_wrong_commands_would_be_noticed() -> None:
    """What the test above relies on."""
    assert list(aibridge_commands("sudo -u aibridge aibridge users list | jq .")) == [["users", "list"]]
    assert list(aibridge_commands("export T=$(aibridge tokens create ann)")) == [["tokens", "create", "ann"]]
    assert list(aibridge_commands("sudo install -d -o aibridge /var/lib/aibridge")) == []
    assert "no command" in mistake(["users", "invite"])
    assert "--shout" in mistake(["serve", "--shout"])
    assert "role" in mistake(["users", "create", "ann", "--role", "king"])
    assert mistake(["users", "create", "ann", "--role", "auditor"]) == ""


@pytest.mark.parametrize("path", [*(page.path for page in PAGES), *DEPLOYED], ids=lambda path: path.name)
def test_variables_are_known(path: Path) -> None:
    """Each AIBRIDGE_ variable that a page names is one that the program reads, or knows for what it is."""
    found = re.findall(r"\b(?:CODER_)?AIBRIDGE_[A-Z0-9][A-Z0-9_<N>]*(?![A-Z0-9_.*])", path.read_text("utf-8"))
    names = {name.replace("<N>", "0") for name in found}
    # Some belong to others only if their value looks like it (Kubernetes' AIBRIDGE_PORT).
    assert unknown(names, "1") & unknown(names, "tcp://10.0.0.1:4001") == set()


def unknown(names: Iterable[str], value: str) -> set[str]:
    report = Report(strict=True)
    read_environment(dict.fromkeys(names, value), report)
    return {text.partition(" ")[0] for text in report.problems if "is not a known setting" in text}


def test_wrong_variables_would_be_noticed() -> None:
    """What the test above relies on."""
    assert unknown(["AIBRIDGE_HTTP_ADRESS", "AIBRIDGE_HTTP_ADDRESS"], "1") == {"AIBRIDGE_HTTP_ADRESS"}


def test_every_setting_is_in_the_reference() -> None:
    """With its flag, its variable and its key in the file; and so is every field of a provider."""
    page = docs("reference/configuration.md")
    for setting in SETTINGS:
        said = page.text.partition(f"### {setting.key}\n")[2].partition("###")[0]
        assert f"`{setting.flag}" in said
        assert f"`{OWN_PREFIX}{setting.variable}`" in said
        assert f"`{setting.key}`" in said
    assert all(f"`{OWN_PREFIX}PROVIDER_<N>_{field.variable}`" in page.text for field in FIELDS.values())


def test_what_is_not_there_yet_has_no_effect() -> None:
    """The README promises nothing, and admits nothing that has been built since."""
    section = Page(PROJECT / "README.md").text.partition("## Not yet\n")[2]
    names = re.findall(r"`AIBRIDGE_([A-Z0-9_]+)`", section)
    assert names
    assert [name for name in names if dormant(name) is None] == []


@by_page
def test_code_can_be_read(page: Page) -> None:
    """Python compiles, JSON and TOML parse."""
    readers = {"python": lambda text: compile(text, "page", "exec"), "json": json.loads, "toml": tomllib.loads}
    for block in page.blocks:
        if reader := readers.get(block.language):
            try:
                reader(block.text)
            except ValueError as error:
                pytest.fail(f"{page.path}:{block.line}: {error}")


MARKED = [
    pytest.param(block, mark, id=f"{page.path.stem}-{block.line}")
    for page in PAGES
    for block in code(page, "python")
    for mark in block.marks
]


@pytest.mark.parametrize(("block", "mark"), MARKED)
def test_marked_code_works(block: Block, mark: str, tmp_path: Path) -> None:
    """`python run` runs as a program, `python test` as a test file."""
    file = tmp_path / "test_page.py"
    file.write_text(block.text)
    how = {"run": [file], "test": ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", file]}[mark]
    done = subprocess.run(
        [sys.executable, *how],
        cwd=tmp_path,
        env=os.environ | {"no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_quick_set_ups_are_those_of_the_guides() -> None:
    """What the README, the guides and the program itself say to type for Claude Code and Codex is the same."""
    readme = Page(PROJECT / "README.md")
    claude = next(block.text for block in code(readme, "sh") if "ANTHROPIC_BASE_URL" in block.text)
    codex = next(code(readme, "toml")).text
    assert claude in docs("how-to/connect-claude-code.md").text
    assert codex in docs("how-to/connect-codex.md").text
    providers = [ProviderSettings(type=name, name=name, base_url="") for name in ("anthropic", "openai")]
    shown = {client.partition(" (")[0]: lines for client, lines in recipes("http://127.0.0.1:4001", providers)}
    assert codex.splitlines() == shown["Codex"]
    variables = re.findall(r"(ANTHROPIC_\w+=\S+)", claude)
    assert variables[0] in shown["Claude Code"][0]
    assert [name.partition("=")[0] for name in variables] == re.findall(r"(ANTHROPIC_\w+)=", shown["Claude Code"][0])


@by_page
def test_no_machine_of_ours_is_named(page: Page) -> None:
    """Paths are those of a reader, or relative to the project."""
    assert re.findall(r"(?<![\w./-])/(?:work|root|home|Users)\b[^\s`]*|\.\./shared\S*", page.text) == []


def test_messages_are_those_of_the_program() -> None:
    """What troubleshooting explains is what the program says, word for word between the dots."""
    source = "".join(path.read_text("utf-8") for path in (PROJECT / "src").rglob("*.py"))
    said = re.sub(r"[\"']\s*\n\s*f?[\"']", "", source).replace('\\"', '"')
    cells = list(messages(docs("how-to/troubleshooting.md")))
    fragments = [part.strip(" :") for cell in cells for part in cell.split("...")]
    assert len(cells) > 30
    assert [fragment for fragment in fragments if fragment not in said] == []


def messages(page: Page) -> Iterator[str]:
    """Code in table columns whose head tells of messages."""
    column = None
    for line in page.prose.splitlines():
        cells = line.strip("|").split("|")
        if not line.startswith("|"):
            column = None
        elif column is None:
            heads = [cell for cell in cells if re.match(r" (Message|It ends with)", cell)]
            column = cells.index(heads[0]) if heads else len(cells)
        else:
            yield from re.findall(r"`([^`]+)`", "".join(cells[column : column + 1]))


def test_recording_tells_of_everything_that_is_recorded() -> None:
    """Every status, error type, source of a client's name and kind of record has its words."""
    text = docs("explanation/recording.md").text
    assert [value for value in (*Status, *ErrorType) if f"`{value}`" not in text] == []
    labels = {rule.label.partition(" (")[0] for rule in RULES}
    assert {label for label in labels if label not in re.sub(r"\s+", " ", text)} == set()


def test_every_dependency_has_its_reason() -> None:
    """A row for each name in pyproject.toml, and no row for one that is gone."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = {
        re.split(r"[<>=;\[ ]", line)[0]
        for line in [*project["dependencies"], *(each for some in extras for each in some)]
    }
    rows = re.findall(r"^\| (`.*?) \|", docs("decisions/0002-dependencies.md").text, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == wanted


FACTS_TO_FIND = [
    evolve(fact, arguments='{"command": "rm -rf build"}') if hasattr(fact, "arguments") else fact for fact in FACTS
]
"""One of each kind, the tool call with the words that a query looks for."""


@pytest.fixture
async def trail(tmp_path: Path) -> Path:
    """A database file as a gateway leaves it: old and new interceptions of every status, with every kind of record."""
    file = tmp_path / "aibridge.db"
    now = SystemClock().now()
    session = "5b1c0a52-7d7e-4d06-9b6f-2f0f5c6f3a11"
    samples = Samples(clock=FakeClock(wall=now - timedelta(days=90)))
    async with open_sqlite(str(file), clock=samples.clock, owner="docs", settle_every=1) as storage:
        for days_ago in (90, 1):
            samples.clock.wall = now - timedelta(days=days_ago)
            for status in Status:
                start = samples.start(client_session_id=session, credential_kind=CredentialKind.BYOK)
                await storage.recorder.begin(start)
                await storage.recorder.record([samples.record(start, fact) for fact in FACTS_TO_FIND])
                if status is not Status.IN_FLIGHT:
                    await storage.recorder.end(samples.ended(start, status, error_type="timeout"))
    return file


def statements(page: Page) -> Iterable[str]:
    return [block.text for block in code(page, "sql")]


@pytest.mark.anyio
async def test_queries_find_what_they_promise(trail: Path) -> None:
    """Every SELECT of the guide runs on a database as a gateway makes it, and answers something."""
    with closing(sqlite3.connect(f"file:{trail}?mode=ro", uri=True)) as connection:
        for query in statements(docs("how-to/read-the-trail.md")):
            if query.startswith("SELECT"):
                assert connection.execute(query).fetchall(), query


@pytest.mark.anyio
async def test_deleting_by_hand_leaves_nothing_behind(trail: Path) -> None:
    """The guide's DELETE removes what is old and has ended, with its records, and the counts stay right."""
    (delete,) = [text for text in statements(docs("how-to/read-the-trail.md")) if text.startswith("DELETE")]
    with closing(sqlite3.connect(trail)) as connection:
        assert connection.execute(delete).rowcount == len(Status) - 1
        connection.commit()
        left = "SELECT count(*) FROM interceptions"
        assert connection.execute(f"{left} WHERE status <> 'in_flight'").fetchone() == (len(Status) - 1,)
        assert connection.execute("SELECT sum(n) FROM daily_counts").fetchone() == (len(Status) - 1,)
        for table in ("user_prompts", "token_usages", "tool_usages", "model_thoughts"):
            orphans = f"SELECT count(*) FROM {table} WHERE interception_id NOT IN (SELECT id FROM interceptions)"
            assert connection.execute(orphans).fetchone() == (0,)
