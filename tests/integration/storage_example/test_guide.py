"""The guide to storage adapters shows the example's code as it is."""

from pathlib import Path
from textwrap import indent

import pytest

from integration.storage_example.conftest import EXAMPLE
from support.markdown import Block, Page

GUIDE = Page(Path(__file__).parents[3] / "docs" / "how-to" / "add-a-storage-adapter.md")
SHOWN = [block for block in GUIDE.blocks if block.language in ("python", "toml") and not block.marks]
SOURCES = {path.name: path.read_text("utf-8") for path in [*EXAMPLE.rglob("*.py"), EXAMPLE / "pyproject.toml"]}


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: f"line {block.line}")
def test_the_guide_quotes_the_example(block: Block) -> None:
    """Each block that isn't run by itself stands in the example, word for word, perhaps further to the right."""
    moved = [indent(block.text, " " * blanks) for blanks in (0, 4, 8)]
    assert [name for name, source in SOURCES.items() if any(text in source for text in moved)]


def test_the_guide_quotes_enough() -> None:
    """What the test above relies on: there is something to compare, and every port has its place."""
    assert len(SHOWN) >= 8
    ports = ("Recorder", "InterceptionStore", "Leases", "Retention", "IdentityStore")
    assert [port for port in ports if f"`{port}`" not in GUIDE.text] == []


def test_the_readme_names_every_file() -> None:
    """Whoever reads the example's README knows where to look."""
    text = (EXAMPLE / "README.md").read_text("utf-8")
    files = {path.name for path in (EXAMPLE / "aibridge_jsonl").glob("*.py")}
    assert {name for name in files if f"(aibridge_jsonl/{name})" not in text} == set()
